"""The result of an apply, for display."""

from __future__ import annotations

from dataclasses import dataclass

from outcomes.outcome_files import Export
from producers.plan import Plan
from producers.submit import Submission
from provisioning.job import Verdict
from provisioning.ledger import BatchStatus
from provisioning.lifecycle import State


@dataclass(frozen=True, slots=True)
class Applied:
    """
    The result of an apply.

    Attributes:
        status: its batch; None if it brought nothing new.
        others: batches in which known jobs were queued again.
        files: the outcome files of each of these batches; none when detached.
        seconds: from the submission to the last outcome.
    """

    plan: Plan
    submission: Submission
    status: BatchStatus | None
    others: list[BatchStatus]
    files: list[Export]
    seconds: float

    @property
    def batches(self) -> list[BatchStatus]:
        """All batches that it changed, its own first."""
        return [status for status in (self.status, *self.others) if status]

    @property
    def lost(self) -> int:
        """Accepted rows that Redis has lost since: in a power cut, or in a failover."""
        new = self.submission.verdicts[Verdict.NEW]
        return max(0, self.submission.before + new - self.status.accepted) if self.status else new

    @property
    def complete(self) -> bool:
        """Whether every job that it changed has succeeded."""
        return not self.lost and all(
            status.states[State.SUCCEEDED] == status.accepted for status in self.batches
        )
