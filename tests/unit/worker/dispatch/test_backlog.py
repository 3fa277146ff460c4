"""Which batches have jobs left for a worker, whose turn it is, and how they share the room."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from worker.dispatch.feed import Backlog
from worker.dispatch.periodic import TICK

NOW = 1000.0


def queues(**rooms: int) -> Any:
    """Queues by credential, with so much room each."""
    return {name: SimpleNamespace(room=room, urgent_room=room + 1) for name, room in rooms.items()}


def backlog(**credentials: str) -> Backlog:
    """A backlog of these batches in turn, each with the credentials that were seen in it."""
    made = Backlog()
    for batch, seen in credentials.items():
        made.add(batch)
        made.of(batch).credentials.update(seen.split())
    return made


def test_a_batch_that_had_its_turn_is_the_last_to_have_another() -> None:
    made = backlog(a="", b="", c="")
    made.move_back("a")
    assert list(made) == ["b", "c", "a"]
    made.add("b")  # it still has jobs left: it keeps its place
    assert list(made) == ["b", "c", "a"]


def test_a_batch_joins_at_the_back_however_long_it_has_been_known() -> None:
    made = Backlog()
    made.of("old")
    made.add("new")
    made.add("old")
    assert list(made) == ["new", "old"]


def test_batches_that_want_the_same_queue_share_its_room() -> None:
    made = backlog(a="x", b="x", c="y")
    assert made.rooms("a", queues(x=10, y=10)) == {"x": (5, 11), "y": (5, 11)}
    made.remove("b")
    assert made.rooms("a", queues(x=10, y=10)) == {"x": (10, 11), "y": (5, 11)}


def test_a_batch_of_which_nothing_was_seen_may_want_any_queue() -> None:
    made = backlog(a="x", b="")
    assert made.rooms("a", queues(x=10)) == {"x": (5, 11)}


def test_sharing_leaves_everybody_a_place_in_a_queue_that_moves() -> None:
    made = backlog(**{f"b{n}": "x" for n in range(50)})
    assert made.rooms("b0", queues(x=3))["x"] == (1, 4)
    assert made.rooms("b0", queues(x=0))["x"] == (0, 1)


@pytest.mark.parametrize(
    ("seen", "x", "y", "has_room"),
    [("x", 1, 0, True), ("x", 0, 1, False), ("x y", 0, 1, True), ("", 0, 1, True), ("", 0, 0, False)],
)
def test_a_batch_has_room_where_a_queue_of_its_own_has(seen: str, x: int, y: int, has_room: bool) -> None:
    assert backlog(a=seen).has_room("a", queues(x=x, y=y)) is has_room


def test_a_credential_without_a_queue_has_no_room_and_gets_no_queue_by_the_question() -> None:
    there = queues()
    assert not backlog(a="x").has_room("a", there)
    assert there == {}


def test_what_is_not_active_any_more_is_forgotten() -> None:
    made = backlog(over="x", going="x")
    made.keep_only({"going"}, NOW)
    assert list(made) == ["going"]
    assert set(made._batches) == {"going"}


def test_a_batch_that_was_forgotten_in_the_middle_of_a_round_may_still_be_asked_about() -> None:
    made = backlog(first="x", over="x")
    for batch in made:
        made.keep_only({"first"}, NOW)
        assert made.has_room(batch, queues(x=1))
        made.move_back(batch)
        assert made.rooms("first", queues(x=2))


def test_a_batch_is_remembered_for_as_long_as_something_is_under_way() -> None:
    made = Backlog()
    made.of("draining").draining = True
    made.of("timed").timer = cast(Any, object())
    made.of("notified").notified_at = NOW
    made.of("nothing")
    made.keep_only({"draining", "timed", "notified", "nothing"}, NOW + TICK / 2)
    assert set(made._batches) == {"draining", "timed", "notified"}
    assert made.draining
    made.of("draining").draining = False
    made.of("timed").timer = None
    made.keep_only(set(), NOW + TICK)
    assert made._batches == {}
    assert not made.draining
