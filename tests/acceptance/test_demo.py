"""`provision demo`, which `script/demo` runs."""

from __future__ import annotations

import signal

from tests.support.commands import PROVISION, Desk, until
from tests.support.repository import ROOT


def test_it_ends_with_a_summary_exit_0_and_nothing_left_running(desk: Desk) -> None:
    ran = desk.run("demo", "--rate", "unlimited")
    assert ran.code == 0, ran.err
    for word in ("created", "dead", "bot_not_found", "in doubt", "attempts", "widgets exist", "jobs/s"):
        assert word in ran.out
    assert "outcome files in demo.outcomes/" in ran.out
    assert (desk.folder / "demo.outcomes" / "manifest.json").exists()
    assert "provision apply" in ran.err
    assert (ROOT / "examples" / "tenants.csv").exists()
    assert desk.processes() == []


def test_interrupted_it_leaves_nothing_running_either(desk: Desk) -> None:
    demo = desk.start_program([PROVISION, "demo", "--rate", "20/s"])
    errors = desk.folder / "process-0.err"
    until(lambda: "created" in errors.read_text(), "it is in the middle")
    stopped = demo.end(signal.SIGINT)
    assert stopped.code == 130
    assert "Traceback" not in stopped.err
    assert desk.processes() == []
