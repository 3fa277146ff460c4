"""
Every transition of the ledger, as a value to send: one function per script of `lua/`.

Pure: a function takes exactly what its transition needs and returns the `Call`; the head of the script
documents the guarantees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal

import msgspec

from provisioning.attempt import Result
from provisioning.job import Accepted, NewJob, Verdict, fingerprint, spellings_of, split_job_id
from provisioning.learned_rate import LearnedRate
from provisioning.ledger import codec, keys, schema
from provisioning.ledger.records import (
    Claim,
    Claims,
    Hold,
    KnownRate,
    Redriven,
    Rescue,
    Selection,
    SourceFile,
)
from provisioning.ledger.schema import (
    Answered,
    Deferral,
    Elsewhere,
    FirstFew,
    Grant,
    Intent,
    Match,
    Recorded,
    Released,
    Restoration,
    Shown,
    layout,
)
from provisioning.ledger.scripts import Call
from provisioning.owner import DEFAULT
from provisioning.pace import AHEAD, BURST, Rate, Tokens

HOMES_NOTED = 100
"""Other batches that a batch names as having jobs of its upload."""

_json = msgspec.json.encode


SENT_BEFORE = -1
"""Instead of a random number: probes are jobs that were sent before."""

RESCUED = 200
"""Lapsed leases settled in one call: about a millisecond of Redis' time."""


def open_batch(
    batch: str,
    name: str,
    meta: Mapping[str, str],
    *,
    period: str = "",
    owner: str = DEFAULT,
    first: FirstFew | None = None,
) -> Call[tuple[str, bool]]:
    """
    Opens `batch` under a name of its owner's, or finds the one that has it. Reads: its id, whether it is new.

    Args:
        period: for which a batch has this name; a batch of an earlier period loses it. Empty for no period.
        first: limits it to its first few new jobs, unless it is limited already.
    """
    return Call(
        "open_batch",
        keys.batch(batch),
        lambda reply: (reply[0].decode(), reply[1] == 1),
        schema.OpenBatch(name, period, _stored(owner), first),
        [schema.BatchField(field, value) for field, value in meta.items()],
    )


def _stored(owner: str) -> str:
    return "" if owner == DEFAULT else owner


def discard_batch(batch: str) -> Call[bool]:
    """Discards an empty batch. Reads: whether it was empty and is deleted."""
    return Call("discard_batch", keys.batch(batch), bool)


def end_first(batch: str, first: FirstFew) -> Call[bool]:
    """
    Ends the limit of a batch to its first few jobs, after the submission that asked for it.

    Reads: whether it is ended; False if it holds jobs back, or another submission has asked for it since.
    """
    return Call("end_first", keys.batch(batch), bool, schema.EndFirst(first.asked))


def note_elsewhere(batch: str, homes: Mapping[str, int]) -> Call[bool]:
    """
    Records which other batches have jobs that were submitted with this one. A batch without jobs settles.

    Args:
        homes: other batches with the number of those jobs; `HOMES_NOTED` are kept.
    """
    rows = [schema.HomeOf(home, jobs) for home, jobs in homes.items()][:HOMES_NOTED]
    return Call("note_elsewhere", keys.batch(batch), bool, schema.NoteElsewhere(HOMES_NOTED), rows)


def add_source(batch: str, source: SourceFile) -> Call[bool]:
    """Records a file whose rows were all submitted. Reads: whether it is new."""
    facts = {"name": source.name, "sha256": source.sha256, "rows": source.rows, "by": source.by}
    return Call("add_source", keys.batch(batch), bool, schema.AddSource(source.sha256, _json(facts)))


