"""Queries of the ledger: batches in numbers, jobs with their history. Nothing here writes."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from provisioning import scopes
from provisioning.attempt import Bounds
from provisioning.errors import NotFoundError
from provisioning.health.liveness import ALIVE_WITHIN
from provisioning.job import NewJob, Verdict, spellings_of, split_job_id
from provisioning.learned_rate import LearnedRate
from provisioning.ledger import keys, transitions
from provisioning.ledger.codec import StoredJob, words_of
from provisioning.ledger.encryption import Encryption
from provisioning.ledger.limits import SendingLimit, sending_limits
from provisioning.ledger.numbers import last_number
from provisioning.ledger.records import (
    EVERY,
    UNREADABLE,
    Act,
    AuditPage,
    BatchStatus,
    CauseGroup,
    Hold,
    JobRecord,
    Page,
    Risk,
    Selection,
    SourceFile,
    Span,
    Tombstone,
    WorkerSign,
)
from provisioning.ledger.schema import AUDIT_KEPT, HoldKind, Match
from provisioning.ledger.scripts import Call
from provisioning.lifecycle import UNSETTLED, State
from provisioning.owner import DEFAULT, owned_name
from provisioning.text import Text

Place = tuple[int, str]
"""Position of a batch in the list: the time when it was opened (ms), and its id for equal times."""

PLACES = 50
"""Batches per page."""

PAGE = 500
"""Jobs read in one pipeline."""

STRETCH = 1000
"""Jobs that one call scans: some ms of Redis' time, so that other clients do not wait long."""

FIRST_STRETCH = 125
"""Jobs that the first call scans, doubled at each further one: a page of a list seldom needs more."""

SCANNED = 5000
"""Keys that one call compares with `abc*`: a millisecond or two of Redis' time."""

_COUNTED = {
    *(*State, "accepted", "least", "most", "attempts", "token", "opened_at", "settled_at", "name", "sources"),
    "follows",
    "found",
    "charted",
    "last_number",
    "primary_changed_at",
    "period",
    "owner",
    "elsewhere",
    "first",
    "first_hold",
    "first_asked",
}

_decode_source = msgspec.json.Decoder(SourceFile).decode
_decode_sign = msgspec.json.Decoder(WorkerSign).decode
_decode_act = msgspec.json.Decoder(Act).decode
_decode_hold = msgspec.json.Decoder(Hold).decode
_decode_rate = msgspec.json.Decoder(LearnedRate).decode


