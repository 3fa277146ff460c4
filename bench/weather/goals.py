"""What is wanted of this program in every weather, beside the plain loop. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.contenders import OURS, PLAIN_LOOP
from bench.judged import Judged
from bench.results import Results
from bench.weather.run import Weathered
from bench.weather.table import WEATHERS, Weather

OF_THE_LOOP: Final = 1.15
AND_SECONDS: Final = 1.0
AFTER_AN_OUTAGE: Final = 5.0
"""Seconds from its end to the last row's."""

POSTS_A_ROW_IN_AN_OUTAGE: Final = 1.2
POSTS_A_ROW_UNDER_A_QUOTA: Final = 1.05
OF_A_QUOTA: Final = 0.95

Part = tuple[str, bool]
"""Of what was measured: in words, and whether it is as wanted."""


def in_all_weathers(results: Results) -> Iterator[Judged]:
    """A goal for each weather that was tried, and number of workers."""
    for weather in WEATHERS.values():
        loop = results.under(weather.name, PLAIN_LOOP.name)
        for processes, words in ((1, "one worker"), (2, "two workers")):
            ours = results.under(weather.name, OURS.name, processes)
            if ours is None and loop is None:
                continue
            goal = f"{weather.title}: {words}"
            if ours is None or loop is None:
                yield Judged(goal, _wanted(weather), "not measured", None)
                continue
            parts = list(_parts(weather, ours, loop))
            measured = ", ".join(text if met else f"**{text}**" for text, met in parts)
            yield Judged(goal, _wanted(weather), measured, all(met for _, met in parts))


def limit(loop: Weathered) -> float:
    """The latest last row's end, in seconds from handing over, beside this plain loop."""
    return OF_THE_LOOP * loop.seconds + AND_SECONDS


def of_its_quota(weather: Weather, run: Weathered) -> float | None:
    """The share created of what a quota allowed until the last row's end; None without a quota."""
    if weather.quota is None:
        return None
    return run.created / (weather.quota * run.posting_s + weather.saved_up)


def _parts(weather: Weather, ours: Weathered, loop: Weathered) -> Iterator[Part]:
    yield f"{ours.seconds:.1f} s beside {loop.seconds:.1f}", ours.seconds <= limit(loop)
    share = of_its_quota(weather, ours)
    if share is not None:
        yield f"{share:.0%} of the quota", share >= OF_A_QUOTA
    if weather.up_from is not None:
        after = ours.posting_s - weather.up_from
        yield f"{after:+.1f} s after the outage", after <= AFTER_AN_OUTAGE
    if most := _most_posts(weather):
        yield f"{ours.posts / ours.rows:.2f} POSTs a row", ours.posts <= most * ours.rows
    if most:
        yield f"{ours.dead} dead", ours.dead == 0
    elif (ours.created, ours.dead, ours.which) == (loop.created, loop.dead, loop.which):
        yield "the same rows", True
    else:
        beside = f"beside {loop.created:,} and {loop.dead}"
        yield f"{ours.created:,} created and {ours.dead} dead {beside}", False
    for count, words in (
        (ours.in_doubt, "in doubt"),
        (ours.unsettled, "not done"),
        (ours.duplicates, "created twice"),
    ):
        if count:
            yield f"{count} {words}", False


def _most_posts(weather: Weather) -> float | None:
    """POSTs a row at most; None where rows fail by themselves, so that the loop's rows are the measure."""
    if weather.quota is not None:
        return POSTS_A_ROW_UNDER_A_QUOTA
    return None if weather.up_from is None else POSTS_A_ROW_IN_AN_OUTAGE


def _wanted(weather: Weather) -> str:
    time = f"≤ {OF_THE_LOOP:g}× the plain loop + {AND_SECONDS:g} s"
    if weather.quota is not None:
        return f"{time}, ≥ {OF_A_QUOTA:.0%} of the quota, ≤ {POSTS_A_ROW_UNDER_A_QUOTA:g} POSTs a row, 0 dead"
    if weather.up_from is not None:
        after = f"≤ {AFTER_AN_OUTAGE:g} s after the outage"
        return f"{time}, {after}, ≤ {POSTS_A_ROW_IN_AN_OUTAGE:g} POSTs a row, 0 dead"
    return f"{time}, the same rows created and dead"
