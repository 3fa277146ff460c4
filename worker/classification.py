"""What the reply to a POST means: the value that `execution.classify` makes and flow control goes by."""

from __future__ import annotations

from dataclasses import dataclass

from provisioning.attempt import Outcome, Result


@dataclass(frozen=True, slots=True)
class Classification:
    """
    The meaning of one reply.

    Attributes:
        cause: one stable word (`Cause`, `http_500`, or the API's own error key); empty when created.
        message: the API's explanation, at most 300 characters; no credential and no widget key.
        retry_after: seconds of the server's `Retry-After`; None if there is none.
        result: set exactly if `outcome` is created.
        alive: whether the reply shows that the API works, whatever it answers to the row; None if it proves
            neither.
    """

    outcome: Outcome
    cause: str = ""
    message: str = ""
    retry_after: float | None = None
    result: Result | None = None
    alive: bool | None = None
