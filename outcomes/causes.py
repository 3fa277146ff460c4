"""Dead jobs, or jobs in doubt, of a batch by cause: how many, how many may have a widget, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from provisioning.causes import explained
from provisioning.ledger import BatchStatus, CauseGroup, JobRecord, Ledger, Selection
from provisioning.lifecycle import State


@dataclass(frozen=True, slots=True)
class CauseCount:
    """Jobs of a batch that ended alike, and one of them."""

    status: BatchStatus
    group: CauseGroup
    example: JobRecord


async def causes_of(ledger: Ledger, status: BatchStatus, wanted: Selection) -> list[CauseCount]:
    """
    The causes of the selected jobs, the most frequent first, each with one job as an example.

    Every selected job is looked at: 100 000 in a second or two.
    """
    groups = await ledger.queries.causes(status.batch, wanted)
    return [
        CauseCount(status, group, await ledger.queries.job(f"{status.batch}.{group.example}"))
        for group in groups
    ]


def cause_json(each: CauseCount, state: State) -> dict[str, Any]:
    """A cause for programs (docs/reference/json.md)."""
    cause = explained(each.group.cause)
    return {
        "batch": each.status.batch,
        "name": each.status.name,
        "state": state,
        "cause": each.group.cause,
        "count": each.group.count,
        "risky": each.group.risky,
        "first": each.group.first,
        "last": each.group.last,
        "example": each.example.job_id,
        "message": last_message(each.example),
        "meaning": cause.meaning,
        # A program's reader knows commands by their names, which are those of the operations as well.
        "advice": cause.advice.on_command_line,
    }


def last_message(job: JobRecord) -> str:
    """The widget API's explanation of the last attempt; may be empty."""
    return job.attempts[-1].message if job.attempts else ""
