"""Short rows are filled up only where nothing tells that they are pieces of a row."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.csv_file import RawRow
from producers.files.header_row import HeaderRule
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.files.short_rows import Rules, ShortRows
from producers.files.table import Table
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob

HEADERS = ("key", "bot.id", "label", "note", "colour")


def judged(
    rows: Sequence[Sequence[str]], headers: Sequence[str] = HEADERS, *, cut: bool = False
) -> list[int | str]:
    """Cells of each row that was filled up, the message of each that was not."""
    short = ShortRows(headers, Rules([0, 1], 1))
    given = [item for number, cells in enumerate(rows, 2) for item in short.add(RawRow(number, list(cells)))]
    given += short.end(cut=cut)
    return [item.message if isinstance(item, InvalidJobError) else len(item.cells) for item in given]


@pytest.mark.parametrize(
    ("rows", "filled"),
    [
        ([["a", "100"]], True),
        ([["a", "100"], ["b", "200"], ["c", "300"], ["d", "400"]], True),
        ([["a", "100", "x"], ["b", "200", "y"]], True),  # 3 + 3 cells would make one row of 5
        ([["a", "100", "x"], ["b", "+593987654321", "y"]], False),
        ([["a", "593987654321", "x"], ["b", "+593987654321", "y"]], True),
        ([["a", "100", "x"], ["y", "z", "red"]], False),
        ([["a", "100", "x", "y"], ["z", "red"]], False),
        ([["a"]], False),
    ],
)
def test_rows_that_make_one_row_together_are_not_filled_up(rows: list[list[str]], filled: bool) -> None:
    assert [type(item) is int for item in judged(rows)] == [filled] * len(rows)


def test_a_blank_line_may_stand_in_a_broken_cell() -> None:
    short = ShortRows(HEADERS, Rules([0, 1], 1))
    given = [*short.add(RawRow(2, ["a", "100", "x"])), *short.add(RawRow(4, ["y", "z", "red"])), *short.end()]
    assert all(isinstance(item, InvalidJobError) for item in given)


def test_the_last_row_of_a_text_that_was_cut_is_a_problem() -> None:
    assert [type(item) for item in judged([["a", "100"], ["b", "200"]], cut=True)] == [int, str]


def sent(lines: Sequence[str], headers: str = "key,bot.id,label,note,colour", **options: Any) -> list[int]:
    """Numbers of the rows of a file that become jobs."""
    maps = {"note": "", "colour": "", "phone": ""}
    file = BytesIO("\n".join([headers, *lines, ""]).encode())
    reading = Reading(file, ReadOptions(maps=maps, **options))
    return [item.row or 0 for item in reading if isinstance(item, NewJob)]


def told(lines: Sequence[str], headers: str = "key,bot.id,label,note,colour") -> dict[int, str]:
    """What is wrong with the rows of a file, by their numbers."""
    file = BytesIO("\n".join([headers, *lines, ""]).encode())
    items = Reading(file, ReadOptions(maps={"note": "", "colour": "", "phone": ""}))
    return {item.row or 0: item.message for item in items if isinstance(item, InvalidJobError)}


WHOLE = "lima,100200301,Lima,n,red"
LAST = "cuzco,100200302,Cuzco,n,blue"


@pytest.mark.parametrize(
    "torn",
    [
        # the rest begins with a phone number, where an id is looked for
        ["quito,100200300,Quito", "Norte,593987654321,red"],
        ["quito,100200300,Quito", "tel,+0987654321,red"],
        # a comma as well
        ["quito,100200300,Calle 5,casa", "Norte,z,red"],
        ["quito,100200300,Calle 5, casa", "Norte,593987654321,red"],
        ["quito,100200300,Quito", "Norte, casa,z,red"],
        ["quito,100200300,Quito", "Norte, local 100200300,z,red"],
        # a piece that is refused, in a row that lacks its last cells too
        ["quito,100200300,Quito", "Norte"],
        ["quito,100200300,Quito", "Norte,,red"],
        ["quito,100200300,Quito", "y", "Norte,z"],
        ["quito,100200300,Quito", "#12-34 y 56,100200300,red"],
        ["quito,100200300,Quito", "", "Norte,z,red"],
        ["quito,100200300,Quito", ",z,red"],
        # in the last column
        ["quito,100200300,Quito,n,red", "ish"],
        ["quito,100200300,Quito,n,red", "ish, or not"],
        ["quito,100200300,Quito,n,red", "ish", "or", "not"],
        ["quito,100200300,Quito,n,red", "ish,or"],
        ["quito,100200300,Quito,n,red", "", "ish"],
    ],
)
def test_no_line_of_a_broken_row_is_sent(torn: list[str]) -> None:
    assert sent([WHOLE, *torn, LAST]) == [2, 3 + len(torn)]


def test_both_lines_are_named_with_the_way_out() -> None:
    problems = told([WHOLE, "quito,100200300,Quito,n,red", "ish", LAST])
    assert problems == {
        3: "the row has 5 cells: it looks like a piece of one row with row 4",
        4: "the row has 1 cell, fewer than the 5 headers: it has none for bot.id, "
        "and it looks like a piece of one row with row 3",
    }


def test_a_break_in_the_first_column_refuses_the_whole_line_below() -> None:
    headers = "label,key,bot.id,note"
    lines = ["Lima,lima,100200301,", "Quito", "Norte,quito,100200300,n", "Cuzco,cuzco,100200302,n"]
    assert sent(lines, headers) == [2, 5]
    # It may as well be the rest of the line above it.
    assert sent(["Lima,lima,100200301,n", *lines[1:]], headers) == [5]
    assert sent(["Calle 5, casa", *lines[2:]], headers) == [4]


def test_a_bot_alone_may_be_a_row_or_the_rest_of_a_phone_number() -> None:
    assert sent(["100200300,Quito", "593987654321", "100200301,Lima"], "bot.id,label") == [4]
    assert sent(["100200300,Quito", "100200302", "100200301,Lima"], "bot.id,label") == [2, 3, 4]


@pytest.mark.parametrize(
    "lines",
    [
        ["a,100200300", "b,100200301", "c,100200302", "d,100200303"],
        ["a,100200300,x", "b,100200301,y", "c,100200302,z"],
        ["a,100200300,x,y", "b,100200301", WHOLE, "c,100200302"],
        [WHOLE, "a,593987654321", "b,5215512345678,x", "c,+14155551234,x,y", LAST],
        ["a,98,x,y", "b,99,x,y", "c,100,x,y", "d,101,x,y"],
        ["a,centro,x,y", "b,norte-sur,x,y", "c,este,x,y", "d,el-otro,x,y,red", "e,oeste"],
        ["a,bot-001,x", "b,bot-002,y", "c,bot-003,z"],
        ["a,5f3c0de1,x", "b,a1b2c3d4,y"],
    ],
)
def test_rows_of_which_a_spreadsheet_left_out_the_end_are_read(lines: list[str]) -> None:
    assert sent(lines) == list(range(2, 2 + len(lines)))


def test_rows_without_a_column_of_bots_may_lack_their_last_cells() -> None:
    lines = ["a,Quito,n", "b,Lima,n", "c,Cuzco,n", "d,La Paz,n,red"]
    assert sent(lines, "key,label,note,colour", new_bots=True) == [2, 3, 4, 5]


def test_a_row_without_a_bot_takes_no_sound_row_below_it_along() -> None:
    assert sent(["a,100200300,", "b", "c,100200301,", "d,,x", "e,100200302,x,y"]) == [2, 4, 6]


@pytest.mark.parametrize("last", ["Total", "Total,3", "Total,3,x", "Key,Bot,Label"])
def test_a_total_or_headers_below_a_row_are_no_rest_of_it(last: str) -> None:
    assert sent([WHOLE, "a,100200300,x", last]) == [2, 3]


def test_lines_are_held_back_within_bounds() -> None:
    short = ShortRows(("bot.id", "label"), Rules([0], 0))
    for number in range(2, 10_000):
        list(short.add(RawRow(number, [f"{number:09}"])))
        assert len(short.held) <= 50


WORDS = st.text("abcxyz", min_size=1, max_size=6)
PHONES = st.integers(10**9, 10**13).map(str)
TEXTS = st.one_of(WORDS, PHONES, st.lists(WORDS, min_size=2, max_size=3).map(" ".join))
IDS = st.integers(100_000_000, 999_999_999).map(str)


@st.composite
def tables(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> list[list[str]]:
    ids = draw(st.lists(IDS, min_size=1, max_size=6, unique=True))
    return [[f"k{id}", id, *(draw(texts) for _ in range(3))] for id in ids]


def written(cells: Sequence[str], *, trimmed: bool) -> str:
    line = ",".join(cells)
    return line.rstrip(",") if trimmed else line


@given(tables(st.one_of(st.just(""), TEXTS)), st.data())
def test_a_table_is_read_whatever_empty_cells_its_rows_end_in(
    table: list[list[str]], data: st.DataObject
) -> None:
    lines = [written(cells, trimmed=data.draw(st.booleans())) for cells in table]
    assert sent(lines) == list(range(2, 2 + len(table)))


@given(
    tables(st.one_of(st.just(""), TEXTS)),
    tables(st.one_of(st.just(""), TEXTS)),
    tables(TEXTS),
    st.lists(TEXTS, min_size=2, max_size=4),
    st.sampled_from(["\n", "\n\n"]),
    st.sampled_from(["", ", ", ", x, "]),
    st.integers(2, 4),
    st.booleans(),
)
def test_no_piece_of_a_broken_row_becomes_a_job(
    above: list[list[str]],
    below: list[list[str]],
    one: list[list[str]],
    pieces: list[str],
    end: str,
    comma: str,
    at: int,
    trimmed: bool,
) -> None:
    """Wherever a text is broken, what stands around the break, and with commas in it or none."""
    torn = one[0]
    torn[at] = end.join([*pieces[:-1], (comma + pieces[-1]).lstrip(", ") + comma + "x" * bool(comma)])
    lines = written(torn, trimmed=False).split("\n")
    top = [written(cells, trimmed=trimmed) for cells in above]
    bottom = [written(cells, trimmed=trimmed) for cells in below]
    found = sent([*top, *lines, *bottom])
    first = 2 + len(top)
    assert not [row for row in found if first <= row < first + len(lines)], (top, lines, bottom)


def test_a_table_beside_the_file_is_under_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    path.write_bytes(b"Widgets\n\nid,bot,name\n1,'+100\n2,200,,,\n3\n4,400,x,y\n")
    rule = HeaderRule(familiar={"id", "bot"}.__contains__, certain=lambda headers: "bot" in headers)
    with Table.at(path, rule) as table:
        rows = list(table.texts([1], alike=1))
        assert [row.cells for row in rows if isinstance(row, RawRow)] == [["1", "+100", ""], ["2", "200", ""]]
        problems = [row for row in rows if isinstance(row, InvalidJobError)]
        assert [problem.row for problem in problems] == [6, 7]
        assert not any("y" in problem.value + problem.message.partition(":")[2] for problem in problems[1:])
        assert len(table.notes) == 2
