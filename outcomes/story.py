"""
The history of one job: everything about it in the ledger, in order.

A job itself stores only its attempts and the actions on it. The rest is stored once for many jobs: its origin
with the batch, pauses in the audit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from outcomes.masking import masked
from outcomes.words import answer, duration, shown
from provisioning import scopes
from provisioning.attempt import Attempt, Evidence, Outcome
from provisioning.errors import InvalidInputError, NotFoundError
from provisioning.job import split_job_id
from provisioning.ledger import Act, BatchStatus, Hold, JobRecord, Ledger, Move, Tombstone
from provisioning.ledger.schema import Move as MoveWord
from provisioning.lifecycle import UNSETTLED
from provisioning.owner import DEFAULT
from provisioning.text import AnyText, Text, joined

EXPLAINING_ACTS = ("pause", "resume", "pace")
"""Actions on a batch, a credential or everything that explain a wait; others are in the job's moves."""

SKEW = 60.0
"""Seconds by which the clock of whoever wrote an act may differ from Redis'."""

SEVERAL = 4
"""Most jobs of one key that an error lists, if a credential is needed to select one."""


@dataclass(frozen=True, slots=True)
class Story:
    """
    A job, and related data that is stored elsewhere.

    Attributes:
        body: as JSON, with possible secrets masked; None if it was deleted.
        acts: pauses and resumptions that affected it, oldest first.
    """

    job: JobRecord
    batch: BatchStatus
    body: str | None
    acts: list[Act]

    @property
    def files(self) -> str:
        """The files of its batch; empty for single jobs."""
        names = ", ".join(source.name for source in self.batch.sources)
        return names or self.batch.meta.get("source", "")

    @property
    def by(self) -> str:
        """Who submitted it, if known."""
        people = dict.fromkeys(source.by for source in self.batch.sources)
        return ", ".join(people) or self.batch.meta.get("by", "")

    @property
    def holds(self) -> list[Hold]:
        """The current holds on it."""
        if self.job.state not in UNSETTLED:
            return []
        mine = scopes.of_credential(self.job.credential)
        return [
            hold
            for hold in self.batch.holds
            if not hold.scope.startswith("credential:") or hold.scope == mine
        ]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """
    One line of a history.

    Attributes:
        at: Unix seconds; None if only the order is known.
        beneath: the API's message, if there was one.
    """

    at: float | None
    text: Text
    beneath: str = ""


async def job_called(ledger: Ledger, name: str, credential: str = "", owner: str | None = None) -> JobRecord:
    """
    The job of an id, or of a tenant's key.

    Raises: NotFoundError if there is none, or only its end state is left; InvalidInputError if several
        credentials have the key.
    """
    if not credential and owner is None:
        try:
            return await ledger.queries.job(name)
        except NotFoundError:
            pass
    found: list[JobRecord | Tombstone] = []
    async for each in ledger.queries.find(name, credential, owner):
        found.append(each)
        if len(found) == SEVERAL:
            break
    match found:
        case [JobRecord() as record]:
            return record
        case [Tombstone() as gone]:
            raise NotFoundError(past_retention(gone))
        case []:
            raise NotFoundError(
                Text(
                    "unknown job or tenant key {name!r} under {credential}", name=name, credential=credential
                )
                if credential
                else Text("unknown job or tenant key {name!r}", name=name),
                hint="search with: provision jobs --key KEY (abc* for every key that starts with abc)",
            )
    owners = [await ledger.queries.owner(split_job_id(each.job_id)[0]) for each in found]
    several = joined(
        ", ",
        [
            Text(
                "{credential} ({job})" if owner == DEFAULT else "{credential} of {owner} ({job})",
                credential=each.credential,
                owner=owner,
                job=each.job_id,
            )
            for each, owner in zip(found, owners, strict=True)
        ],
    )
    raise InvalidInputError(
        Text("several jobs match: {several}", several=several),
        hint="add --credential NAME or --owner OWNER, or give the job id",
    )


def past_retention(gone: Tombstone) -> Text:
    """The error for a job that was deleted: its end state is still known."""
    facts = {"key": gone.key, "credential": gone.credential, "job": gone.job_id}
    if gone.state == "succeeded":
        return Text("{key} ({credential}) was created as {job}, which is past its retention", **facts)
    return Text(
        "{key} ({credential}) was {state} and may have been created as {job}, which is past its retention",
        **facts,
        state=gone.state,
    )


