"""The goals, each with what was measured beside it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from bench.contenders import BARE, OURS, OURS_ALONE
from bench.judged import Judged
from bench.results import Results
from bench.weather.goals import in_all_weathers

TIMES_BEST_PEER: Final = 2.0
AIM_TIMES_BEST_PEER: Final = 3.0
CPU_OF_BEST_PEER: Final = 0.5
OF_BARE_WITHOUT_LATENCY: Final = 0.5
OF_BARE_AT_100: Final = 0.97
OF_BARE_AT_500: Final = 0.95
JOBS_S_UNDER_FAULTS: Final = 420.0
ROWS_S: Final = 20_000.0
CPU_US: Final = 450.0


def judge(results: Results) -> list[Judged]:
    """Every goal in the order in which they were set."""
    return [
        *_without_latency(results),
        *_with_latency(results),
        *_all_along(results),
        *in_all_weathers(results),
    ]


def _without_latency(results: Results) -> Iterator[Judged]:
    ours, alone = results.one("none", OURS.name), results.one("none", OURS_ALONE.name)
    peer, bare = results.best_peer("none"), results.one("none", BARE.name)
    times = ours.jobs_s / peer.jobs_s if ours and peer else None
    beside = f"{ours.jobs_s:,.0f}/s beside {peer.jobs_s:,.0f} of {peer.contender}" if ours and peer else ""
    name = "no latency: jobs/s beside the best peer"
    yield _judged(name, f"≥ {TIMES_BEST_PEER:g}×", times, _times, beside, lambda x: x >= TIMES_BEST_PEER)
    yield _judged(f"{name}, the aim", f"≥ {AIM_TIMES_BEST_PEER:g}×", times, _times, beside, _aim)
    share = ours.cpu_us / peer.cpu_us if ours and peer else None
    beside = f"{ours.cpu_us:,.0f} µs beside {peer.cpu_us:,.0f} of {peer.contender}" if ours and peer else ""
    yield _judged(
        "no latency: CPU a job beside the best peer's",
        f"≤ {CPU_OF_BEST_PEER:g}×",
        share,
        _times,
        beside,
        lambda x: x <= CPU_OF_BEST_PEER,
    )
    share = alone.jobs_s / bare.jobs_s if alone and bare else None
    beside = f"{alone.jobs_s:,.0f}/s beside {bare.jobs_s:,.0f}" if alone and bare else ""
    yield _judged(
        "no latency, one process: jobs/s beside the bare loop over our transport",
        f"≥ {OF_BARE_WITHOUT_LATENCY:.0%}",
        share,
        _percent,
        beside,
        lambda x: x >= OF_BARE_WITHOUT_LATENCY,
    )


def _with_latency(results: Results) -> Iterator[Judged]:
    for scenario, in_flight, least in (
        ("200ms-100", 100, OF_BARE_AT_100),
        ("200ms-500", 500, OF_BARE_AT_500),
    ):
        ours, bare = results.one(scenario, OURS.name), results.one(scenario, BARE.name)
        share = ours.jobs_s / bare.jobs_s if ours and bare else None
        beside = f"{ours.jobs_s:,.0f}/s beside {bare.jobs_s:,.0f}" if ours and bare else ""
        yield _judged(
            f"200 ms, {in_flight} in flight: jobs/s beside the bare loop over our transport",
            f"≥ {least:.0%}",
            share,
            _percent,
            beside,
            lambda x, least=least: x >= least,  # type: ignore[misc]
        )
    ours, peer, bare = (
        results.one("faults", OURS.name),
        results.best_peer("faults"),
        results.one("faults", BARE.name),
    )
    others = [f"{run.contender} {run.jobs_s_95:,.0f}" for run in (peer, bare) if run]
    yield _judged(
        "200 ms and 10% 500s: jobs/s to the 95th percent",
        f"≥ {JOBS_S_UNDER_FAULTS:,.0f}/s",
        ours.jobs_s_95 if ours else None,
        lambda x: f"{x:,.0f}/s",
        "; ".join(others),
        lambda x: x >= JOBS_S_UNDER_FAULTS,
    )


def _all_along(results: Results) -> Iterator[Judged]:
    handed_over = results.handed_over()
    ours = next((one for one in handed_over if one.contender == OURS.name), None)
    peer = next((one for one in handed_over if one.family == "peer"), None)
    yield _judged(
        "from CSV to a durable ledger",
        f"≥ {ROWS_S:,.0f} rows/s",
        ours.enqueue_s if ours else None,
        lambda x: f"{x:,.0f} rows/s",
        f"{peer.contender} {peer.enqueue_s:,.0f}, ready-made, nothing kept" if peer else "",
        lambda x: x >= ROWS_S,
    )
    for scenario, words in (("none", "no latency"), ("200ms-100", "200 ms, 100 in flight")):
        run, bare = results.one(scenario, OURS.name), results.one(scenario, BARE.name)
        yield _judged(
            f"CPU a job, everything on that is on by default: {words}",
            f"≤ {CPU_US:,.0f} µs",
            run.cpu_us if run else None,
            lambda x: f"{x:,.0f} µs",
            f"{bare.cpu_us:,.0f} of the bare loop" if bare else "",
            lambda x: x <= CPU_US,
        )


def _judged(
    goal: str,
    wanted: str,
    value: float | None,
    show: Callable[[float], str],
    beside: str,
    met: Callable[[float], bool],
) -> Judged:
    if value is None:
        return Judged(goal, wanted, "not measured", None)
    return Judged(goal, wanted, show(value) + (f" ({beside})" if beside else ""), met(value))


def _aim(times: float) -> bool:
    return times >= AIM_TIMES_BEST_PEER


def _times(value: float) -> str:
    return f"{value:.2f}×"


def _percent(value: float) -> str:
    return f"{value:.1%}"
