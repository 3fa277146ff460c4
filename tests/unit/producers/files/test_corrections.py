"""Corrections laid over a file: cells, columns, rows left out; the rest stays as it is."""

from __future__ import annotations

import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.corrections import Corrections
from producers.files.csv_file import RawRow
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from provisioning.errors import InvalidJobError
from provisioning.job import NewJob

FILE = b"key,bot.id,label\na,100,one\nb,,two\nc,300,one\n"


def read(corrections: Corrections) -> tuple[dict[str, dict[str, object]], list[InvalidJobError]]:
    jobs, problems = {}, []
    for item in Reading(io.BytesIO(FILE), ReadOptions(corrections=corrections)):
        if isinstance(item, NewJob):
            jobs[item.key] = {"label": item.label, **msgspec.json.decode(item.body)}
        else:
            problems.append(item)
    return jobs, problems


def test_a_corrected_cell_makes_a_good_row() -> None:
    assert [problem.row for problem in read(Corrections())[1]] == [3]
    jobs, problems = read(Corrections(cells={3: {"bot.id": "200"}}))
    assert problems == []
    assert jobs["b"]["bot"] == {"id": "200"}


def test_a_value_is_replaced_in_its_whole_column_and_in_no_other() -> None:
    jobs, _ = read(Corrections(replaced={"label": {"one": "uno", "100": "x"}}))
    assert [job["label"] for job in jobs.values()] == ["uno", "uno"]
    assert jobs["a"]["bot"] == {"id": "100"}


def test_a_row_that_is_left_out_is_neither_a_job_nor_a_problem() -> None:
    jobs, problems = read(Corrections(left_out=frozenset({3})))
    assert (list(jobs), problems) == (["a", "c"], [])


def test_a_row_that_is_broken_can_be_left_out_too() -> None:
    broken = FILE + b"d,400,four,too,many\n"
    reading = Reading(io.BytesIO(broken), ReadOptions(corrections=Corrections(left_out=frozenset({3, 5}))))
    assert [item.key for item in reading if isinstance(item, NewJob)] == ["a", "c"]


def test_a_correction_may_be_wrong_itself() -> None:
    _, problems = read(Corrections(cells={3: {"bot.id": ""}}))
    assert [(problem.row, problem.field) for problem in problems] == [(3, "bot.id")]


@given(
    st.dictionaries(st.integers(2, 9), st.dictionaries(st.sampled_from("abc"), st.text(max_size=5))),
    st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.text(max_size=2), st.text(max_size=2))),
    st.lists(st.text(max_size=2), min_size=3, max_size=3),
)
def test_other_cells_stay_and_the_row_keeps_its_width(
    cells: dict[int, dict[str, str]], replaced: dict[str, dict[str, str]], row: list[str]
) -> None:
    corrected = Corrections(cells=cells, replaced=replaced).apply(RawRow(2, row), "abc")
    assert corrected is not None
    assert len(corrected.cells) == 3
    for header, before, after in zip("abc", row, corrected.cells, strict=True):
        expected = cells.get(2, {}).get(header, replaced.get(header, {}).get(before, before))
        assert after == expected


def test_corrections_come_back_from_json() -> None:
    corrections = Corrections({3: {"bot.id": "200"}}, {"label": {"a": "b"}}, frozenset({7}))
    assert msgspec.json.decode(msgspec.json.encode(corrections), type=Corrections) == corrections


@pytest.mark.parametrize("empty", [Corrections(), Corrections(cells={}), Corrections(left_out=frozenset())])
def test_no_correction_is_none(empty: Corrections) -> None:
    assert not empty
