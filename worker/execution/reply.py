"""
The reply to one POST as values: an answer, or no answer.

Pure, so that `classify` can read them without knowing httpx.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from provisioning.attempt import Evidence


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A complete answer, of any status.

    Attributes:
        body: decompressed; not in the `repr`, since that of a success holds the widget's key.
        retry_after, content_type, location: those headers as received; empty when absent.
        seconds: from starting the request to the complete answer.
    """

    status: int
    body: bytes = field(repr=False)
    retry_after: str = ""
    content_type: str = ""
    location: str = ""
    seconds: float = 0.0
    evidence: Literal[Evidence.ANSWERED] = Evidence.ANSWERED


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """
    No complete answer.

    Attributes:
        evidence: how far it got; never `ANSWERED`.
        error: why, as one stable word (`causes.Cause`).
        message: the same for a person; holds no secret.
        status: HTTP status if the status line was read and the rest was not.
        seconds: from starting the request to its end.
    """

    evidence: Evidence
    error: str
    message: str = ""
    status: int | None = None
    seconds: float = 0.0


Reply = Answer | NoAnswer
