"""
Measure this program beside what a user would take instead, and beside a bare loop.

    script/bench                          everything, an hour and a half; prints tables and goals
    script/bench --quick                  fewer jobs, one round, no weathers: minutes
    script/bench --only ours bare         those whose names begin so
    script/bench --scenario none faults   those (none, 200ms-100, 200ms-500, faults, enqueue, weather)
    script/bench --weather outage --only ours "plain loop" --processes 2   those weathers, with two workers
    script/bench --only dramatiq --scenario none --shape 2x8   other numbers of processes and threads
    script/bench --docs                   everything, and the page and its drawings anew
    script/bench --docs --scenario enqueue   that scenario anew, the others as the last whole bench has them
    script/bench --draw                   the page and its drawings from bench/results.json
    script/bench --check                  exit code 1 unless every goal is met
    script/bench profile                  how to see where a worker's time goes
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

from bench import drawing, environments, report, stage
from bench.contenders import BARE, CONTENDERS, OURS, OURS_ALONE, UNDER_WEATHER, Contender
from bench.goals import judge
from bench.redis_server import Keeping
from bench.results import Results, about
from bench.scenarios import ENQUEUE, SCENARIOS, WEATHER
from bench.server import nginx
from bench.weather import drawing as weather_drawing
from bench.weather import plan as weather_plan
from bench.weather.table import WEATHERS

ENQUEUE_ROWS = {"ours": 100_000, "peer": 20_000}
ROUNDS = 3
QUICK = 0.25
"""Part of the usual jobs that a quick bench does."""


@dataclass(frozen=True)
class Options:
    only: tuple[str, ...]
    scenarios: tuple[str, ...]
    rounds: int
    scale: float
    fsync: Keeping
    shape: tuple[int, int] | None = None
    weathers: tuple[str, ...] = tuple(WEATHERS)
    workers: tuple[int, ...] = (1, 2)

    @property
    def full(self) -> bool:
        """Whether everybody did all that there is to do, in the scenarios chosen."""
        chosen = (self.only, self.shape, self.scale, self.weathers, self.workers)
        return chosen == ((), None, 1.0, tuple(WEATHERS), (1, 2))

    @property
    def whole(self) -> bool:
        return self.full and set(self.scenarios) == {*SCENARIOS, ENQUEUE, WEATHER}


def main(arguments: list[str]) -> int:
    # However it is ended, it ends what it has started; a shell's background jobs ignore Ctrl-C's signal.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    if arguments[:1] == ["profile"]:
        from bench import profile

        return profile.main(arguments[1:])
    given = _parser().parse_args(arguments)
    if given.draw:
        results = Results.read()
        _publish(results)
        return _ended(results, check=given.check)
    if missing := nginx.unavailable_reason():
        print(f"error: {missing}", file=sys.stderr)
        return 2
    options = Options(
        only=tuple(given.only),
        scenarios=tuple(given.scenario or _scenarios(given.weather, given.quick)),
        rounds=given.rounds or (1 if given.quick or given.weather else ROUNDS),
        scale=QUICK if given.quick else 1.0,
        fsync=given.fsync,
        shape=given.shape,
        weathers=tuple(given.weather or WEATHERS),
        workers=tuple(given.processes or ((1,) if given.weather else (1, 2))),
    )
    if given.docs and not options.full:
        print(
            "error: --docs needs everybody\n\nhint: leave out whatever chooses less",
            file=sys.stderr,
        )
        return 2
    taking_part = [
        *(one for one in _chosen(options) if any(_takes_part(one, name) for name in options.scenarios)),
        *_under_weather(options),
    ]
    for environment in sorted({one.environment for one in taking_part if one.environment}):
        environments.ensure(environment)
    results = measure_all(options)
    if given.docs and not options.whole:
        results = Results.read().with_anew(options.scenarios, results)
    if options.whole or given.docs:
        results.write()
    if given.docs:
        _publish(results)
    return _ended(results, check=given.check)


def measure_all(options: Options) -> Results:
    """Goes through scenarios and contenders. What fails is told and passed over."""
    results = Results(about())
    began = time.monotonic()
    for scenario, contender in _plan(options, results):
        at = f"{time.monotonic() - began:5.0f} s  {scenario:10} {contender.name:26}"
        try:
            text = _measure(scenario, contender, options, results)
        except (RuntimeError, nginx.NoServerError) as error:
            results.failures.append(f"{scenario}, {contender.name}: {str(error).splitlines()[0]}")
            text = f"came to nothing: {error}"
        print(f"{at}  {text}", file=sys.stderr, flush=True)
    if WEATHER in options.scenarios:
        weather_plan.measure(
            results,
            _under_weather(options),
            [WEATHERS[name] for name in options.weathers],
            options.workers,
            options.rounds,
        )
    return results


def _measure(scenario: str, contender: Contender, options: Options, results: Results) -> str:
    if scenario == ENQUEUE:
        jobs = int(ENQUEUE_ROWS[contender.family] * options.scale)
        one = stage.enqueue(contender, jobs=jobs, keeping=options.fsync)
        results.enqueued.append(one)
        return f"{one.enqueue_s:9,.0f} rows/s"
    chosen = SCENARIOS[scenario]
    run = stage.run(contender, chosen, jobs=contender.jobs(chosen, options.scale), keeping=options.fsync)
    results.runs.append(run)
    return (
        f"{run.jobs_s:9,.0f} jobs/s {run.jobs_s_95:9,.0f} to 95% {run.cpu_us:6,.0f} µs a job"
        f" {run.peak_bytes / 1e6:6,.0f} MB {run.posts:6} POSTs {run.duplicates} duplicates"
        f", load {run.load:.1f}"
    )


def _plan(options: Options, results: Results) -> Iterator[tuple[str, Contender]]:
    """All once; then those that goals compare in turns, so that a mood of the machine is everybody's."""
    chosen = _chosen(options)
    for scenario in (name for name in options.scenarios if name != WEATHER):
        taking_part = [one for one in chosen if _takes_part(one, scenario)]
        for contender in taking_part:
            yield scenario, contender
        best = results.best_peer(scenario)
        again = [
            one
            for one in taking_part
            if one.name in (OURS.name, OURS_ALONE.name, BARE.name)
            or (best is not None and one.name == best.contender)
        ]
        for _ in range(options.rounds - 1):
            for contender in again:
                yield scenario, contender


