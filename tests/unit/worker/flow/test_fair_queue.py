"""Batches take turns."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.fair_queue import FairQueue


def taken(turns: FairQueue[str]) -> list[str]:
    return [turns.take() for _ in range(len(turns))]


def test_ten_behind_a_thousand_wait_for_ten() -> None:
    turns: FairQueue[str] = FairQueue()
    for n in range(1000):
        turns.add("large", f"l{n}")
    for n in range(10):
        turns.add("small", f"s{n}")
    first = [turns.take() for _ in range(20)]
    assert sum(item.startswith("s") for item in first) == 10


def test_what_is_urgent_goes_first() -> None:
    turns: FairQueue[str] = FairQueue()
    turns.add("batch", "a")
    turns.add("api", "b", urgent=True)
    assert taken(turns) == ["b", "a"]


def test_first_shows_what_take_will_bring() -> None:
    turns: FairQueue[str] = FairQueue()
    turns.add("x", "a")
    turns.add("y", "b")
    while turns:
        assert turns.first() == turns.take()


def test_an_empty_queue_has_no_first() -> None:
    with pytest.raises(IndexError):
        FairQueue().first()
    with pytest.raises(IndexError):
        FairQueue().take()


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans())))
def test_nothing_is_lost_and_each_group_keeps_its_order(adds: list[tuple[int, bool]]) -> None:
    turns: FairQueue[tuple[int, bool, int]] = FairQueue()
    for n, (group, urgent) in enumerate(adds):
        turns.add(f"{group}{urgent}", (group, urgent, n), urgent=urgent)
    out = [turns.take() for _ in range(len(turns))]
    assert sorted(out) == sorted((group, urgent, n) for n, (group, urgent) in enumerate(adds))
    for key in {item[:2] for item in out}:
        numbers = [n for group, urgent, n in out if (group, urgent) == key]
        assert all(a < b for a, b in pairwise(numbers))
    assert [urgent for _, urgent, _ in out] == sorted((urgent for _, urgent in adds), reverse=True)
