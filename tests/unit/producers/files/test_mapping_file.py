"""A mapping is a small table that says all that is wrong with it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from producers.files.mapping_file import read_mapping
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.text import Text
from tests.fixtures.workbook import workbook


def mapping(folder: Path, content: str, encoding: str = "utf-8") -> dict[str, str]:
    path = folder / "maps.csv"
    path.write_bytes(content.encode(encoding))
    return read_mapping(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_a_mapping_is_read_however_a_spreadsheet_wrote_it(tmp_path: Path, encoding: str) -> None:
    text = "Old;New\r\nNúmero de bot;bot.id\r\n notas ;\r\n\r\n"
    assert mapping(tmp_path, text, encoding) == {"Número de bot": "bot.id", "notas": ""}


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("bot_id,bot.id\n", "headers of the mapping maps.csv are bot_id, bot.id"),
        ("old,new\nbot_id\n", "row 2 of the mapping maps.csv: the row has 1 cell, fewer"),
        ("old,new\na,key\nb,label,c\n", "row 3 of the mapping maps.csv: the row has 3 cells, more"),
        ("old,new\na,key\n,label\n", "row 3 of the mapping maps.csv: it must name"),
        ("old,new\na,key\na,label\n", "row 3 of the mapping maps.csv: 'a' is there already"),
        ('old,new\n"a"b,key\n', "row 2 of the mapping maps.csv: the quotes"),
        ("", "maps.csv is empty"),
        ('{"old": "new"}\n', "maps.csv is JSON|headers of the mapping"),
    ],
)
def test_a_mapping_that_is_none_is_refused_by_its_row(tmp_path: Path, content: str, wrong: str) -> None:
    with pytest.raises(InvalidInputError, match=wrong) as caught:
        mapping(tmp_path, content)
    assert not isinstance(caught.value, InvalidJobError)


def test_a_mapping_may_be_a_workbook_or_packed_and_our_own_escape_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "maps.xlsx"
    path.write_bytes(workbook([["old", "new"], ["'-bot", "bot.id"]]))
    assert read_mapping(path) == {"-bot": "bot.id"}
    packed = tmp_path / "maps.csv.gz"
    packed.write_bytes(gzip.compress(b"old,new\n'-bot,bot.id\n"))
    assert read_mapping(packed) == {"-bot": "bot.id"}


def test_a_missing_mapping_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="there is no file"):
        read_mapping(tmp_path / "maps.csv")


def test_a_mapping_is_told_of_and_no_option_of_the_tenants_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "maps.csv"
    path.write_bytes("Columnas\nold;new\nTelé;label\n".encode("cp1252"))
    notes: list[Text] = []
    assert read_mapping(path, notes.append) == {"Telé": "label"}
    assert [str(note).startswith("the mapping maps.csv: ") for note in notes] == [True, True]
    path.write_bytes("old;new\nTeléfono;label\n".encode("mac-roman"))
    with pytest.raises(InvalidInputError, match="hardly Windows-1252") as caught:
        read_mapping(path)
    assert "--" not in caught.value.hint
