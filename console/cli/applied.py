"""What an apply came to: a value for those who show it."""

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
    What an apply came to.

    Attributes:
        status: its batch; None if it brought nothing new.
        others: batches in which known jobs were queued again.
        files: the outcome files of each of these batches; none when detached.
        seconds: from handing over to the last outcome.
    """

    plan: Plan
    submission: Submission
    status: BatchStatus | None
    others: list[BatchStatus]
    files: list[Export]
    seconds: float

    @property
    def batches(self) -> list[BatchStatus]:
        """All batches it touched, its own first."""
        return [status for status in (self.status, *self.others) if status]

    @property
    def lost(self) -> int:
        """Rows that were accepted and that Redis has lost since: in a power cut, or to a failover."""
        new = self.submission.verdicts[Verdict.NEW]
        return max(0, self.submission.before + new - self.status.accepted) if self.status else new

    @property
    def complete(self) -> bool:
        """Whether every job it touched has succeeded."""
        return not self.lost and all(
            status.states[State.SUCCEEDED] == status.accepted for status in self.batches
        )