async def story_of(ledger: Ledger, job: JobRecord) -> Story:
    """The full history of a job."""
    batch = await ledger.queries.status(job.batch)
    mine = (scopes.EVERYTHING, scopes.of_batch(job.batch), scopes.of_credential(job.credential))
    ended = None if job.state in UNSETTLED else job.at
    until = None if ended is None else ended + SKEW  # what people did since then explains nothing
    acts = [
        act
        async for some in ledger.queries.audit_pages(since=batch.opened_at, until=until)
        for _, act in some.acts
        if act.act in EXPLAINING_ACTS and act.on in mine and (ended is None or act.at <= ended)
    ]
    try:
        body = masked(await ledger.queries.body(job.job_id))
    except NotFoundError:
        body = None
    return Story(job, batch, body, acts[::-1])


def story_json(story: Story) -> dict[str, Any]:
    """A history for programs."""
    return {
        **story.job.public(),
        "source": story.files or None,
        "by": story.by or None,
        "body": None if story.body is None else msgspec.Raw(story.body.encode()),
        "holds": [msgspec.to_builtins(hold) for hold in story.holds],
        "acts": [{"why": "", "facts": {}, **msgspec.to_builtins(act)} for act in story.acts],
    }


def timeline(story: Story) -> list[TimelineEntry]:
    """The history line by line, oldest first."""
    job = story.job
    workers = {attempt.worker for attempt in job.attempts}
    lines = [_attempt(attempt, by=len(workers) > 1) for attempt in job.attempts]
    lines += [_move(move) for move in job.moves]
    lines += [_act(act) for act in story.acts]
    first = [] if any(move.move == "accepted" for move in job.moves) else [_accepted(story)]
    return first + sorted(lines, key=lambda line: line.at or 0.0)


def _accepted(story: Story) -> TimelineEntry:
    """When the batch was opened, if it came from one file; a batch that goes on takes jobs at any time."""
    known = len(story.batch.sources) < 2 and "urgent" not in story.batch.meta
    text = Text("accepted by {by}", by=shown(story.by)) if story.by else Text("accepted")
    return TimelineEntry(story.batch.opened_at if known else None, text)


def _attempt(attempt: Attempt, *, by: bool) -> TimelineEntry:
    how: list[AnyText] = [_EVIDENCE[attempt.evidence], duration(attempt.seconds)]
    if by and attempt.worker:
        how.append(shown(attempt.worker))
    text = Text("attempt {n}: {answer} ({how})", n=attempt.n, answer=answer(attempt), how=joined(", ", how))
    if attempt.outcome in (Outcome.DENIED, Outcome.MISDIRECTED):
        text = Text("{entry}, not counted", entry=text)
    if attempt.next_delay is not None:
        text = Text("{entry}, again after {delay}", entry=text, delay=duration(attempt.next_delay))
    return TimelineEntry(attempt.at, text, shown(attempt.message))


_EVIDENCE = {
    Evidence.NOTHING_SENT: Text("nothing sent"),
    Evidence.SENT: Text("sent"),
    Evidence.STATUS_SEEN: Text("status seen"),
    Evidence.ANSWERED: Text("answered"),
}

_MOVES: dict[str, Text] = {
    MoveWord.ACCEPTED: Text("accepted"),
    MoveWord.REPLACED: Text("replaced"),
    MoveWord.REDRIVEN: Text("redriven"),
    MoveWord.CANCELLED: Text("cancelled"),
    MoveWord.CALLED_OFF: Text("called off"),
    MoveWord.RESOLVED_CREATED: Text("resolved created"),
    MoveWord.RESOLVED_ABSENT: Text("resolved absent"),
}


def _move(move: Move) -> TimelineEntry:
    word = _MOVES.get(move.move, move.move.replace("_", " "))
    text = Text("{move} by {by}", move=word, by=shown(move.by) or Text("unknown"))
    if move.was:
        text = Text("{entry}, was {state}", entry=text, state=move.was)
    return TimelineEntry(move.at, _because(text, move.why))


def _act(act: Act) -> TimelineEntry:
    facts = {"on": act.on, "by": shown(act.by) or Text("unknown")}
    if "pace" in act.facts:
        text = Text("{on} pace {pace} by {by}", **facts, pace=shown(str(act.facts["pace"])))
    elif act.act == "pace":
        text = Text("{on} pace by {by}", **facts)
    else:
        text = Text("{on} paused by {by}" if act.act == "pause" else "{on} resumed by {by}", **facts)
    # A pause without its own reason only repeats its actor.
    return TimelineEntry(act.at, text if act.why == f"paused by {act.by}" else _because(text, act.why))


def _because(text: Text, why: str) -> Text:
    return Text("{entry}, because {why}", entry=text, why=shown(why)) if why else text
