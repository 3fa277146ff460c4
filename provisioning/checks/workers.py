"""Checks that workers run, have equal settings, and have the credentials that are set here. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioning.checks.finding import Finding, ok, warning
from provisioning.checks.redis_server import SKEW
from provisioning.ledger import WorkerSign
from provisioning.text import Text, joined


def judge_workers(workers: Sequence[WorkerSign], *, embedded: bool) -> Iterator[Finding]:
    """
    All findings on the live workers.

    Args:
        embedded: each command starts its own, so there may be none.
    """
    if workers:
        yield ok(
            "workers.alive",
            Text(
                "{count} running: {names}",
                count=len(workers),
                names=", ".join(sorted(each.name for each in workers)),
            ),
        )
        yield from _disagreements(workers)
        yield from _skews(workers)
    elif embedded:
        yield ok("workers.alive", "provision apply starts its own worker")
    else:
        yield warning("workers.alive", "no worker is running", "start one with: provision worker")


def _disagreements(workers: Sequence[WorkerSign]) -> Iterator[Finding]:
    names = sorted({name for each in workers for name in each.settings})
    agreed = True
    for name in names:
        values = {each.name: each.settings[name] for each in workers if name in each.settings}
        if len(set(values.values())) > 1:
            agreed = False
            yield warning(
                "workers.settings",
                Text(
                    "workers differ in PROVISION_{name}: {values}",
                    name=name.upper(),
                    values=joined(
                        ", ",
                        [
                            Text("{worker} has {value}", worker=worker, value=value)
                            for worker, value in sorted(values.items())
                        ],
                    ),
                ),
                "use the same value on all workers and restart them",
            )
    known = {tuple(each.credentials) for each in workers}
    if len(known) > 1:
        agreed = False
        everywhere = set.intersection(*(set(names) for names in known))
        anywhere = set.union(*(set(names) for names in known))
        yield warning(
            "workers.credentials",
            Text(
                ("not every worker has {names}: a worker without it stops the credential for all"),
                names=", ".join(sorted(anywhere - everywhere)),
            ),
            "use the same PROVISION_CREDENTIALS_FILE on all workers and restart them",
        )
    if agreed and len(workers) > 1:
        yield ok("workers.settings", "all workers have the same settings and credentials")


def _skews(workers: Sequence[WorkerSign]) -> Iterator[Finding]:
    off = [each for each in workers if abs(each.skew) > SKEW]
    for each in off:
        facts = {"name": each.name, "seconds": abs(each.skew)}
        yield warning(
            "clock.workers",
            Text("the clock of {name} is {seconds:.1f} s ahead of Redis'", **facts)
            if each.skew > 0
            else Text("the clock of {name} is {seconds:.1f} s behind Redis'", **facts),
            "synchronize the clock of its host with NTP",
        )
    if not off:
        yield ok("clock.workers", "the clocks of all workers agree with that of Redis")