class Queries:
    """Queries of one ledger. Every iterator reads pages, so that memory is constant for any batch."""

    def __init__(
        self, redis: Redis, do: Callable[[Call[Any]], Awaitable[Any]], encryption: Encryption
    ) -> None:
        # redis-py types each reply as the union of all it might be under any protocol; we decode them here.
        self._redis: Any = redis
        self._do = do
        self._encryption = encryption

    async def batch_id(self, name_or_id: str, owner: str | None = None, *, names_of: str = DEFAULT) -> str:
        """
        The id of a batch given by name or id. An id takes precedence: a name cannot hide another batch.

        Args:
            owner: the only one whose batches are looked at. None for all: a name is one of `names_of` then.
            names_of: `default` for whoever calls those of another owner `OWNER/NAME`.
        Raises: NotFoundError if there is none.
        """
        if await self._redis.exists(keys.batch(name_or_id)):
            if owner in (None, await self.owner(name_or_id)):
                return name_or_id
        else:
            name = owned_name(owner or names_of, name_or_id)
            # A caller limited to one owner must not reach the batches of another by their names.
            named = None if owner and "/" in name_or_id else await self._redis.hget(keys.NAMES, name)
            if named is not None:
                return str(named.decode())
        raise NotFoundError(
            Text("there is no batch {name_or_id!r}", name_or_id=name_or_id),
            hint="provision status lists all batches",
        )

    async def owner(self, batch: str) -> str:
        """Whose a batch is; `default` if there is none."""
        owner = await self._redis.hget(keys.batch(batch), "owner")
        return DEFAULT if owner is None else str(owner.decode())

    async def owners_of(self, batches: Iterable[str]) -> dict[str, str]:
        """Whose each of these batches is; those that are not there are left out."""
        wanted = list(dict.fromkeys(batches))
        pipeline = self._redis.pipeline(transaction=False)
        for batch in wanted:
            pipeline.exists(keys.batch(batch))
            pipeline.hget(keys.batch(batch), "owner")
        found = await pipeline.execute() if wanted else []
        return {
            batch: DEFAULT if owner is None else owner.decode()
            for batch, there, owner in zip(wanted, found[::2], found[1::2], strict=True)
            if there
        }

    async def batches(self) -> AsyncIterator[BatchStatus]:
        """All batches, the newest first."""
        for batch in await self._redis.zrevrange(keys.BATCHES, 0, -1):
            if status := await self.status_or_none(batch.decode()):
                yield status

    async def places(self, after: Place | None = None, *, since: float | None = None) -> list[Place]:
        """
        The next batches after a place, `PLACES` at most, the newest first; those of one millisecond in
        reverse order of their ids.

        Args:
            since: leaves out those that were opened before; Unix seconds.
        """
        most = "+inf" if after is None else str(after[0])
        least = "-inf" if since is None else str(int(since * 1000))
        skip = 0
        while True:
            rows = await self._redis.zrevrangebyscore(
                keys.BATCHES, most, least, skip, PLACES, withscores=True
            )
            places = [(int(score), batch.decode()) for batch, score in rows]
            found = [place for place in places if after is None or place < after]
            if found or len(rows) < PLACES:
                return found
            skip += PLACES

    async def backlog(self) -> int:
        """Jobs of all batches that are not settled."""
        pipeline = self._redis.pipeline(transaction=False)
        for batch in await self.active():
            pipeline.hmget(keys.batch(batch), *sorted(UNSETTLED))
        return sum(int(count or 0) for counts in await pipeline.execute() for count in counts)

    async def memory_share(self) -> float:
        """The used share of Redis' memory limit; 0 if there is no limit."""
        memory = await self._redis.info("memory")
        most = int(memory.get("maxmemory", 0))
        return int(memory["used_memory"]) / most if most else 0.0

    async def active(self) -> list[str]:
        """Ids of the batches with unsettled jobs."""
        return [batch.decode() for batch in await self._redis.zrange(keys.ACTIVE, 0, -1)]

    async def pulse(self) -> tuple[object, ...]:
        """
        A value that changes whenever a list of batches does: the batches, the counts of those with unsettled
        jobs, the last event, holds, and who works.
        """
        active = await self._redis.zrange(keys.ACTIVE, 0, -1)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zcard(keys.BATCHES)
        pipeline.xrevrange(keys.EVENTS, count=1)
        pipeline.hlen(keys.HOLDS)
        pipeline.hlen(keys.WORKER_SIGNS)
        for batch in active:
            pipeline.hmget(keys.batch(batch.decode()), *State)
        return tuple(str(each) for each in (active, *await pipeline.execute()))

    async def status_or_none(self, batch: str) -> BatchStatus | None:
        """As `status`, of a batch from a list: None if it has been discarded or deleted since."""
        try:
            return await self.status(batch)
        except NotFoundError:
            return None

    async def status(self, batch: str) -> BatchStatus:
        """
        One batch in numbers, and its holds.

        Raises: NotFoundError if there is none.
        """
        for found in await self.statuses([batch]):
            return found
        raise NotFoundError(
            Text("there is no batch {batch!r}", batch=batch), hint="provision status lists all batches"
        )

    async def statuses(self, batches: Sequence[str]) -> list[BatchStatus]:
        """
        Batches in numbers, in this order, without those that are gone. In two round trips to Redis.

        Args:
            batches: their ids, a hundred at most: Redis does nothing else meanwhile.
        """
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hgetall(keys.HOLDS)
        for batch in batches:
            pipeline.hgetall(keys.batch(batch))
            pipeline.hgetall(keys.causes(batch))
            pipeline.smembers(keys.credentials(batch))
            pipeline.zcard(keys.waiting(batch))
        holds, *replies = await pipeline.execute()
        read = [
            _StoredBatch(batch, replies[at : at + 4], holds.values())
            for batch, at in zip(batches, range(0, len(replies), 4), strict=True)
            if replies[at]
        ]
        met = {hold.scope: hold for batch in read for hold in batch.holds}
        still = {hold.scope: hold for hold in await self._mark_trying(list(met.values()))}
        return [batch.status(still) for batch in read]

    async def holds(self) -> list[Hold]:
        """All holds."""
        holds = [_decode_hold(value) for value in (await self._redis.hgetall(keys.HOLDS)).values()]
        return await self._mark_trying(holds)

    async def _mark_trying(self, holds: list[Hold]) -> list[Hold]:
        """These holds, each with whether a probe is sent through it; without those that have ended since."""
        if not holds:
            return []
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hmget(keys.HOLDS, [hold.scope for hold in holds])
        for hold in holds:
            pipeline.exists(keys.brake(hold.scope))
        still, *trying = await pipeline.execute()
        # A probe that succeeds ends both at once: a hold that is read before, and its probe after, would look
        # as if nobody tried, and whoever follows the batch would give up.
        return [
            msgspec.structs.replace(hold, trying=bool(brake))
            for hold, brake, value in zip(holds, trying, still, strict=True)
            if value is not None
        ]

    async def pace(self, credential: str) -> str | None:
        """The pace that an operator has set for a credential; None if none has."""
        rate = await self._redis.hget(keys.RATES, credential)
        return None if rate is None else str(rate.decode())

    async def paces(self) -> dict[str, str]:
        """Every pace that an operator has set, by credential."""
        return {
            name.decode(): rate.decode() for name, rate in (await self._redis.hgetall(keys.RATES)).items()
        }

    async def credential_names(self) -> set[str]:
        """The credentials that workers have registered, or for which an operator has set a pace."""
        signs = [_decode_sign(sign) for sign in await self._redis.hvals(keys.WORKER_SIGNS)]
        paced = {name.decode() for name in await self._redis.hkeys(keys.RATES)}
        return paced.union(*(sign.credentials for sign in signs))

    async def has_jobs_of(self, credential: str) -> bool:
        """Whether a job of a credential has ever been accepted, from any owner."""
        return bool(await self._identities(credential))

    async def now(self) -> float:
        """Unix seconds by Redis' clock, which sets the times of all jobs."""
        seconds, microseconds = await self._redis.time()
        return float(seconds + microseconds / 1e6)

    async def workers(self) -> list[WorkerSign]:
        """The workers whose last heartbeat is at most `ALIVE_WITHIN` seconds old, by Redis' clock."""
        since = (await self.now() - ALIVE_WITHIN) * 1000
        names = await self._redis.zrangebyscore(keys.WORKERS, since, "+inf")
        signs = await self._redis.hmget(keys.WORKER_SIGNS, names) if names else []
        return [_decode_sign(sign) for sign in signs if sign]

    async def limits(self, workers: Sequence[WorkerSign]) -> list[SendingLimit]:
        """What limits sending now, from these workers and the ledger."""
        return sending_limits(workers, await self.paces(), await self.learned_rates())

    async def learned_rates(self) -> dict[str, LearnedRate]:
        """What was learned from 429 answers, by credential."""
        return {
            name.decode(): _decode_rate(rate)
            for name, rate in (await self._redis.hgetall(keys.LEARNED)).items()
        }

    async def job(self, job_id: str) -> JobRecord:
        """
        One job with its history.

        Raises: NotFoundError if there is none.
        """
        try:
            batch, number = split_job_id(job_id)
        except ValueError as error:
            raise NotFoundError(str(error)) from error
        async for record in self._records(batch, [number]):
            return record
        raise NotFoundError(
            Text("there is no job {job_id!r}", job_id=job_id),
            hint="provision jobs BATCH lists the jobs of a batch",
        )

    async def body(self, job_id: str) -> bytes:
        """The JSON of a job's POST, as submitted. Raises: NotFoundError."""
        batch, number = split_job_id(job_id)
        body = await self._redis.hget(keys.bodies(batch), str(number))
        if body is None:
            raise NotFoundError(Text("the body of {job_id} is not kept", job_id=job_id))
        return await self._encryption.open(bytes(body))

    async def verdicts(
        self,
        jobs: Sequence[NewJob],
        *,
        accept_duplicates: bool = False,
        leave_ended: bool = False,
        owner: str = DEFAULT,
    ) -> list[Verdict]:
        """
        The verdicts on these jobs if they were submitted now; nothing is changed.

        Args:
            jobs: some hundred.
            accept_duplicates: whether a second widget would be accepted.
            leave_ended: whether dead and cancelled jobs would remain as they are.
            owner: whose jobs they would be.
        """
        justification = "accepted" if accept_duplicates else ""
        accepted = await self._do(
            transitions.accept(
                "", jobs, "", justification=justification, leave_ended=leave_ended, dry=True, owner=owner
            )
        )
        return [each.verdict for each in accepted]

    async def jobs(
        self, batch: str, wanted: Selection = EVERY, *, after: str = ""
    ) -> AsyncIterator[JobRecord]:
        """The selected jobs of a batch, in the order of `pages`, after the position `after`."""
        async for page in self.pages(batch, wanted, after=after):
            for record in page.jobs:
                yield record

    async def pages(self, batch: str, wanted: Selection = EVERY, *, after: str = "") -> AsyncIterator[Page]:
        """
        The selected jobs of a batch; each page is read from some hundred jobs and may be empty.

        If the state is dead or in doubt, jobs are in the order of the time they reached it, otherwise in that
        of their submission. A job that changes its state meanwhile may be missed or appear twice.
        Args:
            after: `Page.end` of the page before, or `place` of the last job that was seen.
        """
        if wanted.key and not wanted.key.endswith("*"):
            owner = await self.owner(batch)
            known = [job async for job in self.find(wanted.key, wanted.credential, owner)]
            mine = [job for job in known if isinstance(job, JobRecord) and job.batch == batch]
            yield Page([job for job in mine if wanted.fits(job)], "")
            return
        async for end, numbers in self._places(batch, wanted, after):
            records = [record async for record in self._records(batch, numbers)]
            yield Page([record for record in records if wanted.fits(record)], end)

    async def _places(
        self, batch: str, wanted: Selection, after: str
    ) -> AsyncIterator[tuple[str, list[int]]]:
        """Numbers of candidates, a page at a time, each with its end."""
        if wanted == EVERY:
            last_job = await last_number(self._redis, batch)
            for start in range(int(after or 0) + 1, last_job + 1, PAGE):
                last = min(start + PAGE - 1, last_job)
                yield str(last) if last < last_job else "", list(range(start, last + 1))
            return
        async for end, found in self._stretches(batch, wanted, after):
            for start in range(0, max(len(found), 1), PAGE):
                some = found[start : start + PAGE]
                inside = start + PAGE < len(found)
                yield wanted.place(some[-1]) if inside else end, [match.number for match in some]

    async def find(
        self, key: str, credential: str = "", owner: str | None = None
    ) -> AsyncIterator[JobRecord | Tombstone]:
        """
        What has become of a tenant: its job of each owner and credential that knows its key.

        Args:
            key: `abc*` for all that begin so, in no order.
            credential: to look at alone; empty for all.
            owner: likewise; None for all.
        """
        for whose, name in await self._identities(credential, owner):
            async for known in self._known(keys.identity(name, whose), key):
                kept: dict[str, list[int]] = {}
                for tenant, value in known.items():
                    batch, number, ended = _home(value.decode())
                    if ended:
                        yield Tombstone(f"{batch}.{number}", tenant, name, State(ended))
                    else:
                        kept.setdefault(batch, []).append(number)
                for batch, numbers in kept.items():
                    async for record in self._records(batch, numbers):
                        yield record

    async def owners(self) -> list[str]:
        """Every owner that has ever submitted a job, by name."""
        return sorted({owner for owner, _ in await self._identities()})

    async def _identities(self, credential: str = "", owner: str | None = None) -> list[tuple[str, str]]:
        """Owners and credentials with which a job was ever submitted, by name; see `find`."""
        if credential and owner is not None:
            return [(owner, credential)]
        mine, others = keys.SHARED["identity"], keys.SHARED["identities"]
        found: set[tuple[str, str]] = set()
        async for key in self._redis.scan_iter("pv:identit*", count=1000, _type="HASH"):
            name = key.decode()
            whose, _, its = (
                name.removeprefix(others).partition(":")
                if name.startswith(others)
                else (DEFAULT, "", name.removeprefix(mine))
            )
            if owner in (None, whose) and (not credential or its == credential):
                found.add((whose, its))
        return sorted(found)

    async def _known(self, where: str, key: str) -> AsyncIterator[dict[str, bytes]]:
        """The identities that are meant, some at a time: key → job id, and how it ended if it was deleted."""
        if not key.endswith("*"):
            spellings = spellings_of(key)
            values = await self._redis.hmget(where, spellings)
            known = [pair for pair in zip(spellings, values, strict=True) if pair[1] is not None]
            yield dict(known[:1])
            return
        pattern = "".join(f"\\{char}" if char in "*?[]\\" else char for char in key[:-1]) + "*"
        cursor = None
        while cursor != 0:
            cursor, found = await self._redis.hscan(where, cursor or 0, match=pattern, count=SCANNED)
            yield {name.decode(): value for name, value in found.items()}

    async def matching(self, batch: str, wanted: Selection) -> AsyncIterator[list[Match]]:
        """
        The selected jobs in short form, in groups: 100 000 in a second or two.

        In the order of `pages`.
        """
        async for _, found in self._stretches(batch, wanted):
            yield found

    async def _stretches(
        self, batch: str, wanted: Selection, after: str = ""
    ) -> AsyncIterator[tuple[str, list[Match]]]:
        """The selected jobs, each group with its end."""
        most = min(FIRST_STRETCH, STRETCH)
        while True:
            after, found = await self._do(transitions.matching(batch, wanted, after, most))
            yield after, found
            if not after:
                return
            most = min(2 * most, STRETCH)

    async def causes(self, batch: str, wanted: Selection) -> list[CauseGroup]:
        """The selected jobs, grouped by the reason of their state, the most frequent first."""
        groups: dict[str, CauseGroup] = {}
        async for stretch in self.matching(batch, wanted):
            for match in stretch:
                new = CauseGroup(match.reason, 0, 0, match.at, match.at, match.number)
                group = groups.get(match.reason, new)
                groups[match.reason] = CauseGroup(
                    match.reason,
                    group.count + 1,
                    group.risky + match.risky,
                    min(group.first, match.at),
                    max(group.last, match.at),
                    min(group.example, match.number),
                )
        return sorted(groups.values(), key=lambda group: -group.count)

    async def risk(self, batch: str, cause: str = "") -> Risk:
        """
        How many dead jobs of a batch are safe to send again. Quick for any number of them: the ledger keeps
        counts. Jobs are looked at only if an earlier version of the program let some of them die.

        Args:
            cause: of which jobs; empty for all.
        """
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hgetall(keys.causes(batch))
        pipeline.hgetall(keys.risk(batch))
        causes, kept = await pipeline.execute()
        counted = {name.decode(): int(count) for name, count in kept.items()}
        known = {name.decode(): int(count) for name, count in causes.items()}
        dead = {
            name.removeprefix(f"{State.DEAD}:"): count
            for name, count in known.items()
            if name == f"{State.DEAD}:{cause}" or (not cause and name.startswith(f"{State.DEAD}:"))
        }
        if any(counted.get(f"all:{name}", 0) != count for name, count in dead.items()):
            groups = await self.causes(batch, Selection(State.DEAD, cause))
            risky = sum(group.risky for group in groups)
            return Risk(sum(group.count for group in groups) - risky, risky)
        risky = sum(counted.get(f"risky:{name}", 0) for name in dead)
        return Risk(sum(dead.values()) - risky, risky)

    async def history(self, batch: str, *, minutes: int = 1) -> list[Span]:
        """
        The results of a batch per span of `minutes`, oldest first; spans without events are left out.

        Counts older than a day are stored per hour, and those older than a month per day: such spans are
        longer.
        """
        spans: dict[tuple[int, int], dict[str, int]] = {}
        for field, count in (await self._redis.hgetall(keys.minutes(batch))).items():
            when, _, what = field.decode().partition(":")
            minute, _, kept = when.partition("/")
            length = max(minutes, int(kept or 1))
            counts = spans.setdefault((int(minute) // length * length, length), {})
            counts[what] = counts.get(what, 0) + int(count)
        return [
            Span(
                at=minute * 60.0,
                seconds=length * 60,
                # Below 0 if intents of the span before were withdrawn in this one.
                attempts=max(0, counts.pop("attempts", 0)),
                ended={State(state): count for state, count in counts.items()},
            )
            for (minute, length), counts in sorted(spans.items())
        ]

    async def audit(self, limit: int = 0, *, since: float | None = None) -> AsyncIterator[Act]:
        """Actions of people, the newest first; all that are stored, or the last `limit`, or since a time."""
        left = limit or AUDIT_KEPT * 2
        async for page in self.audit_pages(since=since, size=min(PAGE, left)):
            for _, act in page.acts[:left]:
                yield act
            left -= len(page.acts)
            if left <= 0:
                return

    async def audit_pages(
        self, after: str = "", *, since: float | None = None, until: float | None = None, size: int = PAGE
    ) -> AsyncIterator[AuditPage]:
        """
        Actions of people, the newest first, `size` entries read at a time.

        Args:
            after: the entry where the page before ended.
            since, until: Unix seconds by the ledger's clock; those at or after, and before.
        """
        begin = "-" if since is None else str(int(since * 1000))
        # An id without its second part is the whole of a millisecond.
        last = None if until is None else math.ceil(until * 1000) - 1
        milliseconds, _, number = after.partition("-")
        if (last is not None and last < 0) or (after and not int(milliseconds) and not int(number)):
            return  # nothing is before; Redis would call it no interval
        end = "+" if last is None else str(last)
        if after and (last is None or int(milliseconds) <= last):
            end = f"({after}"
        while end:
            entries = [
                (entry.decode(), fields.get(b"act", b""))
                for entry, fields in await self._redis.xrevrange(keys.AUDIT, end, begin, count=size)
            ]
            more = entries[-1][0] if len(entries) == size else ""
            yield AuditPage([(entry, _act(entry, value)) for entry, value in entries], more)
            end = f"({more}" if more else ""

    async def last_number(self, batch: str) -> int:
        """The highest number of a batch's jobs; 0 if there is none."""
        return await last_number(self._redis, batch)

    async def bodies(self, batch: str, numbers: Iterable[int]) -> list[bytes]:
        """The bodies of some jobs, in order; empty if none is stored."""
        wanted = [str(number) for number in numbers]
        if not wanted:
            return []
        found = await self._redis.hmget(keys.bodies(batch), wanted)
        return [await self._encryption.open(bytes(body or b"")) for body in found]

    async def _records(self, batch: str, numbers: list[int]) -> AsyncIterator[JobRecord]:
        if not numbers:
            return
        fields = [str(number) for number in numbers]
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hmget(keys.jobs(batch), fields)
        pipeline.hgetall(keys.words(batch))
        pipeline.hmget(keys.late_results(batch), fields)
        pipeline.zmscore(keys.waiting(batch), fields)
        jobs, kept, *columns = await pipeline.execute()
        words = words_of(kept)
        for number, value, late, due in zip(numbers, jobs, *columns, strict=True):
            if value:
                job = StoredJob(value, words)
                made = await self._encryption.open_widget(job.result)
                beside = await self._encryption.open_lines(late or b"")
                yield job.record(batch, number, due=due, result=made, late=beside)


class _StoredBatch:
    """A batch as Redis has it, with the holds on it."""

    def __init__(self, batch: str, replies: Sequence[Any], holds: Iterable[bytes]) -> None:
        raw, causes, ready, self.waiting = replies
        self.batch = batch
        self.fields = {name.decode(): value.decode() for name, value in raw.items()}
        self.causes: dict[str, dict[str, int]] = {}
        for field, count in causes.items():
            state, _, cause = field.decode().partition(":")
            self.causes.setdefault(state, {})[cause] = int(count)
        self.credentials = {name.decode() for name in ready}
        self.holds = _holds_on(batch, holds, self.credentials)

    def status(self, still: Mapping[str, Hold]) -> BatchStatus:
        """The batch in numbers; `still` are the holds that have not ended since, by scope."""
        fields, holds = self.fields, [still[hold.scope] for hold in self.holds if hold.scope in still]
        settled_at, changed = fields.get("settled_at"), fields.get("primary_changed_at")
        first = fields.get("first")
        ready = bool(self.credentials)
        return BatchStatus(
            batch=self.batch,
            name=fields.get("name", ""),
            owner=fields.get("owner", DEFAULT),
            opened_at=int(fields.get("opened_at", 0)) / 1000,
            settled_at=int(settled_at) / 1000 if settled_at else None,
            accepted=int(fields.get("accepted", 0)),
            states={state: int(fields.get(state, 0)) for state in State},
            bounds=Bounds(int(fields.get("least", 0)), int(fields.get("most", 0))),
            attempts=int(fields.get("attempts", 0)),
            causes=self.causes,
            holds=holds,
            primary_changed_at=int(changed) / 1000 if changed else None,
            blocked=ready and not self.waiting and _blocked(holds, self.credentials),
            sources=[_decode_source(line) for line in fields.get("sources", "").split("\n") if line],
            elsewhere=msgspec.json.decode(fields.get("elsewhere", "{}"), type=dict[str, int]),
            first=int(first) if first else None,
            meta={name: value for name, value in fields.items() if not _is_counted(name)},
        )


def _act(entry: str, value: bytes) -> Act:
    """An entry of the audit; an unreadable one is shown as such, so that the others are still listed."""
    try:
        return _decode_act(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        at = int(entry.partition("-")[0]) / 1000  # a stream's entries are named by their time
        return Act(act=UNREADABLE, at=at, by="", on=keys.AUDIT, facts={"entry": entry, "error": str(error)})


def _is_counted(field: str) -> bool:
    """Whether a field of a batch is the program's own; the others were submitted with the batch."""
    return field in _COUNTED or field.startswith("reaped:")


def _home(known: str) -> tuple[str, int, str]:
    """Batch and number of an identity's job, and its end state if its batch was deleted."""
    job_id, _, buried = known.partition("=")
    return *split_job_id(job_id), buried


def _holds_on(batch: str, holds: Iterable[bytes], credentials: set[str]) -> list[Hold]:
    """The holds that apply to jobs of this batch."""
    found = []
    for value in holds:
        hold = _decode_hold(value)
        kind, _, name = hold.scope.partition(":")
        if (
            kind in ("all", "target")
            or hold.scope == scopes.of_batch(batch)
            or (kind == "credential" and name in credentials)
        ):
            found.append(hold)
    return found


def _blocked(holds: list[Hold], ready: set[str]) -> bool:
    """Whether these holds cover every credential with ready jobs, and each waits for a person."""
    # Not for a pause: the person who made it will resume it, and watching continues. But the pause after the
    # first few jobs waits for whoever watches.
    theirs = (HoldKind.PAUSED, HoldKind.CANCELLING)
    held = {hold.scope for hold in holds if not hold.trying and (hold.first or hold.kind not in theirs)}
    whole = any(not scope.startswith("credential:") for scope in held)
    return whole or all(scopes.of_credential(name) in held for name in ready)
