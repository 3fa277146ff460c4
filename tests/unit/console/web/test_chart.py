"""The history of a batch as bars."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.web.chart import HEIGHT, MOST, SHOWN, bars
from provisioning.ledger.records import Span
from provisioning.lifecycle import State

COUNTS = st.dictionaries(st.sampled_from([*SHOWN, State.CANCELLED]), st.integers(0, 10**6))


@given(st.lists(COUNTS, max_size=200))
def test_bars_are_few_and_have_every_job_that_ended(counts: list[dict[State, int]]) -> None:
    spans = [Span(60.0 * n, 60, 1, ended) for n, ended in enumerate(counts)]
    drawn = bars(spans)
    assert len(drawn) <= MOST
    for state in SHOWN:
        shown = sum(piece.count for bar in drawn for piece in bar.pieces if piece.state is state)
        assert shown == sum(ended.get(state, 0) for ended in counts)
    for bar in drawn:
        assert bar.pieces
        assert all(piece.top >= -0.02 and piece.top + piece.height <= HEIGHT + 0.02 for piece in bar.pieces)
