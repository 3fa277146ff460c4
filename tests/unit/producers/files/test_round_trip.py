"""What was written as cells reads back as what it was."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.files.cells import cells_of, columns_for, csv_line, escape, guard, inert, unescape, unguard
from producers.files.file_kinds import Format
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob, fingerprint
from provisioning.printable import is_shown
from tests.unit.producers.strategies import TEXTS, bodies

# Bodies take long to draw on a busy machine, and those that may not be sent are drawn again.
SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much)


def written(
    table: list[dict[str, Any]], *, delimiter: str = ",", separator: str = ";", encoding: str = "utf-8"
) -> bytes:
    """The bodies as a CSV file, as an export writes it: one column per path, formula-like cells escaped."""
    columns = ["key", *columns_for(table, separator=separator)]
    if "bot.id" not in columns:
        columns.append("bot.id")
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(map(escape, columns))
    for number, body in enumerate(table):
        cells = {"key": f"k{number}", **cells_of(body, separator=separator)}
        writer.writerow([escape(cells.get(column, "")) for column in columns])
    return text.getvalue().encode(encoding)


def read(content: bytes, **options: Any) -> list[NewJob | InvalidJobError]:
    return list(Reading(io.BytesIO(content), ReadOptions(**{"new_bots": True, **options})))


@given(TEXTS)
def test_an_escaped_cell_is_unescaped_to_what_it_was(text: str) -> None:
    assert unescape(escape(text)) == text


@given(TEXTS)
def test_no_escaped_cell_begins_like_a_formula(text: str) -> None:
    assert not escape(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_an_apostrophe_that_nobody_put_there_for_us_stays() -> None:
    assert unescape("'90s shop") == "'90s shop"
    assert unescape("'") == "'"


@settings(max_examples=120, deadline=None, suppress_health_check=SLOW)
@given(
    st.lists(bodies(), min_size=1, max_size=4),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([";", "|", ", ", "/"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_every_body_survives_cells_and_csv(
    table: list[dict[str, Any]], delimiter: str, separator: str, encoding: str
) -> None:
    content = written(table, delimiter=delimiter, separator=separator, encoding=encoding)
    items = read(content, separator=separator, delimiter=delimiter)
    for item in items:
        assert isinstance(item, NewJob), (item.message, item.field, item.value)
        body = table[int(item.key[1:])]
        assert fingerprint(json.loads(item.body)) == fingerprint(json.loads(json.dumps(body)))
    assert len(items) == len(table)


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(st.lists(bodies(), min_size=1, max_size=4))
def test_every_body_survives_json_lines(table: list[dict[str, Any]]) -> None:
    content = b"".join(json.dumps(body).encode() + b"\n" for body in table)
    items = read(content, format=Format.JSONL)
    assert [fingerprint(json.loads(item.body)) for item in items if isinstance(item, NewJob)] == [
        fingerprint(body) for body in table
    ]


def test_a_phone_like_bot_id_survives_an_export_and_its_return() -> None:
    body = {"bot": {"id": "+593987654321"}, "widget": {}}
    content = written([body])
    assert b"'+593987654321" in content
    [job] = read(content)
    assert isinstance(job, NewJob)
    assert json.loads(job.body) == body


def test_columns_for_keeps_the_original_order_and_adds_what_is_needed() -> None:
    table = [
        {"bot": {"id": "1"}, "widget": {"theme": {"position": "br"}}},
        {"bot": {"id": "2"}, "widget": {"extra": 5}},
    ]
    columns = columns_for(table, ["widget.theme.position", "label", "bot.id"])
    assert columns == ["widget.theme.position", "label", "bot.id", "widget"]
    assert cells_of(table[1]) == {"bot.id": "2", "widget": '{"extra":5}'}


def test_plain_members_get_plain_cells() -> None:
    body = {
        "bot": {"id": "100"},
        "widget": {
            "properties": {"type": "normal"},
            "theme": {"status": False, "vars": {"color": {"primary": "#00677F", "grey": {"200": "#EEE"}}}},
        },
        "credentials": {"whiteList": ["a", "b"], "blackList": ["c;d"]},
    }
    assert cells_of(body) == {
        "bot.id": "100",
        "widget.properties.type": "normal",
        "widget.theme.status": "false",
        "widget.theme.vars.color.primary": "#00677F",
        "widget.theme.vars.color.grey.200": "#EEE",
        "credentials.whiteList": "a;b",
        "credentials.blackList": '["c;d"]',
    }


@given(TEXTS)
def test_a_guarded_text_is_unguarded_to_what_it_was(text: str) -> None:
    assert unguard(guard(text)) == text


SEPARATORS = re.compile(r"[;\t\r\n]")


def _pieces(content: str) -> list[str]:
    """The cells that a program sees which separates by semicolons, tabs and lines, and heeds no quotes."""
    return SEPARATORS.split(content)


FORMULAS = st.lists(st.sampled_from([*";=+-@'\t\n\r\"", "1+1", "\x1b[31m", "\u202e", "x"]), max_size=8).map(
    "".join
)


@settings(max_examples=300, deadline=None)
@given(FORMULAS.filter(lambda text: "\0" not in text), FORMULAS)
def test_no_body_holds_a_formula_for_a_spreadsheet_that_separates_by_semicolons(text: str, item: str) -> None:
    body = {
        "widget": {"properties": {"name": text, text: "x"}, "note": [item]},
        "credentials": {"whiteList": ["a", item]},
    }
    cells = cells_of(body)
    for cell in [*cells, *cells.values()]:
        assert not any(piece.startswith(tuple("=+-@")) for piece in _pieces(cell)[1:])
        assert "\x1b" not in cell
        assert "\u202e" not in cell


@given(FORMULAS)
def test_what_only_people_read_holds_neither_formula_nor_escape_sequence(text: str) -> None:
    assert is_shown(inert(text))
    assert not any(piece.startswith(tuple("=+-@")) for piece in _pieces(inert(text))[1:])


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_line_of_csv_reads_back(cells: list[str]) -> None:
    line = csv_line(cells)
    assert next(csv.reader(io.StringIO(line, newline=""))) == (cells if cells != [""] else [])
