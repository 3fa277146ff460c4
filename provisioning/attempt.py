"""
One POST: how far it got on the network, the reply, and its meaning.

Values only. The worker creates them, the ledger stores them, the console shows them.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Evidence(StrEnum):
    """How far an attempt provably got. Later members include the earlier ones."""

    NOTHING_SENT = "nothing_sent"  # proof that no byte of the request left: the only safe retry
    SENT = "sent"  # at least one byte may have been sent; no status line arrived
    STATUS_SEEN = "status_seen"  # the status line and headers arrived, the body did not
    ANSWERED = "answered"  # the whole answer arrived


class Outcome(StrEnum):
    """Whether the widget was created, see `worker.execution.classify` and docs/explanation/retries.md."""

    CREATED = "created"
    REJECTED = "rejected"  # the API refuses this row
    DENIED = "denied"  # the API refuses this credential: every further row would fail too
    MISDIRECTED = "misdirected"  # the address is wrong: this is not the API
    UNPROCESSED = "unprocessed"  # proof that nothing was done: safe to repeat
    FAILED = "failed"  # 500, 502, 503: repeated by the owner's decision, the upper bound rises
    IN_DOUBT = "in_doubt"  # the widget may exist, and nothing proves it


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One POST as the ledger stores it.

    Attributes:
        n: number of the attempt within its drive; the first is 1.
        at: when the intent to send was recorded, Unix seconds.
        seconds: from the intent to the answer, or to the timeout.
        outcome: of the attempt.
        evidence: how far it got.
        status: HTTP status, None if no status line was seen.
        error: the cause as one stable word (`bot_not_found`, `read_timeout`, `http_500`); empty when created.
        message: the API's own explanation, shortened; never a payload, credential or widget key.
        next_delay: seconds until the next attempt; None if there is none.
        worker: name of the worker that sent it.
        late: its answer arrived when this worker no longer had the job.
        token: fencing token of its claim; recorded if the answer is late or may still arrive.
    """

    n: int
    at: float
    seconds: float
    outcome: Outcome
    evidence: Evidence
    status: int | None = None
    error: str = ""
    message: str = ""
    next_delay: float | None = None
    worker: str = ""
    late: bool = False
    token: int | None = None


class Bounds(msgspec.Struct, frozen=True):
    """How many widgets may exist, at least and at most. Adding bounds adds both ends."""

    least: int = 0
    most: int = 0

    @property
    def exact(self) -> bool:
        """Whether the number is known: both bounds are equal."""
        return self.least == self.most

    def __add__(self, other: Bounds) -> Bounds:
        return Bounds(self.least + other.least, self.most + other.most)


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The created widget. The API returns the key only once, so it is stored before anything else is done.

    Attributes:
        key: the widget's own key for its web page; not the company's credential, and masked in `repr`.
        created_at: as the API wrote it.
    """

    widget_id: str = ""
    key: str = ""
    api_key_id: str = ""
    bot_id: str = ""
    created_at: str = ""

    def __repr__(self) -> str:
        return f"Result(widget_id={self.widget_id!r}, key='***', bot_id={self.bot_id!r})"