def accept(
    batch: str,
    jobs: Sequence[NewJob],
    actor: str,
    *,
    justification: str = "",
    leave_ended: bool = False,
    ended_before: float | None = None,
    dry: bool = False,
    owner: str = DEFAULT,
    home: str = "",
    first: FirstFew | None = None,
) -> Call[list[Accepted]]:
    """
    Records jobs. Reads: the verdict on each, in order.

    Args:
        jobs: at most a few hundred at a time; Lua's stack takes some thousand arguments.
        actor: the person or service that submits, for the history of a redriven job.
        justification: reason to accept a second widget for ended jobs; empty if that is not accepted.
        leave_ended: whether dead and cancelled jobs remain as they are.
        ended_before: Unix seconds; those that ended later remain as they are.
        dry: whether nothing is changed, and the verdicts are only computed. `batch` is '' then.
        owner: whose jobs they are, and whose the batch is.
        home: batch with whose key the bodies are encrypted; empty for `batch`.
        first: as of `open_batch`, for a batch that is gone since it was opened.
    """
    spellings = {number: other for number, job in enumerate(jobs, 1) if (other := job.other_spellings())}
    head = schema.Accept(
        actor, _stored(owner), justification, leave_ended, dry, spellings or None, first, ended_before
    )
    rows = [_handed_over(job, dry) for job in jobs]

    def read(reply: Any) -> list[Any]:
        return [
            Elsewhere(split_job_id(judged.job_id)[0])
            if judged.verdict == schema.ELSEWHERE
            else Accepted(Verdict(judged.verdict), judged.job_id)
            for judged in layout(schema.Judged).rows(reply)
        ]

    def again(which: int, home: str) -> Call[list[Accepted]]:
        return accept(
            batch,
            [jobs[which]],
            actor,
            justification=justification,
            leave_ended=leave_ended,
            ended_before=ended_before,
            owner=owner,
            home=home,
            first=first,
        )

    return Call("accept", keys.batch(batch), read, head, rows, home, again)


def _handed_over(job: NewJob, dry: bool) -> schema.HandedOver:
    content = job.fingerprint[: schema.FINGERPRINT]
    if dry:  # nothing else of it decides
        return schema.HandedOver(job.key, job.credential, None, "", content, "", b"")
    return schema.HandedOver(job.key, job.credential, job.row, job.label, content, job.trace, job.body)


def claim(
    batch: str,
    *,
    worker: str,
    lease: float,
    target: str,
    most: int,
    rooms: Mapping[str, tuple[int, int]],
    usual_room: int | None = None,
    draw: int | None = None,
) -> Call[Claims]:
    """
    Claims up to `most` ready jobs for `worker`.

    Args:
        lease: seconds.
        target: base address of the API; its brake is respected.
        rooms: most jobs to claim of single credentials, and most if the batch is urgent.
        usual_room: most jobs to claim of any other; None for `most`.
        draw: a number to draw by, for probes: jobs that were never sent, from anywhere in the batch;
            `SENT_BEFORE` for probes that were sent once or twice. None for jobs in their order.
    """
    usual = most if usual_room is None else usual_room
    head = schema.ClaimJobs(worker, lease, target, most, usual, draw)
    limits = [schema.Room(name, room, urgent) for name, (room, urgent) in rooms.items()]

    def read(reply: Any) -> Claims:
        claimed, more, next_due, urgent, on_in_doubt, owner = reply
        of_batch = (
            repeat(batch),
            repeat(urgent == 1),
            repeat(on_in_doubt.decode()),
            repeat(owner.decode()),
        )
        jobs = list(map(Claim, *layout(schema.Claimed).columns(claimed), *of_batch))
        due = float(next_due)
        return Claims(jobs, more == 1, due / 1000 if due else None)

    return Call("claim", keys.batch(batch), read, head, limits)


def sending(batch: str, intents: Sequence[Intent], *, lease: float, target: str) -> Call[list[Grant]]:
    """Records intents to POST. Reads: whether each may start, in order. `lease` in seconds."""
    return Call("sending", keys.batch(batch), layout(Grant).rows, schema.Send(lease, target), intents)


def answered(batch: str, answers: Sequence[Answered], *, stop_loss: int = 0) -> Call[list[Recorded]]:
    """
    Records the results of POSTs. Reads: the effect on each job, in order.

    Args:
        stop_loss: so many first jobs, dead of one cause, hold the batch; 0 for never.
    """
    rows = [
        schema.Answer(
            msgspec.structs.replace(answer, result=None),
            codec.encode_result(answer.result) if answer.result else b"",
        )
        for answer in answers
    ]
    return Call("answered", keys.batch(batch), layout(Recorded).rows, schema.Answers(stop_loss), rows)


