"""The loop of a job's attempts, with tenacity. `policy` decides on retries and computes the backoff."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_never

from worker.execution.policy import Retry

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[None]]


async def until_decided(attempt: Callable[[], Awaitable[T]], sleep: Sleep) -> T:
    """
    Makes attempts, and waits as each one's decision requires, until a decision is not a retry.

    The policy inside `attempt` limits the number of attempts and the time, not this function: only the policy
    includes what the ledger had counted before this process claimed the job.
    """
    first = await attempt()
    if not isinstance(first, Retry):
        return first  # nearly all: an unnecessary loop would cost a tenth of the whole job
    made: list[T] = [first]

    async def turn() -> T:
        return made.pop() if made else await attempt()

    # A new object each time: tenacity keeps the state of a run on it, and runs overlap here.
    retrying = AsyncRetrying(retry=retry_if_result(_is_retry), wait=_delay, stop=stop_never, sleep=sleep)
    return await retrying(turn)


def _is_retry(decision: object) -> bool:
    return isinstance(decision, Retry)


def _delay(state: RetryCallState) -> float:
    decision = state.outcome.result() if state.outcome else None
    return decision.delay if isinstance(decision, Retry) else 0.0
