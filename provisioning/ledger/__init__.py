"""The ledger: the record of every job in Redis, and the only truth about it."""

from provisioning.ledger.ledger import LOST, Ledger
from provisioning.ledger.records import (
    Answered,
    BatchStatus,
    Claim,
    Claims,
    Deferral,
    Grant,
    Hold,
    Intent,
    JobRecord,
    Move,
    Rescue,
    SourceFile,
    WorkerSign,
)

__all__ = [
    "LOST",
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
    "Move",
    "Rescue",
    "SourceFile",
    "WorkerSign",
]
