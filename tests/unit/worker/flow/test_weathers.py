"""
Claims that hold in any weather, in virtual time. `WEATHERS=5000` tries more seeds than the usual ones; a
failure begins with its seed, which plays it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache

import pytest

from tests.unit.worker.simulation import MOST, POLICY, Came, Simulation, Weather, plain_loop, weather
from worker.flow.failure_detector import PROBES, SHORTEST_PAUSE

SEEDS = range(int(os.environ.get("WEATHERS", "150")))
LONG = 20_000.0
"""Virtual seconds that any batch may take, an outage of a minute and the pauses of probes included."""


@cache
def came_of(seed: int, *, outage: bool) -> tuple[Weather, Came | None]:
    """What came of a batch in the weather of a seed; None where it looks down for ever."""
    sky = weather(seed, outage=outage)
    return sky, None if sky.looks_down_for_ever else Simulation(sky).run(until=LONG)


def weathers(*, outage: bool) -> Iterator[tuple[Weather, Came]]:
    for seed in SEEDS:
        sky, came = came_of(seed, outage=outage)
        if came is not None:
            yield sky, came


@pytest.mark.parametrize("outage", [False, True])
def test_every_row_ends_and_is_dead_only_by_its_own_answered_attempts(outage: bool) -> None:
    for sky, came in weathers(outage=outage):
        for row in came.rows:
            assert row.ended is not None, (sky.seed, row, sky)
            assert row.posts <= POLICY.attempts, (sky.seed, row, sky)
            if row.state == "dead":
                assert row.answered == row.posts, (sky.seed, row, sky)
                assert row.posts == POLICY.attempts or row.spent > POLICY.budget / 2, (sky.seed, row, sky)


def test_a_row_that_is_answered_well_waits_for_no_row_that_fails() -> None:
    for sky, came in weathers(outage=False):
        if sky.failure == "page":
            continue  # a gateway's page speaks for all rows, until one of them is answered
        plain = plain_loop(sky)
        good = [row for row in came.rows if row.number not in sky.failures]
        last = max((row.ended or LONG for row in good), default=0.0)
        allowed = max((plain[row.number] for row in good), default=0.0) * 1.15 + 1
        assert last <= allowed, (sky.seed, last, allowed, sky)


def test_rows_are_created_and_dead_as_in_a_plain_loop() -> None:
    for sky, came in weathers(outage=False):
        created = {row.number for row in came.rows if row.state == "created"}
        assert created == {n for n in range(sky.rows) if sky.failures.get(n, 0) < POLICY.attempts}, sky.seed


def test_an_outage_costs_what_was_in_flight_and_probes_while_a_fresh_row_is_left() -> None:
    for sky, came in weathers(outage=True):
        assert sky.outage is not None
        rounds = (sky.outage[1] - sky.outage[0]) / SHORTEST_PAUSE + 2
        assert came.posts_down <= sky.workers * (MOST + rounds * (PROBES + 1)), (
            sky.seed,
            came.posts_down,
            sky,
        )
