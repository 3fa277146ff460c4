"""Texts for people: English where they are stored or sent, with all that is needed to translate them."""

from __future__ import annotations

import doctest
import pickle

import pytest

from provisioning import text
from provisioning.errors import InvalidJobError
from provisioning.text import Text, joined, plural


class Unprintable:
    def __str__(self) -> str:
        raise AssertionError("rendered")


def test_a_text_is_made_only_when_it_is_shown() -> None:
    problem = InvalidJobError(
        Text("bad: {value}", value=Unprintable()), row=2, hint=Text("{x}", x=Unprintable())
    )
    assert problem.row == 2
    with pytest.raises(AssertionError, match="rendered"):
        str(problem.message)


def test_an_error_is_english_for_programs_and_keeps_its_text_for_people() -> None:
    text = Text("there is no file {where}", where="a.csv")
    error = InvalidJobError(text, hint="check the name")
    assert (str(error), error.message, error.hint) == ("there is no file a.csv",) * 2 + ("check the name",)
    assert error.text is text
    assert pickle.loads(pickle.dumps(text)).params == {"where": "a.csv"}  # noqa: S301 - our own


@pytest.mark.parametrize(("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_a_plural_follows_its_count(count: int, said: str) -> None:
    assert str(plural("{count} row", "{count} rows", count)) == said


def test_a_text_without_variable_parts_may_hold_braces() -> None:
    assert str(Text('write {"a": 1}')) == 'write {"a": 1}'


def test_foreign_text_is_never_a_format() -> None:
    assert str(Text("{a} and {b}", a="{b}", b=Text("{c}", c="{a.__class__}"))) == "{b} and {a.__class__}"
    assert str(joined("; ", ["{x}", "", Text("{y}", y=1)])) == "{x}; 1"


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(text).failed == 0
