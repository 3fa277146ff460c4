"""What is measured of the console is measured on the ledger that is told of, kept and judged as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.console import browsing, page, plan
from bench.console.__main__ import main
from bench.console.goals import judge
from bench.console.results import Change, PageTime, Results, Spread, View, Watched
from bench.server import nginx

QUICK, SLOW = Spread(12.0, 30.0, 41.0), Spread(12.0, 160.0, 170.0)

RESULTS = Results(
    about={"cpu": "2"},
    ledger={"jobs": 1_000_000},
    pages=[
        PageTime("dead letters", QUICK, replace(QUICK, p95=120.0), 6.1, 0.4, 2_100, 15),
        PageTime("risk of the large batch, in its page", QUICK, SLOW, 6.1, 0.4, 2_100, 15),
    ],
    views=[View("dead letters", 210.0, 1_400.0, 0.0, 48.0, 8_100, 2_300, [])],
    changes=[Change("a job has ended", Spread(700.0, 1_400.0, 1_600.0))],
    calls={1: 40.0, 50: 44.0},
    watched=[Watched(0.2, 50, [500.0, 400.0], [490.0, 380.0])],
)

NO_BROWSER = browsing.unavailable_reason() or nginx.unavailable_reason()


def _met(results: Results) -> dict[str, bool | None]:
    return {one.goal: one.met for one in judge(results)}


def test_the_ledger_has_as_many_jobs_dead_and_in_doubt_as_it_is_said_to_have() -> None:
    batches = plan.batches(1_000_000, now=2e9)
    assert (len(batches), sum(batch.jobs for batch in batches)) == (200, 1_000_000)
    assert batches[-1].jobs == 500_000
    assert sum(batch.dead for batch in batches) == 100_000
    assert sum(batch.in_doubt for batch in batches) == 1_000
    assert all(batch.dead + batch.in_doubt < batch.jobs for batch in batches)
    assert plan.end_of(1_000_000, batches[-1].opened_at) == 2e9


def test_a_ledger_needs_jobs_for_all_its_batches() -> None:
    with pytest.raises(ValueError, match="at least 400 jobs"):
        plan.batches(399, now=2e9)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    RESULTS.write(tmp_path / "console.json")
    assert Results.read(tmp_path / "console.json") == RESULTS


def test_one_page_that_is_too_slow_fails_the_goal_of_all() -> None:
    met = _met(RESULTS)
    assert met["server time of every page, 95th percentile, idle"]
    assert met["server time of every page, 95th percentile, a worker at full pace"] is False
    assert [goal for goal, yes in met.items() if yes is False] == [
        "server time of every page, 95th percentile, a worker at full pace",
        "a worker's pace with 50 watchers, answers after 200 ms",
    ]


def test_a_goal_whose_measure_is_missing_is_neither_met_nor_missed() -> None:
    assert set(_met(Results({}, {})).values()) == {None}


def test_the_page_names_pages_that_are_too_slow_and_the_share_that_a_worker_keeps() -> None:
    text = page.text(RESULTS)
    assert "| dead letters | 12 / 30 / 41 | 12 / 120 / 41 |" in text
    assert "| **risk of the large batch, in its page** | 12 / 30 / 41 | 12 / 160 / 170 |" in text
    assert "| answers after 200 ms | 450 | 435 | 96.7% | 98%, 95% |" in text


@pytest.mark.slow
@pytest.mark.timeout(300)  # it starts a dozen processes: 40 to 75 s on a busy machine of two cores
@pytest.mark.skipif(NO_BROWSER is not None, reason=str(NO_BROWSER))
def test_the_script_measures_pages_changes_and_watchers_on_a_small_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    less = ["--requests", "2", "--visits", "1", "--changes", "2", "--rounds", "1", "--seconds", "0.5"]
    few = ["--watchers", "2", "--queue", "3000", "--only", "batches", "dead letters of the large batch"]
    assert main(["2000", *less, *few, "--ledger", str(ledger), "--json", str(tmp_path / "found.json")]) == 0
    found = Results.read(tmp_path / "found.json")
    assert found.ledger == {
        "jobs": 2_000,
        "batches": 200,
        "in the large batch": 1_000,
        "dead": 200,
        "dead in the large batch": 180,
        "in doubt": 2,
    }
    names = ["batches", "dead letters of the large batch"]
    assert [each.name for each in found.pages] == [each.name for each in found.views] == names
    assert all(0 < each.idle.p50 <= each.idle.p95 and each.compressed_bytes > 500 for each in found.pages)
    assert all(each.problems == [] and each.later_bytes < each.first_bytes for each in found.views)
    assert all(each.shown.p50 > 0 for each in found.changes)
    assert set(found.calls) == {1, 2}
    assert [each.latency for each in found.watched] == [0.0, 0.2]
    assert json.loads((ledger / "ledger.json").read_text())[1] == 2_000  # for the next run
