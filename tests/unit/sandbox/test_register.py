from __future__ import annotations

from sandbox.contract import Order
from sandbox.draws import digest
from sandbox.register import Register

ORDER = Order("1", {})


def test_a_body_is_counted_each_time_it_comes() -> None:
    register = Register(seed=1)
    assert [register.see(digest(b"a")), register.see(digest(b"b")), register.see(digest(b"a"))] == [1, 1, 2]
    assert register.widgets == 0


def test_only_bodies_with_more_than_one_widget_were_created_twice() -> None:
    register = Register(seed=1)
    for body in (b"a", b"b", b"b", b"b"):
        register.see(digest(body))
        register.create(ORDER, digest(body), now=0)
    register.see(digest(b"a"))
    assert register.widgets == 4
    assert list(register.created_twice()) == [digest(b"b")]
    assert (register.made(digest(b"a")), register.made(digest(b"b")), register.made(digest(b"c"))) == (
        1,
        3,
        0,
    )


def test_the_listing_shows_the_very_ids_and_keys_that_were_answered() -> None:
    register = Register(seed=1)
    made = [register.create(ORDER, digest(b"%d" % n), now=0) for n in range(5)]
    assert [(row["widget"], row["key"]) for row in register.rows()] == [(w.id, w.key) for w in made]
    assert [row["widget"] for row in register.rows(offset=1, limit=2)] == [w.id for w in made[1:3]]
    assert len({w.key for w in made}) == 5


def test_a_bot_is_made_only_for_an_order_that_names_none() -> None:
    register = Register(seed=1)
    named = register.create(ORDER, digest(b"a"), now=0)
    unnamed = register.create(Order(None, {}), digest(b"b"), now=0)
    assert (named.bot_id, register.bots) == ("1", 1)
    assert unnamed.bot_id not in ("", "1")


def test_dates_are_iso_8601_with_milliseconds_and_z() -> None:
    widget = Register(seed=1).create(ORDER, digest(b"a"), now=1768473000.0)
    assert widget.created_at == "2026-01-15T10:30:00.000Z"
