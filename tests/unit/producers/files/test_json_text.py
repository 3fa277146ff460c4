"""A member given twice is refused, wherever it stands, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli.file_options import read_defaults
from producers.files.json_text import decode
from producers.files.jsonl import read_line
from producers.files.row_converter import RowConverter
from provisioning.errors import InvalidInputError, InvalidJobError
from tests.unit.producers.strategies import NAMES, VALUES


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a" : 1, "a"\t:2}',
        '{"a":1,"\\u0061":1}',
        '[{"b":{"a":1,"a":1}}]',
        '{"x":"\\":","a":1,"a":2}',
    ],
)
def test_a_member_given_twice_is_refused(text: str) -> None:
    for given_as in (text, text.encode()):
        with pytest.raises(msgspec.DecodeError, match="the member 'a' is given twice"):
            decode(given_as)


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.booleans())
def test_all_other_json_is_decoded_as_ever(value: dict[str, Any], spaced: bool) -> None:
    text = json.dumps(value, indent=1 if spaced else None)
    assert decode(text) == msgspec.json.decode(text)


def test_a_line_a_cell_and_the_defaults_are_refused_with_what_is_twice(tmp_path: Path) -> None:
    problems = read_line('{"bot":{"id":"1","id":"2"},"widget":{}}', 7)
    assert isinstance(problems, list)
    assert (problems[0].row, "'id' is given twice" in problems[0].message) == (7, True)

    plan = RowConverter.parse(["bot.id", "widget.theme"])
    cell = plan.job(["1", '{"position":"br","position":"bl"}'], 2)
    assert isinstance(cell, list)
    assert isinstance(cell[0], InvalidJobError)
    assert (cell[0].field, "'position' is given twice" in cell[0].message) == ("widget.theme", True)

    path = tmp_path / "d.json"
    path.write_text('{"widget":{},"widget":{}}')
    with pytest.raises(InvalidInputError, match="'widget' is given twice"):
        read_defaults(path)
