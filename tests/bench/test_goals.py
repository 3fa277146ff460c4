"""Goals are judged by what was measured beside them, and the page holds what the terminal showed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import drawing, report
from bench.goals import judge
from bench.results import Results
from bench.stage import Enqueued, Measured


def _run(contender: str, family: str, scenario: str, jobs_s: float, cpu_us: float = 300.0) -> Measured:
    return Measured(
        contender=contender,
        family=family,
        scenario=scenario,
        processes=1,
        in_flight=100,
        jobs=1000,
        seconds=1000 / jobs_s,
        jobs_s=jobs_s,
        jobs_s_95=jobs_s + 10,
        cpu_us=cpu_us,
        redis_us=50.0,
        server_us=20.0,
        peak_bytes=80_000_000,
        posts=1115 if scenario == "faults" else 1000,
        failed=115 if scenario == "faults" else 0,
        duplicates=0,
        enqueue_s=None,
        redis_keeps="nothing",
        load=0.1,
    )


@pytest.fixture
def results() -> Results:
    runs = [
        _run("ours", "ours", "none", 4000.0),
        _run("ours", "ours", "none", 9000.0),
        _run("ours", "ours", "none", 1.0),
        _run("ours, one process", "ours", "none", 2200.0),
        _run("bare: httpx, our transport", "bare", "none", 4300.0),
        _run("dramatiq", "peer", "none", 1900.0, 700.0),
        _run("rq", "peer", "none", 300.0, 100.0),
        _run("ours", "ours", "200ms-100", 450.0, 500.0),
        _run("bare: httpx, our transport", "bare", "200ms-100", 471.0),
        _run("ours", "ours", "faults", 409.0),
        _run("ours, durable <&>", "ours", "faults", 410.0),
    ]
    return Results({"cpu": "2"}, runs, [Enqueued("ours", "ours", 1000, 21_000.0, 10.0, "everysec", 0.1)])


def test_each_goal_is_judged_by_its_own_numbers(results: Results) -> None:
    # The median of the three runs of ours counts, and the best peer is the fastest, not the cheapest.
    assert [(one.met, one.measured.split(" ")[0]) for one in judge(results)] == [
        (True, "2.11×"),
        (False, "2.11×"),
        (True, "0.43×"),
        (True, "51.2%"),
        (False, "95.5%"),
        (None, "not"),
        (False, "419/s"),
        (True, "21,000"),
        (True, "300"),
        (False, "500"),
    ]


def test_nothing_measured_is_neither_met_nor_missed() -> None:
    assert {one.met for one in judge(Results({}))} == {None}


def test_results_come_back_from_their_file(results: Results, tmp_path: Path) -> None:
    results.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == results


def test_the_page_gets_the_tables_between_its_marks_and_keeps_the_rest(
    results: Results, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{report.BEGIN}\nold \\1\n{report.END}\n\nafter\n")
    report.into_page(results, page)
    report.into_page(results, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count(report.text(results)) == 1


def test_a_page_without_marks_is_refused(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    with pytest.raises(ValueError, match="no place"):
        report.into_page(results, page)


def test_the_real_page_has_its_marks() -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    assert text.count(report.BEGIN) == text.count(report.END) == 1


def test_the_drawing_is_xml_with_a_bar_a_contender(results: Results, tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    drawing.draw(results, picture)
    root = ET.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314 - we have just written it
    bars = [one for one in root.iter("{http://www.w3.org/2000/svg}rect") if one.get("height") == "18"]
    contenders = {(run.scenario, run.contender) for run in results.runs}
    assert len(bars) == len(contenders)


def test_a_scenario_measured_anew_leaves_the_others_as_they_were(results: Results) -> None:
    anew = Results(
        {"when": "later", "commit": "abc"},
        [_run("ours", "ours", "faults", 431.0)],
        [Enqueued("ours", "ours", 1000, 25_000.0, 10.0, "everysec", 0.1)],
    )
    both = results.with_anew(["faults", "enqueue"], anew)
    assert [run.jobs_s for run in both.of("faults")] == [431.0]
    assert both.of("none") == results.of("none")
    assert [one.enqueue_s for one in both.handed_over()] == [25_000.0]
    assert both.about == {"cpu": "2", "enqueue anew": "later, commit abc", "faults anew": "later, commit abc"}
