"""A history and an audit as people read them, on a terminal of 80 columns."""

from __future__ import annotations

from console.cli.display.history_report import LINES, minutes_a_line, show_audit, show_history
from outcomes.words import clock
from provisioning.ledger import Act, Span
from provisioning.lifecycle import State
from tests.unit.console.cli.display.test_reports import terminal


def test_a_history_tells_outcomes_and_throughput_a_line_a_stretch() -> None:
    out, text = terminal()
    show_history(out, [Span(0.0, 60, 1300, {State.SUCCEEDED: 1200, State.DEAD: 6})])
    assert "1,300    1,200     6" in text.getvalue()
    assert "20.1" in text.getvalue()


def test_a_long_history_is_shown_in_longer_stretches() -> None:
    spans = [Span(60.0 * minute, 60, 1, {}) for minute in range(LINES * 5)]
    assert (minutes_a_line(spans[:LINES]), minutes_a_line(spans)) == (1, 5)
    years = [Span(86_400.0 * day, 60, 1, {}) for day in range(1000)]
    assert minutes_a_line(years) == 24 * 60


def test_an_act_is_told_with_who_why_and_what_came_of_it() -> None:
    out, text = terminal(140)
    show_audit(out, [Act("redrive", 0.0, "ana", "batch:b1", "none is there", {"queued": 3})])
    assert "redrive ana batch:b1 none is there queued 3" in " ".join(text.getvalue().split())


def test_nothing_is_said_to_be_nothing() -> None:
    out, text = terminal()
    show_history(out, [])
    show_audit(out, [])
    assert text.getvalue() == "nothing has happened yet\nnothing recorded yet\n"


def test_times_among_the_facts_of_an_act_are_shown_as_times() -> None:
    out, text = terminal(200)
    show_audit(out, [Act("redrive", 0.0, "ana", "batch:b1", "", {"since": 1_764_000_000.5, "queued": 3})])
    assert f"since {clock(1_764_000_000.5)}, queued 3" in text.getvalue()