def _scenarios(weathers: list[str] | None, quick: bool) -> tuple[str, ...]:
    if weathers:
        return (WEATHER,)
    # A bad day cannot be made shorter than it is.
    return (*SCENARIOS, ENQUEUE) if quick else (*SCENARIOS, ENQUEUE, WEATHER)


def _takes_part(contender: Contender, scenario: str) -> bool:
    if scenario == ENQUEUE and contender.family == "bare":
        return False
    return contender.takes_part(scenario)


def _chosen(options: Options) -> list[Contender]:
    chosen = [one for one in CONTENDERS if not options.only or one.name.startswith(options.only)]
    return [replace(one, none=options.shape) for one in chosen] if options.shape else chosen


def _under_weather(options: Options) -> list[Contender]:
    if WEATHER not in options.scenarios:
        return []
    return [one for one in UNDER_WEATHER if not options.only or one.name.startswith(options.only)]


def _shape(text: str) -> tuple[int, int]:
    processes, in_flight = text.split("x")
    return int(processes), int(in_flight)


def _interrupted(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _publish(results: Results) -> None:
    drawing.draw(results)
    if results.weathered:
        weather_drawing.draw(results)
    report.into_page(results)


def _ended(results: Results, *, check: bool) -> int:
    print(report.text(results))
    return 1 if check and any(one.met is False for one in judge(results)) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer jobs, one round, no weathers")
    parser.add_argument(
        "--only", nargs="+", default=(), metavar="NAME", help="contenders whose name begins so"
    )
    parser.add_argument("--scenario", nargs="+", choices=[*SCENARIOS, ENQUEUE, WEATHER], metavar="NAME")
    parser.add_argument("--rounds", type=int, help=f"of those that goals compare (unless given: {ROUNDS})")
    parser.add_argument("--fsync", choices=["everysec", "always"], default="everysec", help="of our ledger")
    parser.add_argument(
        "--shape", type=_shape, metavar="PxN", help="processes and jobs in flight in each, without latency"
    )
    parser.add_argument(
        "--weather",
        nargs="+",
        choices=[*WEATHERS],
        metavar="NAME",
        help="of the scenario weather, only these",
    )
    parser.add_argument(
        "--processes", nargs="+", type=int, metavar="N", help="workers in a weather (unless given: 1 and 2)"
    )
    parser.add_argument("--docs", action="store_true", help="write the page and its drawing")
    parser.add_argument("--draw", action="store_true", help="write them from the last whole bench")
    parser.add_argument("--check", action="store_true", help="exit code 1 unless every goal is met")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
