"""Short rows are filled up only where nothing tells that they are pieces of a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.csv_file import RawRow
from producers.header_row import HeaderRule
from producers.short_rows import ShortRows
from producers.table import Table
from provisioning.errors import InvalidJobError

HEADERS = ("key", "bot.id", "label", "note", "colour")


def judged(
    rows: Sequence[Sequence[str]], headers: Sequence[str] = HEADERS, *, cut: bool = False
) -> list[int | str]:
    """Cells of each row that was filled up, the message of each that was not."""
    short = ShortRows(headers, [0, 1], 1, lambda _: "", lambda _: None)
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


def test_rows_that_are_apart_are_no_pieces_of_one() -> None:
    short = ShortRows(HEADERS, [0, 1], 1, lambda _: "", lambda _: None)
    given = [*short.add(RawRow(2, ["a", "100", "x"])), *short.add(RawRow(4, ["y", "z", "red"])), *short.end()]
    assert all(isinstance(item, RawRow) for item in given)


def test_the_last_row_of_a_text_that_was_cut_is_a_problem() -> None:
    assert [type(item) for item in judged([["a", "100"], ["b", "200"]], cut=True)] == [int, str]


@given(
    at=st.integers(2, 4),
    breaks=st.integers(1, 4),
    words=st.lists(st.text("abcxyz", min_size=1, max_size=4), min_size=5, max_size=5),
)
def test_no_piece_of_a_broken_row_is_taken_for_a_row(at: int, breaks: int, words: list[str]) -> None:
    """Wherever a cell that is no identifier is broken, no piece of it that is short becomes a job."""
    cells = ["key", "100200300", *words[2:]]
    pieces = [[*cells[:at], "x"], *[["x"]] * (breaks - 1), ["x", *cells[at + 1 :]]]
    short = [piece for piece in pieces if len(piece) < len(HEADERS)]
    assert all(isinstance(item, str) for item in judged(short)) or len(short) < len(pieces)


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
