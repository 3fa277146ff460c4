"""
Actions of people: hold, release, cancel, redrive, resolve.

Each is recorded in the audit, from the command line and over HTTP: actor, time, object, justification and
result.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from redis.asyncio import Redis

from provisioning import scopes
from provisioning.attempt import Result
from provisioning.errors import NotFoundError
from provisioning.ledger import keys, transitions
from provisioning.ledger.encryption import Encryption
from provisioning.ledger.numbers import last_number
from provisioning.ledger.records import Act, Fact, Hold, Redriven, Selection
from provisioning.ledger.schema import AUDIT_KEPT, EVENTS_KEPT, Happened, HoldKind, Released
from provisioning.ledger.scripts import Call
from provisioning.observability.log_events import ACT_NOTED
from provisioning.observability.logs import log_event
from provisioning.pace import Rate
from provisioning.text import Text

STRETCH = 2000
"""Jobs that one call cancels or redrives: a few ms of Redis' time, so that other clients do not wait long."""

Do = Callable[[Call[Any]], Awaitable[Any]]


class Operations:
    """Actions of people in the ledger. Each has an actor."""

    def __init__(self, redis: Redis, do: Do, encryption: Encryption) -> None:
        self._redis: Any = redis
        self._do = do
        self._encryption = encryption

    async def hold(self, scope: str, *, actor: str, justification: str) -> bool:
        """
        Pauses `scope`: no POST of it starts from now on, on any worker.

        Args:
            scope: a field of `keys.HOLDS`.
        Returns: False if it was held already; that hold is kept.
        """
        new = await self._hold(scope, actor, justification, HoldKind.PAUSED)
        if new:
            await self.note("pause", actor=actor, on=scope, justification=justification)
        return new

    async def _hold(self, scope: str, actor: str, justification: str, kind: HoldKind) -> bool:
        hold = Hold(scope=scope, at=time.time(), by=actor, why=justification, kind=kind)
        return bool(await self._do(transitions.hold(hold)))

    async def release(self, scope: str, *, actor: str = "", justification: str = "") -> Released:
        """Resumes `scope`: at once after a pause; under a brake, once a probe succeeds."""
        word: Released = await self._do(transitions.release(scope))
        if word is not Released.NOT_HELD:
            await self.note(
                "resume", actor=actor, on=scope, justification=justification, facts={"came_of_it": str(word)}
            )
        return word

    async def set_pace(self, credential: str, rate: Rate | None, *, actor: str = "") -> None:
        """
        Sets the pace of a credential on all workers, in force within a second and across restarts.

        Args:
            rate: None for each worker's own setting.
        """
        if rate is None:
            await self._redis.hdel(keys.RATES, credential)
        else:
            await self._redis.hset(keys.RATES, credential, rate.word)
        facts: dict[str, str | int] = {"pace": "not set" if rate is None else str(rate)}
        await self.note("pace", actor=actor, on=scopes.of_credential(credential), facts=facts)

    async def shred(self, batch: str, *, actor: str) -> bool:
        """
        Destroys the data key of a batch, and deletes what it had encrypted. Returns: whether there was one.

        The caller must have checked that no job of the batch is unsettled or in doubt.
        """
        had = await self._encryption.shred(batch)
        await self._redis.unlink(keys.bodies(batch), keys.late_results(batch))
        last_job = await last_number(self._redis, batch)
        for first in range(1, last_job + 1, STRETCH):
            await self._do(transitions.shred(batch, first, min(first + STRETCH - 1, last_job)))
        await self.note(
            "shred", actor=actor, on=scopes.of_batch(batch), facts={"had_a_key": str(had).lower()}
        )
        return had

    async def note(
        self,
        act: str,
        *,
        actor: str,
        on: str,
        justification: str = "",
        facts: Mapping[str, Fact] | None = None,
    ) -> None:
        """Adds an action to the audit. Its facts must hold no payload, credential or widget key."""
        line = act_of(act, actor=actor, on=on, justification=justification, facts=facts)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.xadd(keys.AUDIT, {"act": msgspec.json.encode(line)}, maxlen=AUDIT_KEPT, approximate=True)
        entry = {"event": str(Happened.ACT), "batch": _batch_of(on), "job": "", "on": line.on}
        pipeline.xadd(keys.EVENTS, entry, maxlen=EVENTS_KEPT, approximate=True)
        await pipeline.execute()
        log_event(ACT_NOTED, act=act, on=on, by=actor)

    async def choose_on_in_doubt(self, batch: str, choice: str) -> None:
        """Sets whether jobs of a batch in doubt wait for a person (`hold`) or are sent again (`retry`)."""
        await self._redis.hset(keys.batch(batch), "on_in_doubt", choice)

    async def cancel(
        self, batch: str, actor: str, *, credential: str | None = None, justification: str = ""
    ) -> int:
        """
        Cancels all unsent jobs of a batch, or of one credential in it.

        The batch is held first, so that no further POST starts during the sweep.
        Returns: how many.
        """
        scope = scopes.of_batch(batch)
        await self.begin_cancel(batch, actor)
        cancelled = 0
        try:
            last_job = await last_number(self._redis, batch)
            for first in range(1, last_job + 1, STRETCH):
                last = min(first + STRETCH - 1, last_job)
                cancelled += await self._do(transitions.cancel(batch, first, last, actor, credential))
        finally:
            try:
                await self.end_cancel(batch)
            finally:
                facts: dict[str, str | int] = {"jobs": cancelled}
                if credential is not None:
                    facts["credential"] = credential
                await self.note("cancel", actor=actor, on=scope, justification=justification, facts=facts)
        return cancelled

    async def begin_cancel(self, batch: str, actor: str) -> None:
        """Holds a batch while its jobs are cancelled; an earlier hold is kept."""
        await self._do(transitions.hold(self.cancelling(batch, actor)))

    def cancelling(self, batch: str, actor: str) -> Hold:
        """What holds a batch while its jobs are cancelled."""
        return Hold(
            scope=scopes.of_batch(batch),
            at=time.time(),
            by=actor,
            why="being cancelled",
            kind=HoldKind.CANCELLING,
        )

    async def end_cancel(self, batch: str) -> None:
        """Releases what `begin_cancel` has held, also for a sweep that was killed."""
        scope = scopes.of_batch(batch)
        held = await self._redis.hget(keys.HOLDS, scope)
        if held is not None and msgspec.json.decode(held, type=Hold).kind == HoldKind.CANCELLING:
            await self._do(transitions.release(scope))

    async def redrive(
        self, batch: str, wanted: Selection, actor: str, *, justification: str = ""
    ) -> Redriven:
        """
        Queues dead or cancelled jobs again, with new attempts; their history is kept.

        Args:
            justification: reason to accept a second widget; empty skips and counts those that may create one.
        """
        # All are looked up first: those that die again meanwhile are not queued over and over.
        numbers: list[int] = []
        after = "begin"
        while after:
            call = transitions.matching(batch, wanted, after.removeprefix("begin"), STRETCH)
            after, found = await self._do(call)
            numbers += [match.number for match in found]
        came = Redriven()
        try:
            for first in range(0, len(numbers), STRETCH):
                stretch = numbers[first : first + STRETCH]
                came += await self._do(
                    transitions.redrive(batch, stretch, actor, justification=justification)
                )
        finally:
            facts: dict[str, Fact] = {"state": str(wanted.state), **msgspec.structs.asdict(came)}
            facts |= facts_of(wanted)
            await self.note(
                "redrive", actor=actor, on=scopes.of_batch(batch), justification=justification, facts=facts
            )
        return came

    async def resolve(
        self, batch: str, number: int, *, created: bool, actor: str, result: Result | None = None
    ) -> bool:
        """
        Settles a doubt as a person has found. Returns: whether the job was in doubt.

        Raises: NotFoundError if there is no such job.
        """
        if not await self._redis.hexists(keys.jobs(batch), str(number)):
            raise NotFoundError(Text("there is no job {batch}.{number}", batch=batch, number=number))
        settled = bool(
            await self._do(transitions.resolve(batch, number, created=created, actor=actor, result=result))
        )
        if settled:
            found = "created" if created else "absent"
            await self.note(
                "resolve", actor=actor, on=scopes.of_job(f"{batch}.{number}"), facts={"found": found}
            )
        return settled


def act_of(
    act: str, *, actor: str, on: str, justification: str = "", facts: Mapping[str, Fact] | None = None
) -> Act:
    """An action of now, as the audit keeps it."""
    return Act(
        act=act,
        at=time.time(),
        by=_encodable(actor),
        on=_encodable(on),
        why=_encodable(justification),
        facts={
            name: _encodable(fact) if isinstance(fact, str) else fact for name, fact in (facts or {}).items()
        },
    )


def facts_of(wanted: Selection) -> dict[str, Fact]:
    """What a selection asks for, as facts of an action."""
    names = ("reason", "credential", "key", "since", "until")
    return {name: value for name in names if (value := getattr(wanted, name))}


def _batch_of(on: str) -> str:
    """Id of the batch that an action is on, if it is on a batch or a job; else empty."""
    kind, _, name = on.partition(":")
    return name if kind == "batch" else name.rpartition(".")[0] if kind == "job" else ""


def _encodable(text: str) -> str:
    """A text with undecodable bytes as escapes: file names and arguments may contain them, JSON may not."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
