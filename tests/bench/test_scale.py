"""What a run at scale gave is kept, chosen and shown as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.environments import script_of
from bench.scale import page
from bench.scale.results import Command, Results, Run, Sample, Shape, thinned
from bench.scale.watching import command

TOOK = Command(seconds=2.0, cpu_s=1.5, peak_bytes=73_000_000)

RUN = Run(
    rows=1_000,
    workers=2,
    latency=0.0,
    in_flight=100,
    when="2026-11-23 06:50",
    commit="3e53ec6",
    load=0.4,
    csv_bytes=300_000,
    start=TOOK,
    apply=TOOK,
    apply_us=50.0,
    accept_us=20.0,
    settle_s=0.5,
    worker_us=300.0,
    redis_us=70.0,
    rewrite_us=10.0,
    server_us=20.0,
    posts=1_000,
    created=1_000,
    duplicates=0,
    rings=3,
    queued_bytes=217.0,
    created_bytes=365.0,
    redis_peak_bytes=8_300_000,
    files_peak_bytes=2_200_000,
    fork_ms=None,
    copied_bytes=0,
    rewrites=0,
    held_up_ms={"command": 7, "fast-command": 12},
    ledger_ms=[0.9, 1.8, 4.2],
    status=[0.7, 0.9, 0.8],
    after=TOOK,
    worker_bytes=[81_000_000, 82_000_000, 82_000_000],
    worker_peak_bytes=83_000_000,
    export=TOOK,
    export_bytes=500_000,
    samples=[Sample(0.0, "apply", 0, 1, 2, 0.0, {"redis": 3}, {"redis": 4})],
)


def _costing(us: float) -> Run:
    return replace(RUN, worker_us=RUN.worker_us + us - RUN.cost_us)


def test_of_several_rounds_the_one_of_median_cost_counts() -> None:
    results = Results({}, [_costing(500.0), _costing(900.0), _costing(400.0)])
    assert results.one(Shape(1_000, 2)).cost_us == pytest.approx(500.0)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    results = Results({"when": "now"}, [RUN, replace(RUN, rows=20_000)])
    results.write(tmp_path / "scale.json")
    assert Results.read(tmp_path / "scale.json") == results


def test_a_shape_measured_anew_replaces_its_runs_and_no_others() -> None:
    kept = replace(RUN, rows=20_000)
    old, fresh = Results({}, [RUN, kept, RUN]), Results({"cpu": "2"}, [_costing(300.0)])
    assert old.renewed(fresh) == Results({"cpu": "2"}, [kept, _costing(300.0)])


def test_of_many_samples_first_and_last_are_kept() -> None:
    samples = [replace(RUN.samples[0], at=float(n)) for n in range(1_001)]
    kept = [sample.at for sample in thinned(samples, most=11)]
    assert kept == [100.0 * n for n in range(11)]


def test_the_page_tells_costs_beside_the_cheapest_and_the_longest_pauses() -> None:
    text = page.text(Results({"cpu": "2"}, [_costing(400.0), replace(_costing(460.0), rows=20_000)]))
    assert "| beside the cheapest | +0% | +15% |" in text
    assert "| longest pauses from 5 ms on | 12 ms fast-command, 7 ms command |" in text
    assert "Workers on one batch" not in text


def test_workers_are_compared_on_the_same_rows() -> None:
    runs = [replace(RUN, workers=workers, settle_s=1 / workers) for workers in (4, 1, 2)]
    lines = page.text(Results({"cpu": "2"}, runs)).partition("### Workers on one batch")[2].splitlines()
    shown = [line.split(" | ")[2:4] for line in lines if line.startswith("| 0 ms")]
    assert shown == [["1", "1,000"], ["2", "2,000"], ["4", "4,000"]]


def test_a_command_is_measured_from_its_start_to_its_end(tmp_path: Path) -> None:
    words = [
        script_of("", "python"),
        "-c",
        "held = bytearray(60_000_000); sum(range(3_000_000)); print('done')",
    ]
    took, said = command(words, {"TMPDIR": str(tmp_path)}, timeout=30)
    assert said == "done\n"
    assert 60_000_000 < took.peak_bytes < 100_000_000
    assert 0.02 < took.cpu_s <= took.seconds + 0.1


@pytest.mark.parametrize(
    ("code", "timeout", "words"),
    [("raise SystemExit(3)", 30.0, "ended with 3"), ("import time; time.sleep(60)", 0.3, "took more than")],
)
def test_a_command_that_fails_or_hangs_is_told(tmp_path: Path, code: str, timeout: float, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        command([script_of("", "python"), "-c", code], {"TMPDIR": str(tmp_path)}, timeout=timeout)
