"""Every scenario of the crash matrix, in the order in which the table shows them."""

from __future__ import annotations

from chaos import (
    broker_faults,
    failovers,
    kills,
    pauses,
    power_cuts,
    rabbitmq_faults,
    redis_faults,
    refusals,
)

SCENARIOS = (
    *kills.SCENARIOS,
    *redis_faults.SCENARIOS,
    *refusals.SCENARIOS,
    *power_cuts.SCENARIOS,
    *failovers.SCENARIOS,
    *broker_faults.SCENARIOS,
    *pauses.SCENARIOS,
)

ON_RABBITMQ = (
    *(each for each in SCENARIOS if each not in broker_faults.IN_REDIS),
    *rabbitmq_faults.SCENARIOS,
)
"""Those that are played with RabbitMQ as broker too, and those that are played with it alone."""

BY_NAME = {scenario.name: scenario for scenario in (*SCENARIOS, *rabbitmq_faults.SCENARIOS)}

QUICK = (
    "after-intent",
    "after-request-sent",
    "before-result-written",
    "redis-sigkill",
    "broker-wiped",
    "frozen-worker",
    "graceful-stop",
)
"""The most telling ones; `tests/acceptance/test_crash_safety.py` plays them on every build."""
