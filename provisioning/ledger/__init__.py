"""The ledger: the record of every job in Redis, and the only truth about it."""

from provisioning.ledger.ledger import LOST, Ledger
from provisioning.ledger.records import (
    Act,
    Answered,
    BatchStatus,
    Claim,
    Claims,
    Deferral,
    Grant,
    Hold,
    Intent,
    JobRecord,
    Match,
    Move,
    Redriven,
    Rescue,
    Selection,
    SourceFile,
    WorkerSign,
)

__all__ = [
    "LOST",
    "Act",
    "Answered",
    "BatchStatus",
    "Claim",
    "Claims",
    "Deferral",
    "Grant",
    "Hold",
    "Intent",
    "JobRecord",
    "Ledger",
    "Match",
    "Move",
    "Redriven",
    "Rescue",
    "Selection",
    "SourceFile",
    "WorkerSign",
]
