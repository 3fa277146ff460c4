"""The page on the lifecycle and the table agree, arrow by arrow."""

from __future__ import annotations

from itertools import product

from provisioning.lifecycle import TRANSITIONS, Event, State
from tests.support.lifecycle_diagram import PAGE, diagram


def _rows() -> list[tuple[State, Event, State]]:
    arrows = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[0] not in ("from", "---"):
            starts, events, end, why = cells
            assert why
            arrows += [
                (State(start), Event(event), State(end))
                for start, event in product(starts.split(", "), events.split(", "))
            ]
    return arrows


def test_the_page_explains_every_arrow_once_and_no_other() -> None:
    explained = _rows()
    assert len(explained) == len(set(explained))
    assert set(explained) == {(start, event, end) for (start, event), end in TRANSITIONS.items()}


def test_the_page_says_what_each_state_means() -> None:
    text = PAGE.read_text()
    assert [state for state in State if f"- **{state.replace('_', ' ')}**: " not in text] == []


def test_the_diagram_is_the_one_that_the_table_draws() -> None:
    assert diagram() in PAGE.read_text(), "draw it anew: python -m tests.support.lifecycle_diagram"
