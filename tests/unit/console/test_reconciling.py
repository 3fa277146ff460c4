"""What a table says of doubtful jobs, case by case."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.reconciling import Candidate, Finding, Seen, judge, read_table, value_at
from provisioning.errors import InvalidInputError


def _findings(jobs: list[Candidate], table: list[Seen]) -> dict[int, str]:
    return {each.number: each.finding.value for each in judge(jobs, table)}


def _doubtful(number: int, value: str) -> Candidate:
    return Candidate(number, value, doubtful=True)


def _made(number: int, value: str, *widgets: str) -> Candidate:
    return Candidate(number, value, doubtful=False, widget_ids=frozenset(widgets))


def test_one_job_and_one_row_with_the_same_value_belong_together() -> None:
    [judged] = judge([_doubtful(1, "7")], [Seen("7", "w-1"), Seen("8", "w-2")])
    assert (judged.finding, judged.seen) == (Finding.MATCHED, Seen("7", "w-1"))


@pytest.mark.parametrize(
    ("jobs", "table", "findings"),
    [
        ([_doubtful(1, "7")], [Seen("8")], {1: "absent"}),
        ([_doubtful(1, "7"), _doubtful(2, "7")], [], {1: "absent", 2: "absent"}),
        ([_doubtful(1, "7")], [Seen("7"), Seen("7")], {1: "unclear"}),
        ([_doubtful(1, "7"), _doubtful(2, "7")], [Seen("7")], {1: "unclear", 2: "unclear"}),
        ([_doubtful(1, "")], [Seen("")], {1: "unclear"}),
    ],
)
def test_what_several_have_is_unclear_and_what_nobody_has_is_absent(
    jobs: list[Candidate], table: list[Seen], findings: dict[int, str]
) -> None:
    assert _findings(jobs, table) == findings


def test_a_row_may_be_the_widget_of_a_job_that_has_succeeded_and_is_then_no_proof() -> None:
    jobs = [_made(1, "7", "w-1"), _doubtful(2, "7")]
    assert _findings(jobs, [Seen("7")]) == {2: "unclear"}


def test_a_row_whose_widget_is_known_is_accounted_for() -> None:
    jobs = [_made(1, "7", "w-1"), _doubtful(2, "7")]
    assert _findings(jobs, [Seen("7", "w-1")]) == {2: "absent"}
    assert _findings(jobs, [Seen("7", "w-1"), Seen("7", "w-2")]) == {2: "matched"}


def test_a_table_is_read_whatever_its_delimiter_and_its_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("Name;Bot;Widget\nCafé, 1;7;w-1\n", encoding="utf-8-sig")
    assert read_table(path, "Bot", id_column="Widget") == [Seen("7", "w-1")]


def test_a_table_without_the_column_is_refused_with_those_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("name,bot\n")
    with pytest.raises(InvalidInputError, match=r"no column 'bot\.id'") as error:
        read_table(path, "bot.id")
    assert error.value.hint == "it has: name, bot"


def test_a_number_in_a_body_is_compared_as_a_cell_shows_it() -> None:
    assert value_at({"bot": {"id": 7}}, "bot.id") == "7"
    assert value_at({"bot": {"id": None}}, "bot.id.x") == ""


def test_a_key_that_was_seen_is_not_in_a_repr() -> None:
    assert "wk_secret" not in repr(Seen("7", "w-1", "wk_secret"))
