"""
Submits jobs: first into the ledger, then the notification of workers.

`submit` may be killed at any line. The jobs that it had submitted are in the ledger and will be executed; the
same submission again skips them and adds the rest.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec

from producers.batch_name import check_batch_name, new_batch_id
from producers.files.read_ahead import read_ahead
from provisioning import scopes
from provisioning.errors import LedgerUnavailableError
from provisioning.job import ON_THEIR_WAY, Accepted, NewJob, Verdict, split_job_id
from provisioning.ledger import FirstFew, Ledger, SourceFile, transitions
from provisioning.ledger.first_few import first_few
from provisioning.ledger.scripts import Call
from provisioning.observability.log_events import BATCH_SUBMITTED
from provisioning.observability.logs import log_event
from provisioning.observability.tracing import for_job, span, trace_id
from provisioning.owner import DEFAULT

CHUNK = 500
"""Jobs in one call: some 6 ms of Redis' time, in which it serves no other client."""

MAX_CHUNK_BYTES = 1 << 20
"""Bytes of bodies in one call, so that a chunk of large bodies does not block Redis."""


@dataclass(slots=True)
class Submission:
    """
    The result of a submission so far.

    Attributes:
        batch: id of the batch; it may have been there before.
        before: how many jobs it had then.
        elsewhere: other batches that have some of the jobs, with how many.
        verdicts: how many jobs got which verdict.
        touched: other batches in which a known job was queued again, with how many.
        awaited: other batches in which known jobs are queued or being sent already, with how many.
    """

    batch: str
    name: str
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    touched: Counter[str] = field(default_factory=Counter)
    awaited: Counter[str] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)
    before: int = 0

    @property
    def handed_over(self) -> int:
        """Jobs that the ledger has answered for."""
        return self.verdicts.total()

    @property
    def queued(self) -> int:
        """Jobs that will be sent because of this submission."""
        return self.verdicts[Verdict.NEW] + self.verdicts[Verdict.REDRIVEN]


OnVerdict = Callable[[NewJob, Accepted], None]


async def submit(
    ledger: Ledger,
    jobs: Iterable[NewJob],
    *,
    name: str,
    actor: str,
    notify: Callable[[str], None],
    owner: str = DEFAULT,
    meta: Mapping[str, str] | None = None,
    source: SourceFile | None = None,
    on_in_doubt: str | None = None,
    justification: str = "",
    leave_ended: bool = False,
    ended_before: float | None = None,
    period: str = "",
    keep: bool = False,
    first: int | None = None,
    on_chunk: Callable[[Submission], None] | None = None,
    on_verdict: OnVerdict | None = None,
) -> Submission:
    """
    Records jobs in the batch called `name`, chunk by chunk, and notifies workers after the first chunk.

    Args:
        jobs: consumed as they are recorded, a chunk ahead and in a thread, so that a file of any size needs
            constant memory and is read while Redis writes.
        actor: the person or service, for the history of redriven jobs.
        notify: notifies workers of a batch; its errors are not caught, and the jobs are safe in the ledger.
        owner: whose jobs they are, and whose the name is.
        meta: stored with a new batch, for people: where it came from.
        source: the file they came from, recorded with every batch that it has changed once all jobs are
            submitted.
        on_in_doubt: `hold` or `retry`, the batch's own choice from now on; None leaves it as it is.
        justification: reason to accept a second widget for ended jobs; empty skips those that may create one.
        leave_ended: whether dead and cancelled jobs remain as they are.
        ended_before: Unix seconds; those that ended later remain as they are. For a submission that is made
            again: people may have ended jobs since.
        period: for which a batch has this name; a batch of an earlier period loses it. Empty for no period.
        keep: whether a new batch without new jobs is kept: it names the batches that have them.
        first: workers send this many of the new jobs, at least 1; then the batch is paused until a person
            resumes it. Dead and cancelled jobs remain as they are. None to send all.
        on_chunk: called after each chunk.
        on_verdict: called for every job.

    Raises: InvalidInputError if the name or `first` is not valid; LedgerUnavailableError: what was recorded
        remains recorded.
    """
    check_batch_name(name)
    asked = new_batch_id()
    few = None if first is None else first_few(first, actor, asked)
    began = time.monotonic()
    with span("submit", "producer") as traced:
        batch, is_new = await ledger.do(
            transitions.open_batch(asked, name, meta or {}, period=period, owner=owner, first=few)
        )
        submission = Submission(batch, name)
        # It may have gone just now; its jobs open it again.
        if not is_new and (status := await ledger.queries.status_or_none(batch)):
            submission.before = status.accepted
        if on_in_doubt:
            await ledger.operations.choose_on_in_doubt(batch, on_in_doubt)
        try:
            async with (
                read_ahead(_chunks(_with_trace(jobs, traced.traceparent))) as chunks,
                aclosing(
                    _recorded(
                        ledger, chunks, batch, actor, justification, leave_ended, owner, ended_before, few
                    )
                ) as recorded,
            ):
                async for chunk, words in recorded:
                    _note(submission, chunk, words, notify, on_verdict)
                    if on_chunk:
                        on_chunk(submission)
            if source:
                # A new batch that remained empty is discarded below, and this with it.
                for home in {batch, *submission.touched}:
                    await ledger.do(transitions.add_source(home, source))
            if few:
                await ledger.do(transitions.end_first(batch, few))
            if keep:
                await ledger.do(transitions.note_elsewhere(batch, submission.elsewhere))
        except BaseException:
            with contextlib.suppress(LedgerUnavailableError):  # the first error is the one to raise
                await _round_off(ledger, submission, actor, justification, is_new=is_new)
            raise
        await _round_off(ledger, submission, actor, justification, is_new=is_new and not keep)
        facts = {
            "batch_id": batch,
            "by": actor,
            "handed_over": submission.handed_over,
            "new": submission.verdicts[Verdict.NEW],
            "redriven": submission.verdicts[Verdict.REDRIVEN],
        }
        traced.add(**facts)
    seconds = time.monotonic() - began
    log_event(BATCH_SUBMITTED, **facts, trace_id=trace_id(traced.traceparent), duration_s=seconds)
    return submission


