"""
Ledgers for tests: a clock that moves when told, short ways to fill a ledger, and its whole state as a value.

The fixtures themselves are in `conftest.py`. Nothing here sleeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis

from provisioning.attempt import Attempt, Bounds, Evidence, Outcome, Result
from provisioning.job import NewJob
from provisioning.ledger import Answered, Claim, Intent, Ledger, transitions
from provisioning.ledger.codec import StoredJob, words_of
from provisioning.ledger.schema import JOB
from provisioning.lifecycle import Event
from provisioning.owner import DEFAULT

NOW = 1_800_000_000.0
TARGET = "http://target"
LEASE = 30.0

CHANGE = {
    Event.CREATED: Bounds(1, 0),
    Event.REJECTED: Bounds(0, -1),
    Event.EXHAUSTED: Bounds(0, 0),
    Event.RETRY_DUE: Bounds(0, 0),
    Event.REFUSED: Bounds(0, -1),
    Event.DOUBTED: Bounds(0, 0),
}
"""What an answer adds to the bounds; exhausted and retry_due as after a 500."""

OUTCOME = {
    Event.CREATED: Outcome.CREATED,
    Event.REJECTED: Outcome.REJECTED,
    Event.EXHAUSTED: Outcome.FAILED,
    Event.RETRY_DUE: Outcome.FAILED,
    Event.REFUSED: Outcome.DENIED,
    Event.DOUBTED: Outcome.IN_DOUBT,
}


class Clock:
    """Unix seconds that pass only when told."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now = round(self.now + seconds, 3)


def new_job(key: str, credential: str = "acme", body: bytes = b'{"a":1}', *, fingerprint: str = "") -> NewJob:
    """A job with little to it; its fingerprint can be read."""
    return NewJob(key=key, credential=credential, body=body, fingerprint=fingerprint or body.decode())


async def fill(ledger: Ledger, *jobs: NewJob, batch: str = "b1", owner: str = DEFAULT) -> None:
    """Opens `batch` under its own id and hands the jobs over."""
    await ledger.do(transitions.open_batch(batch, batch, {}, owner=owner))
    await ledger.do(transitions.accept(batch, jobs, "ana"))


async def claim(ledger: Ledger, most: int = 100, *, batch: str = "b1", worker: str = "w1") -> list[Claim]:
    """Claims for `worker`."""
    call = transitions.claim(batch, worker=worker, lease=LEASE, target=TARGET, most=most, rooms={})
    return (await ledger.do(call)).jobs


async def send(ledger: Ledger, job: Claim, attempt: int | None = None) -> bool:
    """Records the intent to POST. Returns: whether it may start."""
    intent = Intent(job.number, job.token, attempt or job.attempts + 1, job.credential)
    [grant] = await ledger.do(transitions.sending(job.batch, [intent], lease=LEASE, target=TARGET))
    return grant.go


def answer(
    job: Claim,
    event: Event,
    *,
    attempt: int | None = None,
    reason: str = "",
    change: Bounds | None = None,
    widget: str = "w-1",
    next_delay: float | None = None,
) -> Answered:
    """What came of a POST, as a worker words it."""
    n = attempt or job.attempts + 1
    created = event is Event.CREATED
    return Answered(
        number=job.number,
        token=job.token,
        key=job.key,
        event=event,
        reason=reason or event.value,
        change=CHANGE[event] if change is None else change,
        attempt=Attempt(
            n=n,
            at=NOW,
            seconds=0.5,
            outcome=OUTCOME[event],
            evidence=Evidence.ANSWERED,
            error="" if created else reason or event.value,
            next_delay=next_delay,
            worker="w1",
        ),
        result=Result(widget_id=widget, key=f"key of {widget}") if created else None,
    )


async def say(ledger: Ledger, *answers: Answered, batch: str = "b1") -> list[bool]:
    """Records answers. Returns: whether each was recorded."""
    return [recorded.taken for recorded in await ledger.do(transitions.answered(batch, answers))]


def lose_opened_batches(ledger: Ledger) -> None:
    """Lets Redis lose everything whenever this ledger has opened or found a batch."""
    redis: Any = ledger.redis

    async def lose(call: Any) -> Any:
        found = await Ledger.do(ledger, call)
        if call.script == "open_batch":
            await redis.flushall()
        return found

    ledger.do = lose  # type: ignore[method-assign]


async def snapshot(redis: Redis) -> dict[str, Any]:
    """
    Everything that a Redis holds, as plain values: what should not have moved is compared too.

    Job N of a batch stands under `pv:{B}:jobs N` by the names of its fields, in words.
    """
    client: Any = redis
    names = sorted(await client.keys("*"))
    kinds: Any = redis.pipeline(transaction=False)
    for name in names:
        kinds.type(name)
    values: Any = redis.pipeline(transaction=False)
    readers = []
    for name, kind in zip(names, await kinds.execute(), strict=True):
        command, args, read = _READ[kind]
        values.execute_command(command, name, *args)
        readers.append(read)
    found = await values.execute()
    plain = {name.decode(): read(value) for name, read, value in zip(names, readers, found, strict=True)}
    for name in [name for name in plain if name.endswith(":jobs")]:
        words = words_of({k.encode(): v.encode() for k, v in plain.pop(f"{name[:-5]}:words", {}).items()})
        plain |= {f"{name} {n}": _job(value, words) for n, value in plain.pop(name).items()}
    return plain


def _job(value: str, words: dict[int, str]) -> dict[str, str]:
    kept = StoredJob(value.encode(), words)
    texts = {
        name: kept.text(name) for name in ("key", "credential", "fingerprint", "worker", "label", "trace")
    }
    counts = {name: str(kept.number(name) or "") for name in JOB if name not in (*texts, "posts", *_ALWAYS)}
    posts = {f"post {post}": belief for post, belief in kept.posts.items()}
    always = {"state": str(kept.state), "reason": kept.reason, "result": kept.result.decode()}
    always["story"] = kept.history.decode()
    return {name: text for name, text in (texts | counts | posts | always).items() if text}


_ALWAYS = ("state", "reason")


def _hash(value: Any) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in value.items()}


def _texts(value: Any) -> list[str]:
    return [each.decode() for each in value]


def _zset(value: Any) -> dict[str, float]:
    # The client pairs members with scores; fakeredis leaves them flat.
    pairs = zip(value[::2], value[1::2], strict=True) if value and isinstance(value[0], bytes) else value
    return {member.decode(): float(score) for member, score in pairs}


_READ: dict[bytes, tuple[str, tuple[Any, ...], Callable[[Any], Any]]] = {
    b"hash": ("HGETALL", (), _hash),
    b"list": ("LRANGE", (0, -1), _texts),
    b"set": ("SMEMBERS", (), lambda value: sorted(_texts(value))),
    b"zset": ("ZRANGE", (0, -1, "WITHSCORES"), _zset),
    b"stream": ("XRANGE", ("-", "+"), lambda value: [str(entry) for entry in value]),
    b"string": ("GET", (), lambda value: value.decode()),
}


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """
    What differs between two snapshots, as `key` or `key field` → its value afterwards (None: gone).

    >>> changed({"a": {"x": "1", "y": "1"}, "b": ["1"]}, {"a": {"x": "1", "y": "2"}})
    {'a y': '2', 'b': None}
    """
    found: dict[str, Any] = {}
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            fields: Sequence[str] = sorted({*old, *new})
            found |= {f"{key} {f}": new.get(f) for f in fields if old.get(f) != new.get(f)}
        elif old != new:
            found[key] = new
    return found
