"""What every peer knows of the job: where it goes, how many may be in flight here, what is kept of it."""

from __future__ import annotations

import json
import logging
import os
from base64 import b64encode
from typing import Any, Final

import httpx
from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

REDIS_URL: Final = os.environ["BENCH_REDIS_URL"]
API_URL: Final = os.environ["BENCH_API_URL"] + "/v1/widget/create"
IN_FLIGHT: Final = int(os.environ.get("BENCH_IN_FLIGHT", "1"))
"""Jobs that one process has in hand: its threads, greenlets or tasks."""

RESULTS: Final = "bench:results"
"""Hash: key of a job → what it came to."""
DEAD: Final = "bench:dead"
"""Set: keys of jobs whose attempts are used up."""

HEADERS: Final = {
    "Authorization": "Basic " + b64encode(b"bench:bench").decode(),
    "Content-Type": "application/json",
    "Accept": "application/json",
}
TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)

# httpx says every request at INFO, which dramatiq, taskiq and streaq would print.
logging.getLogger("httpx").setLevel(logging.WARNING)


_full_jitter: Final = wait_random_exponential(multiplier=0.5, max=30)  # under 0.5 s, 1 s, 2 s, …


def worth_another_attempt(error: BaseException) -> bool:
    """A 5xx, a 429, or a connection that broke."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code == 429
    return isinstance(error, httpx.TransportError)


def wait(state: RetryCallState) -> float:
    """What the API asks for, or else a backoff: seconds."""
    error = state.outcome.exception()
    asked = error.response.headers.get("Retry-After") if isinstance(error, httpx.HTTPStatusError) else None
    return float(asked) if asked else _full_jitter(state)


RETRYING: Final[dict[str, Any]] = {
    "retry": retry_if_exception(worth_another_attempt),
    "stop": stop_after_attempt(6),
    "wait": wait,
    "reraise": True,
}


def kept(response: httpx.Response, attempts: int) -> str:
    """What is kept of a job: the widget and how many POSTs it took."""
    widget = response.json()["data"]["Widget"]["id"]
    return json.dumps({"widget_id": widget, "attempts": attempts})
