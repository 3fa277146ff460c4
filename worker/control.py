"""
Celery's remote control, as far as it means something here: the rest is refused, with what to do instead.

Whoever reaches the broker, by Flower or by `celery control`, may look at a worker and shut it down; that is
its graceful stop. What would only seem to work is answered with an error: the pool hands rings to the engine
and does nothing else, and jobs are no tasks of Celery's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker.control import Panel

_POOL = (
    "this worker's pool only takes rings; how many POSTs it has in flight is found out by itself, up to"
    " PROVISION_MAX_IN_FLIGHT"
)
_PACE = "the pace is per credential: provision pace; how many may be in flight: PROVISION_MAX_IN_FLIGHT"
_JOBS = "a job is not called off here: provision cancel"
_QUEUE = "every worker looks for work by itself, whatever its queues: provision pause, or shut it down"

REFUSED = {
    "pool_grow": _POOL,
    "pool_shrink": _POOL,
    "pool_restart": _POOL,
    "autoscale": _POOL,
    "rate_limit": _PACE,
    "time_limit": _PACE,
    "revoke": _JOBS,
    "revoke_by_stamped_headers": _JOBS,
    "terminate": _JOBS,
    "add_consumer": _QUEUE,
    "cancel_consumer": _QUEUE,
}
"""Commands of Celery's that are refused, and the answer to each."""


def refuse_what_means_nothing() -> None:
    """Puts the refusals in the place of Celery's own commands, in this process."""
    for command, answer in REFUSED.items():
        Panel.data[command] = _refusal(answer)


def _refusal(answer: str) -> Callable[..., dict[str, str]]:
    def refuse(_state: Any, **_: Any) -> dict[str, str]:
        return {"error": answer}

    return refuse
