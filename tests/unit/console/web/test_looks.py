"""Odd values are named; nothing is changed or lost on the way."""

from __future__ import annotations

import msgspec

from console.web import looks
from console.web.looks import Looks
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob


def job(position: str, colour: str) -> NewJob:
    body = {"widget": {"theme": {"position": position, "vars": {"color": {"primary": colour}}}}}
    return NewJob(key="k", credential="default", body=msgspec.json.encode(body), fingerprint="f")


def test_values_that_the_api_does_not_document_are_counted_and_named() -> None:
    seen = Looks()
    items: list[NewJob | InvalidJobError] = [
        job("abajo derecha", "#E23E48"),
        job("br", "azul marino"),
        InvalidJobError("bad", row=3),
        job("abajo derecha", "#E23E48"),
    ]
    assert list(seen.through(items)) == items
    assert [str(note)[:60] for note in seen.notes()] == [
        "2 rows have 'abajo derecha' in widget.theme.position: the AP",
        "1 rows have 'azul marino' in widget.theme.vars.color.primary",
    ]


def test_a_file_without_odd_values_has_no_note() -> None:
    seen = Looks()
    list(seen.through([job("br", "#fff"), job("tl", "red")]))
    assert seen.notes() == []


def test_a_large_file_is_not_looked_at_to_its_end() -> None:
    seen = Looks()
    list(seen.through([job("?", "#fff")] * (looks.LOOKED_AT + 5)))
    assert str(seen.notes()[0]).startswith(f"{looks.LOOKED_AT:,} rows")