def _with_trace(jobs: Iterable[NewJob], traceparent: str) -> Iterable[NewJob]:
    """The jobs, in the trace of their submission."""
    if not traceparent:
        return jobs
    return (
        msgspec.structs.replace(job, trace=for_job(traceparent, number)) for number, job in enumerate(jobs, 1)
    )


def _chunks(jobs: Iterable[NewJob]) -> Iterator[list[NewJob]]:
    chunk: list[NewJob] = []
    size = 0
    for job in jobs:
        chunk.append(job)
        size += len(job.body)
        if len(chunk) >= CHUNK or size >= MAX_CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


async def _round_off(
    ledger: Ledger, submission: Submission, actor: str, justification: str, *, is_new: bool
) -> None:
    """Records in the audit that second widgets were accepted; discards a new batch that remained empty."""
    if justification:
        redriven = Counter(submission.touched)
        redriven[submission.batch] += submission.verdicts[Verdict.REDRIVEN] - redriven.total()
        for batch, count in redriven.items():
            if count:
                await note_acceptance(ledger, scopes.of_batch(batch), actor, justification, count)
    if is_new and not submission.verdicts[Verdict.NEW]:
        await ledger.do(transitions.discard_batch(submission.batch))


async def note_acceptance(ledger: Ledger, on: str, actor: str, justification: str, redriven: int) -> None:
    """Records the reason for queueing jobs again although they may create a second widget."""
    await ledger.operations.note(
        "accept-duplicates", actor=actor, on=on, justification=justification, facts={"redriven": redriven}
    )


async def _recorded(
    ledger: Ledger,
    chunks: AsyncIterator[list[NewJob]],
    batch: str,
    actor: str,
    justification: str,
    leave_ended: bool,
    owner: str,
    ended_before: float | None,
    first: FirstFew | None,
) -> AsyncGenerator[tuple[list[NewJob], list[Accepted]], None]:
    """Each chunk with the ledger's verdicts on its jobs."""
    sent: deque[list[NewJob]] = deque()

    async def calls() -> AsyncIterator[Call[list[Accepted]]]:
        async for chunk in chunks:
            sent.append(chunk)
            yield transitions.accept(
                batch,
                chunk,
                actor,
                justification=justification,
                leave_ended=leave_ended or first is not None,  # each would be sent beside the first few
                ended_before=ended_before,
                owner=owner,
                first=first,
            )

    async with aclosing(ledger.do_pipelined(calls())) as replies:
        async for words in replies:
            yield sent.popleft(), words


def _note(
    submission: Submission,
    chunk: list[NewJob],
    words: list[Accepted],
    notify: Callable[[str], None],
    on_verdict: OnVerdict | None,
) -> None:
    first = not submission.queued
    moved: set[str] = set()
    for job, accepted in zip(chunk, words, strict=True):
        submission.verdicts[accepted.verdict] += 1
        home, _number = split_job_id(accepted.job_id)
        if home != submission.batch:
            submission.elsewhere[home] += 1
        if accepted.verdict in (Verdict.NEW, Verdict.REDRIVEN):
            moved.add(home)
            if home != submission.batch:
                submission.touched[home] += 1
        elif accepted.verdict in ON_THEIR_WAY and home != submission.batch:
            submission.awaited[home] += 1
        if on_verdict:
            on_verdict(job, accepted)
    # Once is enough: workers that have claimed from a batch continue by themselves.
    for batch in moved if first else ():
        notify(batch)
