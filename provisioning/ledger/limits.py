"""
What limits sending now, in numbers: for status, progress and metrics.

Pure: the registry entries of workers and the known rates go in. The console has the texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from provisioning.learned_rate import LearnedRate
from provisioning.ledger.records import WorkerSign
from provisioning.pace import Rate

NOTICED = 0.02
"""Share of answers that push back from which a worker's limit is reported as caused by them."""


class SendingLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One thing that limits sending.

    Attributes:
        kind: `outage`: the API seems to be down; `learned_rate`: a credential's rate, learned from 429s;
            `pace`: set by a person or a setting; `concurrency`: POSTs in flight on a worker.
        on: the credential or the worker; empty for the API.
        per_second: of a rate.
        at_once: most POSTs in flight.
        refused: share of the last answers that pushed back; 0 to 1.
        since: Unix seconds of its begin.
        certain: of an outage: a probe has failed as well.
        cause: of an outage: the last failure, as one word.
        next_probe: of an outage: Unix seconds of the next probes.
        workers: number with this limit.
    """

    kind: Literal["outage", "learned_rate", "pace", "concurrency"]
    on: str = ""
    per_second: float | None = None
    at_once: int | None = None
    refused: float | None = None
    since: float | None = None
    certain: bool | None = None
    cause: str | None = None
    next_probe: float | None = None
    workers: int | None = None


def sending_limits(
    workers: Sequence[WorkerSign], paces: Mapping[str, str], learned: Mapping[str, LearnedRate]
) -> list[SendingLimit]:
    """
    What limits sending, the most severe first.

    Args:
        paces: set by an operator, as the ledger keeps them.
        learned: by credential.
    """
    limits = []
    outages = [worker.outage for worker in workers if worker.outage]
    if outages:
        certain = [outage for outage in outages if outage.certain]
        shown = min(certain or outages, key=lambda outage: outage.since)
        limits.append(
            SendingLimit(
                kind="outage",
                since=shown.since,
                certain=bool(certain),
                cause=shown.cause,
                next_probe=min(outage.next_probe for outage in outages),
                workers=len(outages),
            )
        )
    usual = usual_rate(workers)
    for credential in sorted(set(paces).union(learned, *(worker.credentials for worker in workers))):
        rate = learned.get(credential)
        set_to = Rate.of_word(paces[credential]) if credential in paces else usual
        per_second = None if set_to is None else set_to.per_second
        if rate is not None and rate.in_force and (per_second is None or rate.rate < per_second):
            limits.append(
                SendingLimit(
                    kind="learned_rate",
                    on=credential,
                    per_second=round(rate.rate, 2),
                    since=round(rate.since, 3),
                )
            )
        elif per_second is not None:
            limits.append(SendingLimit(kind="pace", on=credential, per_second=per_second))
    limits += [
        SendingLimit(kind="concurrency", on=worker.name, at_once=worker.limit, refused=worker.refused)
        for worker in sorted(workers, key=lambda each: each.name)
    ]
    return limits


def differing_settings(workers: Sequence[WorkerSign]) -> list[str]:
    """The settings that should be equal on all workers and are not, by name."""
    values: dict[str, set[str]] = {}
    for worker in workers:
        for name, value in worker.settings.items():
            values.setdefault(name, set()).add(value)
    return sorted(name for name, found in values.items() if len(found) > 1)


def usual_rate(workers: Sequence[WorkerSign]) -> Rate | None:
    """The pace of these workers for credentials without one of their own; None if they differ, or none is."""
    words = {worker.settings.get("rate", "") for worker in workers}
    return Rate.parse(next(iter(words))) if len(words) == 1 and "" not in words else None


def is_felt(limit: SendingLimit) -> bool:
    """Whether the API causes it, and not a person's setting."""
    if limit.kind == "concurrency":
        return (limit.refused or 0.0) >= NOTICED
    return limit.kind != "pace"
