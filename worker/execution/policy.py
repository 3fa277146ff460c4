"""
The retry policy: whether an attempt is retried, and after which backoff.

Pure: the classification, the attempt's number, the elapsed time and a random source go in; a `Decision` comes
out. `retrying` runs the loop, with tenacity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, assert_never

from provisioning.attempt import Outcome
from provisioning.errors import ConfigurationError
from provisioning.lifecycle import Event
from worker.classification import Classification

Draw = Callable[[], float]
"""A uniform random source on [0, 1)."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    How often, how soon and how long a job is tried again. Times are in seconds.

    Attributes:
        attempts: POSTs per drive, the first included.
        backoff: ceiling of the first delay.
        factor: growth of that ceiling from one delay to the next.
        cap: the ceiling never grows beyond.
        budget: of attempts and delays together; no retry is scheduled to start after it. Waiting for the
            pace, a slot or the end of an outage does not count.
        retry_after_cap: a longer `Retry-After` is not waited out here but deferred to the ledger.
        on_in_doubt: `hold` for a person, or `retry` at the price of a possible second widget.
    """

    attempts: int = 6
    backoff: float = 0.5
    factor: float = 2.0
    cap: float = 30.0
    budget: float = 120.0
    retry_after_cap: float = 60.0
    on_in_doubt: Literal["hold", "retry"] = "hold"

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigurationError(f"a job needs at least 1 attempt, not {self.attempts}")
        if self.factor < 1:
            raise ConfigurationError(f"the backoff factor must be at least 1, not {self.factor:g}")
        for name in ("backoff", "cap", "budget", "retry_after_cap"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"the retry policy's {name} must not be negative")
        if self.on_in_doubt not in ("hold", "retry"):
            raise ConfigurationError(f"on_in_doubt is 'hold' or 'retry', not {self.on_in_doubt!r}")


@dataclass(frozen=True, slots=True)
class Finish:
    """No more attempts: apply `event` to the lifecycle."""

    event: Literal[Event.CREATED, Event.REJECTED, Event.EXHAUSTED, Event.DOUBTED]
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Retry in `delay` seconds, under the same lease."""

    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class Defer:
    """Return the job to the queue, not to be claimed before `delay` seconds; the attempt counts."""

    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """
    Not caused by this job: apply a brake to the credential or the target; the job returns to the queue, and
    the attempt does not count.

    A person must correct the cause first.
    """

    scope: Literal["credential", "target"]
    reason: str


Decision = Finish | Retry | Defer | Halt


def decide(
    classified: Classification,
    attempt: int,
    elapsed: float,
    policy: RetryPolicy,
    draw: Draw,
) -> Decision:
    """
    What follows from `classified`. Only this row counts: results of other rows affect when it is sent, not
    how often.

    Args:
        attempt: number of the attempt that just ended; the first is 1.
        elapsed: seconds that the attempts of this drive and the delays between them took.
        draw: uniform random source on [0, 1).
    """
    outcome = classified.outcome
    if outcome is Outcome.CREATED:
        return Finish(Event.CREATED, "created")
    elif outcome is Outcome.REJECTED:
        return Finish(Event.REJECTED, classified.cause)
    elif outcome is Outcome.DENIED:
        return Halt("credential", classified.cause)
    elif outcome is Outcome.MISDIRECTED:
        return Halt("target", classified.cause)
    elif outcome is Outcome.IN_DOUBT:
        if policy.on_in_doubt == "hold":
            return Finish(Event.DOUBTED, classified.cause)
        # Without attempts left it is still in doubt: a person must decide.
        return _again(classified, attempt, elapsed, policy, draw, Event.DOUBTED)
    elif outcome is Outcome.UNPROCESSED or outcome is Outcome.FAILED:
        return _again(classified, attempt, elapsed, policy, draw, Event.EXHAUSTED)
    else:
        assert_never(outcome)


def next_delay(attempt: int, asked: float | None, policy: RetryPolicy, draw: Draw) -> float:
    """
    Time to wait before attempt ``attempt + 1``.

    The server's `Retry-After` takes precedence over our backoff, up to ``policy.retry_after_cap``, except if
    it is zero. Otherwise full jitter:

        uniform(0, min(cap, backoff * factor ** (attempt - 1)))

    >>> next_delay(3, None, RetryPolicy(), lambda: 0.5)
    1.0
    >>> next_delay(3, 7.0, RetryPolicy(), lambda: 0.5)
    7.0

    Args:
        attempt: number of the attempt that just ended; the first is 1.
        asked: seconds the server asked for; None if it did not.
        draw: uniform random source on [0, 1); tests pass a constant.

    Returns: seconds, at least 0.
    Raises: ValueError if `attempt` is below 1.
    Source: RFC 9110 §10.2.3; "Exponential Backoff And Jitter", AWS Architecture Blog.
    """
    ceiling = delay_ceiling(attempt, policy)
    if asked is not None and asked > 0:
        return min(asked, policy.retry_after_cap)
    return draw() * ceiling


def delay_ceiling(attempt: int, policy: RetryPolicy) -> float:
    """
    The longest backoff after `attempt`: ``min(cap, backoff * factor ** (attempt - 1))``.

    Raises: ValueError if `attempt` is below 1.
    """
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, not {attempt}")
    try:
        return min(policy.cap, policy.backoff * policy.factor ** (attempt - 1))
    except OverflowError:
        return policy.cap if policy.backoff else 0.0


def _again(
    classified: Classification,
    attempt: int,
    elapsed: float,
    policy: RetryPolicy,
    draw: Draw,
    last: Literal[Event.EXHAUSTED, Event.DOUBTED],
) -> Decision:
    if attempt >= policy.attempts or elapsed >= policy.budget:
        return Finish(last, classified.cause)
    asked = classified.retry_after
    # A wait that the server requested never ends the job; the job only waits in the ledger instead.
    if asked is not None and (asked > policy.retry_after_cap or elapsed + asked > policy.budget):
        return Defer(asked, classified.cause)
    delay = next_delay(attempt, asked, policy, draw)
    if elapsed + delay > policy.budget:
        return Finish(last, classified.cause)
    return Retry(delay, classified.cause)
