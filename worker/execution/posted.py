"""One POST that was made: the value that flow control learns from and the ledger records."""

from __future__ import annotations

from dataclasses import dataclass

from worker.classification import Classification
from worker.execution.reply import Reply


@dataclass(frozen=True, slots=True)
class Posted:
    """
    One POST that was made.

    Attributes:
        at: Unix seconds when it was intended.
        sent_at, began: when it began; Unix and monotonic seconds.
        number: among the POSTs of its credential (`Refusals.sent`).
        fresh: no POST of its job was ever answered before: only such a row shows the state of the API.
        probe: it is the probe of a brake.
        reply, classified: the reply, and its meaning.
    """

    at: float
    sent_at: float
    began: float
    number: int
    fresh: bool
    probe: bool
    reply: Reply
    classified: Classification
