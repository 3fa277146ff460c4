"""
The whole ledger in numbers, for metrics: sums over all batches, computed inside Redis in steps.

The cost grows with the number of stored batches, not with their jobs: some 10 µs of Redis' time per batch, a
few ms per step. Nothing here names a batch, a job or a tenant.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from provisioning.errors import NotFoundError
from provisioning.learned_rate import LearnedRate
from provisioning.ledger import keys, schema
from provisioning.ledger.ledger import Ledger
from provisioning.ledger.records import Hold, WorkerSign
from provisioning.ledger.scripts import Call
from provisioning.lifecycle import State
from provisioning.messages import QUEUE, UNACKNOWLEDGED
from provisioning.observability.metric import KNOWN_CAUSES
from provisioning.pace import Rate

STRETCH: Final = 250
"""Batches per call: a few ms in which Redis does nothing else."""

LINES: Final = 8
"""The oldest batches with jobs ready, of which the job that has waited longest is searched."""

PACES: Final = 50
"""Most paces with the name of their credential; operators set them by hand."""

_KNOWN: Final[tuple[str, ...]] = tuple(sorted(KNOWN_CAUSES))


class Sums(msgspec.Struct, frozen=True):
    """
    Sums over some batches.

    Attributes:
        counts: jobs by state; `accepted`, `least`, `most`, `attempts`; `waiting`, queued jobs that wait for a
            time; `settled`, batches with nothing left to do.
        causes: dead and in doubt by cause, undocumented ones as `other`.
        doubted: when the oldest doubt began, Unix seconds.
        due: when the first of the waiting jobs is or was due.
        first: ids of the jobs that are next in their batch, the oldest batch's first.
    """

    batches: int = 0
    counts: Mapping[str, int] = {}
    causes: Mapping[tuple[str, str], int] = {}
    doubted: float | None = None
    due: float | None = None
    first: tuple[str, ...] = ()

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.batches + other.batches,
            _added(self.counts, other.counts),
            _added(self.causes, other.causes),
            _earlier(self.doubted, other.doubted),
            _earlier(self.due, other.due),
            self.first + other.first,
        )


class Server(msgspec.Struct, frozen=True):
    """
    The state of the ledger's Redis.

    Attributes:
        used, most: bytes; `most` is 0 where nothing limits it.
        append_only: whether it keeps an append-only file.
        sound: for each kind of write (`append`, `rewrite`, `save`), whether the last one succeeded.
    """

    used: int
    most: int
    append_only: bool
    sound: Mapping[str, bool]


class Gauges(msgspec.Struct, frozen=True):
    """
    The ledger at one moment, approximately: its pages are read one after the other.

    Attributes:
        at: Unix seconds, by Redis' clock.
        oldest: seconds for which the job that has been ready longest has waited; 0 if none is ready. Searched
            in the oldest batches, among their next jobs.
        oldest_doubt: seconds since the oldest doubt began; 0 if there is none.
        messages: that wait in Celery's queue in this Redis, if that is the broker.
        taken: that workers have received and not acknowledged, likewise; those of a dead one for a minute.
        refused: stored messages that the Celery intake has refused.
        paces: set by an operator, POSTs a second by credential; infinite for unlimited.
        learned: rates from 429s, likewise, if in force.
    """

    at: float
    sums: Sums
    oldest: float
    oldest_doubt: float
    holds: list[Hold]
    workers: list[WorkerSign]
    server: Server
    messages: int
    taken: int
    refused: int
    paces: Mapping[str, float]
    learned: Mapping[str, float]


async def read_gauges(ledger: Ledger) -> Gauges:
    """
    Reads everything.

    Raises: LedgerUnavailableError.
    """
    redis: Any = ledger.redis
    at = _seconds(await redis.time())
    sums = await sum_up(ledger)
    holds, workers = await ledger.queries.holds(), await ledger.queries.workers()
    pipeline = redis.pipeline(transaction=False)
    pipeline.info("memory")
    pipeline.info("persistence")
    pipeline.llen(QUEUE)
    pipeline.hlen(UNACKNOWLEDGED)
    pipeline.llen(keys.INTAKE_DEAD)
    pipeline.hgetall(keys.RATES)
    pipeline.hgetall(keys.LEARNED)
    memory, persistence, messages, taken, refused, rates, learned = await pipeline.execute()
    since = await _ready_since(ledger, sums)
    return Gauges(
        at=at,
        sums=sums,
        oldest=0.0 if since is None else max(0.0, at - since),
        oldest_doubt=0.0 if sums.doubted is None else max(0.0, at - sums.doubted),
        holds=holds,
        workers=workers,
        server=_server(memory, persistence),
        messages=int(messages),
        taken=int(taken),
        refused=int(refused),
        paces=_paces(rates),
        learned=_learned(learned),
    )


async def sum_up(ledger: Ledger, *, stretch: int = STRETCH) -> Sums:
    """
    The sums over every batch; Redis serves other clients between two steps.

    A batch that is deleted meanwhile may make this miss another one.
    """
    sums, start = Sums(), 0
    while True:
        found = await ledger.do(_sums(start, stretch, max(0, LINES - len(sums.first))))
        sums += found
        start += stretch
        if found.batches < stretch:
            return sums


def _sums(start: int, most: int, lines: int) -> Call[Sums]:
    known = [schema.Word(cause) for cause in _KNOWN]
    return Call("gauges", keys.BATCHES, _read_sums, schema.SumUp(start, most, lines), known)


def _read_sums(reply: Any) -> Sums:
    batches, counts, causes, doubted, due, first = reply
    return Sums(
        batches=int(batches),
        counts={field.decode(): int(sum_) for field, sum_ in _pairs(counts)},
        causes={_cause(field.decode()): int(sum_) for field, sum_ in _pairs(causes)},
        doubted=float(doubted) / 1000 or None,
        due=float(due) / 1000 or None,
        first=tuple(f"{batch.decode()}.{int(number)}" for batch, number in _pairs(first)),
    )


async def _ready_since(ledger: Ledger, sums: Sums) -> float | None:
    """
    When the job that has been ready longest became ready: of the next jobs of batches, and of the waiting
    jobs that are due and that no worker has claimed.
    """
    found = await asyncio.gather(*(_queued_since(ledger, job_id) for job_id in sums.first))
    return min([*(at for at in found if at), *([sums.due] if sums.due else [])], default=None)


async def _queued_since(ledger: Ledger, job_id: str) -> float | None:
    try:
        job = await ledger.queries.job(job_id)
    except NotFoundError:
        return None
    return job.at if job.state is State.QUEUED else None  # a list may name a cancelled job


def _server(memory: Mapping[str, Any], persistence: Mapping[str, Any]) -> Server:
    # A missing field is no failure: hosted servers hide some of them.
    fields = {
        "append": "aof_last_write_status",
        "rewrite": "aof_last_bgrewrite_status",
        "save": "rdb_last_bgsave_status",
    }
    return Server(
        used=int(memory.get("used_memory", 0)),
        most=int(memory.get("maxmemory", 0)),
        append_only=bool(persistence.get("aof_enabled", 0)),
        sound={what: persistence.get(field, "ok") == "ok" for what, field in fields.items()},
    )


def _paces(rates: Mapping[bytes, bytes]) -> dict[str, float]:
    paces: dict[str, float] = {}
    for credential, rate in sorted(rates.items())[:PACES]:
        word = rate.decode()
        paces[credential.decode()] = math.inf if word == Rate(None).word else float(word)
    return paces


def _learned(rates: Mapping[bytes, bytes]) -> dict[str, float]:
    known = {
        name.decode(): msgspec.json.decode(rate, type=LearnedRate)
        for name, rate in sorted(rates.items())[:PACES]
    }
    return {credential: rate.rate for credential, rate in known.items() if rate.in_force}


def _added(ours: Mapping[Any, int], theirs: Mapping[Any, int]) -> dict[Any, int]:
    return {name: ours.get(name, 0) + theirs.get(name, 0) for name in {**ours, **theirs}}


def _earlier(ours: float | None, theirs: float | None) -> float | None:
    return min((at for at in (ours, theirs) if at is not None), default=None)


def _cause(field: str) -> tuple[str, str]:
    state, _, cause = field.partition(":")
    return state, cause


def _pairs(flat: Any) -> Any:
    return zip(flat[::2], flat[1::2], strict=True)


def _seconds(time: tuple[int, int]) -> float:
    return time[0] + time[1] / 1e6
