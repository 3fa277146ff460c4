"""Of any table, what was read, noted and refused is together all of the table, in whatever format it came."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from provisioning.errors import InvalidInputError
from provisioning.job import NewJob
from tests.fixtures.workbook import workbook

Table = list[list[str]]

HEADERS = ["key", "label", "bot.id", "widget.theme.position"]

WORDS = st.sampled_from(
    [
        "",
        " ",
        "Total",
        "# old",
        "key",
        "bot.id",
        "100200300",
        "593990000001",
        "NULL",
        "5.9E+11",
        "Café",
        "x;y",
        "a\nb",
    ]
)
ROWS = st.one_of(
    st.lists(WORDS, min_size=1, max_size=6),
    st.tuples(WORDS, WORDS, WORDS, WORDS).map(list),
    st.just(HEADERS),
    st.integers(1, 10**6).map(lambda n: [f"shop-{n}", f"Shop {n}", str(10**11 + n), "left"]),
)
TITLES = st.lists(st.sampled_from([["Shops of May"], ["", "Shops"], [""], ["", "", " "]]), max_size=3)


def csv_of(table: Table, delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(table)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def xlsx_of(table: Table) -> bytes:
    return workbook([[cell or None for cell in row] for row in table])


@settings(deadline=None, max_examples=150)
@given(
    TITLES,
    st.lists(ROWS, min_size=1, max_size=12),
    st.sampled_from([lambda t: csv_of(t, ","), lambda t: csv_of(t, ";"), lambda t: csv_of(t, "\t"), xlsx_of]),
    st.booleans(),
)
def test_every_row_is_read_or_refused_and_what_is_passed_over_is_told(
    titles: list[list[str]],
    rows: list[list[str]],
    written: Callable[[list[list[str]]], bytes],
    new_bots: bool,
) -> None:
    table = [*titles, HEADERS, *rows]
    reading = Reading(io.BytesIO(written(table)), ReadOptions(new_bots=new_bots))
    if not any("".join(row).strip() for row in rows):
        with pytest.raises(InvalidInputError, match="headers but no rows"):
            list(reading)
        return
    items = list(reading)
    top = len(titles) + 1
    read = [item.row or 0 for item in items if isinstance(item, NewJob)]
    refused = {item.row or 0 for item in items if not isinstance(item, NewJob)}
    filled = [number for number, row in enumerate(rows, top + 1) if "".join(row).strip()]
    assert sorted([*read, *refused]) == filled
    assert (reading.good, reading.bad, reading.rows) == (len(read), len(refused), len(filled))
    # In a workbook nobody can see where blank rows at the end begin.
    last = filled[-1] if written is xlsx_of else len(table)
    blank = sum(not "".join(row).strip() for row in table[:last])
    told = " ".join(map(str, reading.notes))
    assert reading.blank == blank
    assert (f"{blank} blank" in told) == (blank > 0)
    passed_over = sum(bool("".join(title).strip()) for title in titles)
    assert ("passed over above them" in told) == (passed_over > 0)


BLANKS = st.text(" ,;\t|\x1a", max_size=5)


@given(
    st.lists(BLANKS, max_size=3),
    st.lists(st.tuples(st.integers(10**8, 10**9), BLANKS), min_size=1, max_size=6),
    st.sampled_from(",;\t|"),
    st.text("\x1a", max_size=3),
)
def test_lines_of_nothing_change_nothing_wherever_they_stand(
    top: list[str], rows: list[tuple[int, str]], delimiter: str, end: str
) -> None:
    lines = [*top, delimiter.join(["key", "label", "bot.id"])]
    for number, blank in rows:
        lines += [delimiter.join([f"k{number}", "Shop", str(number)]), blank]
    items = list(Reading(io.BytesIO(("\r\n".join([*lines, end])).encode())))
    bots = [
        json.loads(item.body)["bot"]["id"] if isinstance(item, NewJob) else item.message for item in items
    ]
    assert bots == [str(number) for number, _ in rows]
