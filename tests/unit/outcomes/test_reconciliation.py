"""What a table says of doubtful jobs, case by case."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from outcomes.reconciliation import (
    Candidate,
    Finding,
    Seen,
    SeenTable,
    incomplete_reason,
    judge,
    read_table,
    value_at,
)
from provisioning.errors import InvalidInputError
from tests.fixtures.workbook import workbook


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


def test_a_row_with_the_widget_of_a_job_of_another_value_is_unclear_and_never_absent() -> None:
    jobs = [_made(1, "7", "w-1"), _doubtful(2, "8"), _doubtful(3, "9")]
    judged = judge(jobs, [Seen("8", "w-1", row=4)])
    assert [each.finding.value for each in judged] == ["unclear", "absent"]
    assert str(judged[0].reason) == "row 4 has this value beside another job's widget"
    assert _findings([_made(1, "+59", "w-1"), _doubtful(2, "8")], [Seen("59", "w-1")]) == {2: "absent"}


def test_a_table_is_read_whatever_its_delimiter_and_its_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("Name;Bot;Widget\nCafé, 1;7;w-1\n", encoding="utf-8-sig")
    assert read_table(path, "Bot", id_column="Widget").rows == (Seen("7", "w-1"),)


def test_a_table_without_the_column_is_refused_with_those_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("name,bot\n")
    with pytest.raises(InvalidInputError, match=r"no column 'bot\.id'") as error:
        read_table(path, "bot.id")
    assert error.value.hint == "columns: name, bot"


@pytest.mark.parametrize(
    "damaged",
    [
        "ídem",
        "N/A",
        "TBD",
        "-",
        "???",
        "Err:508",
        "5.9E+11",
        "593987654321.0",
        "#N/A",
        "#####",
        "Caf\ufffd",
        "59\u200b3",
        "",
        "  ",
    ],
)
def test_a_row_whose_value_is_damaged_is_no_row_and_proves_no_absence(tmp_path: Path, damaged: str) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(f"Bot,Name\n7,a\n{damaged},b\n".encode())
    table = read_table(path, "Bot")
    assert (table.rows, table.total) == ((Seen("7"),), 2)
    assert [problem.row for problem in table.problems] == [3]
    assert "1 of the 2 rows" in str(incomplete_reason(table, []))


def test_a_row_that_is_shorter_or_longer_than_the_header_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("Name,Bot\na,7\nb\nc,8,9\n")
    assert [problem.row for problem in read_table(path, "Bot").problems] == [3, 4]


def test_a_table_of_rows_all_understood_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("Bot\n7\n")
    assert incomplete_reason(read_table(path, "Bot"), [_made(1, "7"), _doubtful(2, "8")]) is None


def test_a_table_without_rows_or_without_one_widget_that_is_known_is_not_whole() -> None:
    assert "no rows" in str(incomplete_reason(SeenTable("t", ()), []))
    other = SeenTable("t", (Seen("9"),))
    assert "none of the 1 other jobs" in str(incomplete_reason(other, [_made(1, "7"), _doubtful(2, "8")]))


@pytest.mark.parametrize("name", ["export.xlsx", "export.csv.gz", "export.tsv"])
def test_a_table_is_read_in_each_format_and_our_own_escape_is_taken_off(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".xlsx"):
        path.write_bytes(workbook([["Bot"], ["'+593987654321"]]))
    else:
        text = b"Bot\n'+593987654321\n"
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert read_table(path, "Bot").rows == (Seen("+593987654321"),)


def test_a_table_in_another_encoding_is_read_as_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes("Bot\nCafé\n".encode("mac_roman"))
    assert read_table(path, "Bot", encoding="mac_roman").rows == (Seen("Café"),)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("+593987654321", "593987654321"),
        ("00123", "123"),
        ("Café-Norte", "cafe\u0301 norte"),
        ("100200300", "\u201c100200300\u201d"),
        ("100200300", "100,200,300"),
        ("100200300400500678", "100200300400500000"),
        ("100200300", "ID 100200300"),
        ("100200300", "100200299; 100200300"),
        ("100200300", "https://apps.example.com/bots/100200300"),
        ("100200300", "100200300 (Bot Norte)"),
        ("Bot-Norte", "Ventas/bot-norte"),
        ("+593987654321", "tel: 593987654321"),
    ],
)
def test_what_a_row_nearly_has_is_unclear_and_never_absent(value: str, seen: str) -> None:
    [judged] = judge([_doubtful(1, value)], [Seen(seen, row=4)])
    assert judged.finding is Finding.UNCLEAR
    assert str(judged.reason).startswith("row 4 has ")


def test_a_row_that_is_exactly_another_jobs_resembles_nothing_else() -> None:
    jobs = [_made(1, "123"), _doubtful(2, "0123")]
    assert _findings(jobs, [Seen("123")]) == {2: "absent"}


def test_a_number_in_a_body_is_compared_as_a_cell_shows_it() -> None:
    assert value_at({"bot": {"id": 7}}, "bot.id") == "7"
    assert value_at({"bot": {"id": None}}, "bot.id.x") == ""


def test_a_key_that_was_seen_is_not_in_a_repr() -> None:
    assert "wk_secret" not in repr(Seen("7", "w-1", "wk_secret"))


def test_a_hint_about_the_table_names_no_option_that_reconcile_lacks(tmp_path: Path) -> None:
    path = tmp_path / "seen.xlsx"
    path.write_bytes(b"bot.id\n100\n")
    with pytest.raises(InvalidInputError, match="is no Excel file") as caught:
        read_table(path, "bot.id")
    assert "--" not in caught.value.hint