def restore(
    batch: str, sent: Sequence[tuple[Claim, int]], *, worker: str, lease: float
) -> Call[list[Restoration]]:
    """
    Repeats jobs and their POSTs to a Redis that may have lost writes. Reads: what it still had of each.

    Args:
        sent: jobs with the number of the attempt; 0 for one that was claimed and not sent yet.
        lease: seconds, for attempts in progress.
    """
    rows = [
        schema.Sent(
            number=job.number,
            token=job.token,
            attempt=attempt,
            key=job.key,
            credential=job.credential,
            row=job.row,
            fingerprint=fingerprint(msgspec.json.decode(job.body))[: schema.FINGERPRINT],
            trace=job.trace,
            body=job.body,
        )
        for job, attempt in sent
    ]

    owner = sent[0][0].owner if sent else ""

    def read(reply: Any) -> list[Restoration]:
        return [each.word for each in layout(schema.RestoreReply).rows(reply)]

    return Call(
        "restore",
        keys.batch(batch),
        read,
        schema.Restore(worker, lease, owner),
        rows,
    )


def deferred(batch: str, deferrals: Sequence[Deferral]) -> Call[list[Recorded]]:
    """Returns claimed jobs to the queue. Reads: the effect on each, in order."""
    return Call("deferred", keys.batch(batch), layout(Recorded).rows, None, deferrals)


def renew(batch: str, held: Sequence[tuple[int, int]], *, lease: float) -> Call[list[int]]:
    """Renews leases of (number, token) pairs for `lease` seconds. Reads: numbers of the lost jobs."""
    rows = [schema.Held(number, token) for number, token in held]
    return Call("renew", keys.batch(batch), lambda reply: list(map(int, reply)), schema.Renewal(lease), rows)


def rescue(
    batch: str, *, on_in_doubt: Literal["hold", "retry"], attempts: int = 0, most: int = RESCUED
) -> Call[Rescue]:
    """
    Settles up to `most` lapsed leases of a batch.

    Args:
        attempts: a job with so many is in doubt even if doubts are retried; 0 for no limit.
    """

    def read(reply: Any) -> Rescue:
        return Rescue(layout(schema.Lapse).rows(reply[0]), reply[1] == 1)

    return Call("rescue", keys.batch(batch), read, schema.RescueJobs(most, on_in_doubt, attempts))


@dataclass(frozen=True, slots=True)
class Step:
    """
    A step of a bulk act: the script records it with its results, and makes it only if the act is there.

    Attributes:
        before: jobs that got into their state later are not meant; Unix seconds.
        hold: of a cancel, what holds the batch meanwhile.
    """

    bulk: str = ""
    cursor: str = ""
    next: str = ""
    before: float | None = None
    hold: Hold | None = None


NO_STEP = Step()
"""A call that belongs to no bulk act."""


def cancel(
    batch: str, first: int, last: int, actor: str, credential: str | None = None, *, step: Step = NO_STEP
) -> Call[int]:
    """Cancels queued and claimed jobs between two numbers. Reads: how many."""
    hold = _json(step.hold) if step.hold else b""
    head = schema.Cancel(first, last, actor, credential or "", step.bulk, step.cursor, step.next, hold)
    return Call("cancel", keys.batch(batch), int, head)


def matching(batch: str, wanted: Selection, after: str, most: int) -> Call[tuple[str, list[Match]]]:
    """Scans at most `most` jobs. Reads: the position, empty at the end; the selected jobs."""

    key, *other_spellings = spellings_of(wanted.key)
    head = schema.Matching(
        state=wanted.state or "",
        after=after,
        most=most,
        reason=wanted.reason,
        credential=wanted.credential,
        key=key,
        since=wanted.since,
        before=wanted.until,
    )

    def read(reply: Any) -> tuple[str, list[Match]]:
        return reply[0].decode(), layout(Match).rows(reply[1])

    return Call("matching", keys.batch(batch), read, head, [schema.Word(other) for other in other_spellings])


def redrive(
    batch: str, numbers: Sequence[int], actor: str, *, justification: str = "", step: Step = NO_STEP
) -> Call[Redriven]:
    """
    Queues dead or cancelled jobs again.

    Args:
        justification: reason to accept a second widget; empty skips the jobs that may create one.
    """
    rows = [schema.Number(number) for number in numbers]
    return Call(
        "redrive",
        keys.batch(batch),
        lambda reply: Redriven(*reply),
        schema.Redrive(actor, justification, step.bulk, step.cursor, step.next, step.before),
        rows,
    )


