"""In each weather this program is judged beside the plain loop; the page shows what became of the rows."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.contenders import OURS, UNDER_WEATHER
from bench.judged import Judged
from bench.results import Results
from bench.weather import drawing, page, plan
from bench.weather.goals import in_all_weathers
from bench.weather.run import Weathered
from bench.weather.table import WEATHERS

LOOP = Weathered(
    contender="plain loop",
    family="plain",
    weather="clear",
    processes=1,
    in_flight=100,
    rows=1_500,
    seconds=10.0,
    posting_s=10.0,
    created=1_500,
    dead=0,
    in_doubt=0,
    unsettled=0,
    posts=1_500,
    duplicates=0,
    which=1,
    load=0.1,
)


def _ours(**changed: Any) -> Weathered:
    return replace(LOOP, contender="ours", family="ours", **changed)


def _judge(loop: Weathered, ours: Weathered) -> Judged:
    (judged,) = (
        one for one in in_all_weathers(Results({}, weathered=[loop, ours])) if one.goal.endswith("one worker")
    )
    return judged


@pytest.mark.parametrize(
    ("changed", "met"),
    [
        ({"seconds": 12.5}, True),
        ({"seconds": 12.6}, False),
        ({"created": 1_499, "dead": 1, "which": 2}, False),
        ({"which": 2}, False),
        ({"created": 1_499, "in_doubt": 1}, False),
        ({"created": 1_499, "unsettled": 1}, False),
        ({"duplicates": 1}, False),
    ],
)
def test_the_last_row_is_in_time_and_every_row_comes_to_the_loops_end(
    changed: dict[str, Any], met: bool
) -> None:
    judged = _judge(LOOP, _ours(**changed))
    assert judged.met is met
    assert ("**" in judged.measured) is not met


def test_rows_that_the_loop_gives_up_too_may_be_dead() -> None:
    given_up: dict[str, Any] = {"weather": "3-percent-always-500", "created": 1_451, "dead": 49, "which": 7}
    assert _judge(replace(LOOP, **given_up), _ours(**given_up)).met
    kept_trying = given_up | {"dead": 48, "unsettled": 1}
    assert not _judge(replace(LOOP, **given_up), _ours(**kept_trying)).met


@pytest.mark.parametrize(
    ("changed", "met"),
    [
        ({}, True),
        ({"posting_s": 17.1}, False),
        ({"posts": 1_801}, False),
        ({"dead": 1, "created": 1_499}, False),
        ({"seconds": 24.1}, False),
    ],
)
def test_after_an_outage_no_row_is_dead_or_late_and_few_posts_were_in_vain(
    changed: dict[str, Any], met: bool
) -> None:
    loop = replace(LOOP, weather="outage", seconds=20.0, created=1_440, dead=60, which=9, posts=2_195)
    ours = _ours(weather="outage", seconds=17.5, posting_s=17.0, posts=1_800)
    assert _judge(loop, replace(ours, **changed)).met is met


@pytest.mark.parametrize(
    ("weather", "posting_s", "posts", "met"),
    [
        # 600 rows; one weather has 50 saved up beside its 50/s, the other has none.
        ("quota-bucket", 11.6, 630, True),
        ("quota-bucket", 11.7, 630, False),
        ("quota-bucket", 11.6, 631, False),
        ("quota-window", 12.6, 630, True),
        ("quota-window", 12.7, 630, False),
    ],
)
def test_a_quota_is_used_up_and_not_run_against(
    weather: str, posting_s: float, posts: int, met: bool
) -> None:
    loop = replace(LOOP, weather=weather, seconds=10.4, rows=600, created=552, dead=48, posts=1_287)
    ours = _ours(weather=weather, seconds=12.0, posting_s=posting_s, rows=600, created=600, posts=posts)
    assert _judge(loop, ours).met is met


def test_the_median_of_several_rounds_counts_and_two_workers_have_a_goal_of_their_own() -> None:
    rounds = [_ours(seconds=seconds) for seconds in (90.0, 10.0, 11.0)]
    two = [_ours(seconds=30.0, processes=2)]
    judged = list(in_all_weathers(Results({}, weathered=[LOOP, *rounds, *two])))
    assert [one.met for one in judged] == [True, False]
    assert [one.measured.partition(" beside")[0] for one in judged] == ["11.0 s", "**30.0 s"]


def test_without_a_loop_beside_it_there_is_nothing_to_judge() -> None:
    for alone, goals in ((_ours(), 1), (LOOP, 2)):
        judged = list(in_all_weathers(Results({}, weathered=[alone])))
        assert [one.met for one in judged] == [None] * goals
    assert list(in_all_weathers(Results({}))) == []


def test_the_loop_comes_first_in_each_weather_and_peers_once() -> None:
    tried = [
        (weather.name, contender.name, processes)
        for weather, contender, processes in plan.order(
            UNDER_WEATHER, [WEATHERS["clear"], WEATHERS["outage"]], (1, 2), rounds=2
        )
    ]
    once = [("plain loop", 1), ("ours", 1), ("ours", 2), ("celery threads", 1), ("dramatiq", 1)]
    again = once[:3]
    assert tried == [
        (weather, *who) for turn in (once, again) for weather in ("clear", "outage") for who in turn
    ]


def test_a_run_is_bounded_by_three_times_the_loop_and_fifteen_seconds() -> None:
    assert plan.bound(Results({}, weathered=[LOOP]), WEATHERS["clear"]) == 45.0


@pytest.fixture
def results() -> Results:
    return Results(
        {"cpu": "2"},
        weathered=[
            replace(LOOP, weather="outage", seconds=19.4, dead=61, posts=2_195),
            _ours(weather="outage", seconds=15.0, in_doubt=1, posts=1_600),
            _ours(weather="outage", seconds=14.0, processes=2),
            replace(LOOP, weather="outage", contender="dramatiq", family="peer", seconds=21.0),
            LOOP,
            _ours(seconds=45.0, unsettled=60, created=1_440),
        ],
    )


def test_the_table_says_what_became_of_the_rows(results: Results) -> None:
    lines = page.text(results).splitlines()
    assert "|  | plain loop | ours | ours, 2 workers | dramatiq |" in lines
    assert "| clear | 10.0 s | not done in 45 s: 60 left | – | – |" in lines
    outage = next(line for line in lines if "from second 2 to 12" in line)
    assert outage.split(" | ")[1:] == [
        "19.4 s, 61 dead, 2,195 POSTs",
        "15.0 s, 1 in doubt, 1,600 POSTs",
        "14.0 s, 1,500 POSTs",
        "21.0 s, 1,500 POSTs |",
    ]


def test_the_drawing_has_a_mark_for_each_run_and_a_cross_where_rows_are_left(
    results: Results, tmp_path: Path
) -> None:
    picture = tmp_path / "picture.svg"
    drawing.draw(results, picture)
    root = ET.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314 - we have just written it
    svg = "{http://www.w3.org/2000/svg}"
    legend = 4
    assert len(list(root.iter(f"{svg}circle"))) == legend + 5
    crosses = [path for path in root.iter(f"{svg}path") if path.get("stroke-width") == "2"]
    assert len(crosses) == 1


def test_weathers_come_back_from_their_file_and_can_be_measured_anew(
    results: Results, tmp_path: Path
) -> None:
    results.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == results
    anew = Results({"when": "later", "commit": "abc"}, weathered=[_ours()])
    assert results.with_anew(["weather"], anew).weathered == [_ours()]
    assert results.with_anew(["faults"], Results(anew.about)).weathered == results.weathered


def test_the_page_shows_the_weathers_drawing_only_where_they_were_measured(
    results: Results, tmp_path: Path
) -> None:
    file = tmp_path / "page.md"
    for measured, shown in ((results, True), (Results({}), False)):
        file.write_text(f"{report.BEGIN}\n{report.END}\n")
        report.into_page(measured, file)
        assert (drawing.PICTURE.name in file.read_text()) is shown


def test_two_workers_share_what_may_be_in_flight() -> None:
    assert [len(OURS.commands(processes, 100 // processes)) for processes in (1, 2)] == [1, 2]
