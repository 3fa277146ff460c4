"""
Celery's remote control, as far as it applies here: other commands are refused, with what to do instead.

Anyone who reaches the broker, with Flower or `celery control`, may inspect a worker and shut it down
gracefully. Commands without effect return an error: the pool only passes notifications to the engine, and
jobs are not Celery tasks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from celery.worker.control import Panel

from provisioning.ledger import WorkerSign

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
"""Celery commands that are refused, and the answer to each."""


def refuse_what_means_nothing() -> None:
    """Replaces Celery's own commands by the refusals, in this process."""
    for command, answer in REFUSED.items():
        Panel.data[command] = _refusal(answer)


def show_sending(state: Callable[[], WorkerSign]) -> None:
    """
    Adds the current limits of sending to a worker's statistics (`celery inspect stats`, Flower's worker
    page).

    Args:
        state: what the worker is doing; called from Celery's thread.
    """
    usual = Panel.data["stats"]

    def stats(of: Any, **options: Any) -> dict[str, Any]:
        return {**usual(of, **options), "sending": sending_now(state(), time.time())}

    Panel.data["stats"] = stats


def sending_now(sign: WorkerSign, now: float) -> dict[str, str | int]:
    """What limits a worker's sending, in words and numbers, by name; `now` in Unix seconds."""
    status: dict[str, str | int] = {
        "POSTs in flight": sign.in_flight,
        "at most at once": sign.limit,
        "refusals among the last answers": f"{sign.refused:.0%}",
    }
    if sign.outage is not None:
        word = "is down" if sign.outage.certain else "may be down"
        since = datetime.fromtimestamp(sign.outage.since, UTC).strftime("%H:%M:%S UTC")
        wait = max(0.0, sign.outage.next_probe - now)
        status["the API"] = f"{word} since {since} ({sign.outage.cause}); next probe in {wait:.1f} s"
    for credential, rate in sign.rates.items():
        status[f"rate of {credential}, learned from 429s"] = f"{rate:.3g}/s"
    return status


def _refusal(answer: str) -> Callable[..., dict[str, str]]:
    def refuse(_state: Any, **_: Any) -> dict[str, str]:
        return {"error": answer}

    return refuse