def reap(
    batch: str, what: str, sweep: str, most: int, *, ended_by: float = 0.0, count_from: int | None = None
) -> Call[tuple[int, bool]]:
    """
    Deletes a class of data of some jobs of a batch. Reads: of how many jobs; whether that was all.

    Args:
        sweep: name of this sweep of the batch; for `batches` the ms when it settled, as the caller read it.
        ended_by: Unix seconds; data of jobs that ended later is kept, except for `batches`.
        count_from: first number, if the jobs shall only be counted.
    """
    head = schema.Reap(what, sweep, most, ended_by, count_from)
    return Call("reap", keys.batch(batch), lambda reply: (int(reply[0]), reply[1] == 1), head)


def resolve(
    batch: str, number: int, *, created: bool, actor: str, result: Result | None = None
) -> Call[bool]:
    """Settles a doubt as a person has found. Reads: whether the job was in doubt."""
    found = resolution(number, created=created, result=result)
    return Call("resolve", keys.batch(batch), bool, schema.Resolve(actor), [found])


def resolve_all(
    batch: str, found: Sequence[schema.Resolution], actor: str, *, step: Step = NO_STEP
) -> Call[int]:
    """Settles doubts as a person has found. Reads: how many of these jobs were in doubt."""
    head = schema.Resolve(actor, step.bulk, step.cursor, step.next, step.before)
    return Call("resolve", keys.batch(batch), int, head, found)


def resolution(number: int, *, created: bool, result: Result | None = None) -> schema.Resolution:
    """What a person has found of a job in doubt."""
    return schema.Resolution(number, created, codec.encode_result(result) if result else b"")


def shred(batch: str, first: int, last: int) -> Call[int]:
    """Deletes the results of the jobs between two numbers. Reads: how many there were."""
    return Call("shred", keys.batch(batch), int, schema.Stretch(first, last))


def take(credential: str, rate: Rate, want: int) -> Call[Tokens]:
    """
    Reserves up to `want` sending times of a credential's pace.

    Args:
        rate: the pace if no operator has set another one.
    """

    def read(reply: Any) -> Tokens:
        count = int(reply[0])
        start, interval = float(reply[1]) / 1000, float(reply[2]) / 1000
        return Tokens(None if count < 0 else count, start, interval, learned=reply[4] == 1)

    return Call("take", keys.pace(credential), read, schema.Take(credential, rate.word, want, AHEAD, BURST))


def learned_rate(credential: str) -> Call[KnownRate]:
    """Reads the learned rate of a credential."""
    return Call("learned", keys.LEARNED, _known_rate, schema.Learn(credential, False, b"", b""))


def replace_learned_rate(credential: str, read: bytes, rate: LearnedRate | None) -> Call[KnownRate]:
    """
    Replaces the learned rate of a credential. Reads: whether it was replaced, and the current one.

    Args:
        read: the former value; if it has changed meanwhile, nothing is done.
    """
    new = b"" if rate is None else _json(rate)
    return Call("learned", keys.LEARNED, _known_rate, schema.Learn(credential, True, read, new))


def _known_rate(reply: Any) -> KnownRate:
    raw = reply[1] if isinstance(reply[1], bytes) else str(reply[1]).encode()
    return KnownRate(
        msgspec.json.decode(raw, type=LearnedRate) if raw else None, raw, reply[2] / 1000, reply[0] == 1
    )


def hold(hold: Hold) -> Call[bool]:
    """
    Holds `hold.scope` until a person resumes it.

    Reads: whether this hold is set; False if the scope was held already: that hold is kept.
    """
    head = schema.PutHold(hold.scope, schema.HoldKind(hold.kind), _json(hold))
    return Call("hold", keys.HOLDS, bool, head)


def release(scope: str) -> Call[Released]:
    """Resumes a scope by order of a person."""
    return Call("release", keys.HOLDS, lambda reply: Released(reply.decode()), schema.Scope(scope))


def probe_result(scope: str, shown: Shown) -> Call[bool]:
    """Records the result of the probe of a brake. Reads: whether it released the brake."""
    return Call("probe_result", keys.HOLDS, bool, schema.ProbeResult(scope, shown))
