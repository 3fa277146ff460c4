"""Goes through the weathers: in each the plain loop first, by whose time the others' is bounded."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

from bench.contenders import OURS, PLAIN_LOOP, Contender
from bench.results import Results
from bench.server import nginx
from bench.weather import run
from bench.weather.table import Weather

LOOP_MAY_TAKE: Final = 240.0
WITHOUT_A_LOOP: Final = 60.0
"""Seconds that a run may take where no plain loop has run before it."""


def measure(
    results: Results,
    contenders: Sequence[Contender],
    weathers: Sequence[Weather],
    workers: Sequence[int],
    rounds: int,
) -> None:
    """Adds its runs to the results. What fails is told and passed over."""
    for weather, contender, processes in order(contenders, weathers, workers, rounds):
        longest = LOOP_MAY_TAKE if contender is PLAIN_LOOP else bound(results, weather)
        try:
            one = run.run(contender, weather, processes=processes, bound=longest)
        except (RuntimeError, nginx.NoServerError) as error:
            results.failures.append(
                f"weather, {weather.name}, {contender.name}: {str(error).splitlines()[0]}"
            )
            text = f"came to nothing: {error}"
        else:
            results.weathered.append(one)
            text = run.line(one)
        print(f"{weather.name:21} {contender.name:14} x{processes} {text}", file=sys.stderr, flush=True)


def order(
    contenders: Sequence[Contender], weathers: Sequence[Weather], workers: Sequence[int], rounds: int
) -> Iterator[tuple[Weather, Contender, int]]:
    """
    All once; then again those that goals compare: the loop, and this program in each number of workers.

    The loop is first in each weather: the others' time is bounded by its own.
    """
    for turn in range(rounds):
        for weather in weathers:
            for contender in contenders:
                if contender is OURS:
                    yield from ((weather, contender, processes) for processes in workers)
                elif contender is PLAIN_LOOP or turn == 0:
                    yield weather, contender, 1


def bound(results: Results, weather: Weather) -> float:
    """Seconds that a run may take."""
    loop = results.under(weather.name, PLAIN_LOOP.name)
    return 3 * loop.seconds + 15 if loop else WITHOUT_A_LOOP
