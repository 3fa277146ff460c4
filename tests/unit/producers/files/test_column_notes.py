"""What is odd only beside the rest of its column is a note with a count and an example, in every format."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.id_shapes import IdShapes
from producers.files.mojibake import repaired
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from provisioning.text import Text
from tests.fixtures.workbook import workbook


def notes_of(ids: Sequence[str]) -> list[str]:
    shapes = IdShapes(Text("bot ids"))
    for row, text in enumerate(ids, 2):
        shapes.see(text, row)
    return list(map(str, shapes.notes()))


NUMBERS = [str(100200300 + n) for n in range(40)]


@pytest.mark.parametrize(
    ("ids", "note"),
    [
        ([*NUMBERS[:39], "centro"], "39 of 40 bot ids are digits; row 41 is 'centro'"),
        (["centro", *NUMBERS[:38], "5939@c.us"], "2 are otherwise, such as 'centro' in row 2"),
        ([*[f"bot-{n}" for n in range(39)], "7"], "39 of 40 bot ids are not digits alone; row 41 is '7'"),
        ([*NUMBERS, "10020030"], "40 of 41 bot ids have 9 digits; row 42 is '10020030'"),
        (["+593987654321", "593987654322", "593987654323"], "and 2 that do not are shorter (first in row 3)"),
        (["00100200", "00100201", "100202", "7"], "and 2 that do not are shorter (first in row 4)"),
        (["100200300", "x", "100200301"], "2 of 3 bot ids are digits; row 3 is 'x'"),
        (["100200300", "100200301", "2026"], "2 of 3 bot ids have 9 digits; row 4 is '2026'"),
        (["0042", "100"], "begin with '0' (row 2)"),
        (["1234567890123450", "2234567890123450"], "all 2 bot ids of 16 digits end in 0"),
        (["٣٤٥", *NUMBERS], "40 of 41 bot ids are digits"),
    ],
)
def test_few_that_are_unlike_all_others_are_one_note(ids: Sequence[str], note: str) -> None:
    [found] = notes_of(ids)
    assert note in found


@pytest.mark.parametrize(
    "ids",
    [
        [],
        ["centro"],
        NUMBERS,
        ["centro", "norte", *NUMBERS[:10]],
        [str(n) for n in range(1, 1_050)],
        [f"tenant-{n}" for n in range(1, 1_050)],
        [*NUMBERS * 20, *[f"bot-{n}" for n in range(40)]],
        ["1234567890123450", "1234567890123451"],
        ["+593987654321", "100200300", "0042", "12345678"],
        ["centro", "100200300"],
        ["100200300", "10020030"],
        ["0042", "007", "1"],
    ],
)
def test_a_column_that_holds_many_kinds_of_ids_has_no_note(ids: Sequence[str]) -> None:
    assert notes_of(ids) == []


ROWS = [(f"k{n}", number) for n, number in enumerate(NUMBERS[:39])]
ODD = ("k39", "centro")


def csv() -> bytes:
    return "".join(f"{key},{bot}\n" for key, bot in [("key", "bot.id"), *ROWS, ODD]).encode()


def json_lines() -> bytes:
    return "".join(json.dumps({"key": key, "bot": {"id": bot}}) + "\n" for key, bot in [*ROWS, ODD]).encode()


@pytest.mark.parametrize(
    ("content", "row"), [(csv(), 41), (json_lines(), 40), (workbook([("key", "bot.id"), *ROWS, ODD]), 41)]
)
def test_the_note_comes_in_every_format_and_not_where_the_column_is_meant(content: bytes, row: int) -> None:
    reading = Reading(io.BytesIO(content))
    assert sum(1 for _ in reading) == 40
    assert f"39 of 40 bot ids are digits; row {row} is 'centro'; sent unchanged" in map(str, reading.notes)
    meant = Reading(io.BytesIO(content), ReadOptions(as_is=["bot.id"]))
    assert sum(1 for _ in meant) == 40
    assert meant.notes == ()


def test_a_row_that_is_refused_is_not_noted() -> None:
    content = csv().replace(b"k39,", b'"k\x0739",')
    reading = Reading(io.BytesIO(content))
    assert sum(1 for _ in reading) == 40
    assert reading.notes == ()


@pytest.mark.parametrize("text", ["5.9E+11", "1234567890123450", "12345678901234500000"])
def test_a_rounded_number_in_a_column_of_text_is_noted_once_and_sent(text: str) -> None:
    table = ["key,bot.id,label,widget.x", f"a,1,{text},{text}", f"b,2,{text},12", "c,3,x,50%"]
    reading = Reading(io.BytesIO("\n".join(table).encode()))
    assert sum(1 for _ in reading) == reading.good == 3
    notes = [note for note in map(str, reading.notes) if "lost digits" in note]
    assert notes == [
        f"widget.x: 1 cell is a number of which a spreadsheet may have lost digits; row 2 is {text!r}; "
        "sent unchanged",
        f"label: 2 cells are numbers of which a spreadsheet may have lost digits; row 2 is {text!r}; "
        "sent unchanged",
    ]


SPOILED = {"PeÃ±a": "Peña", "SÃ£o": "São", "NiÃ±os": "Niños", "PeÃƒÂ±a": "Peña", "Pe├▒a": "Peña", "1Âº": "1º"}


def spoiled_notes(content: bytes, **options: Any) -> list[str]:
    reading = Reading(io.BytesIO(content), ReadOptions(**options))
    assert sum(1 for _ in reading) == reading.good
    return [note for note in map(str, reading.notes) if "another encoding" in note]


@pytest.mark.parametrize(("text", "was"), SPOILED.items())
def test_a_text_that_was_read_in_another_encoding_before_is_noted_in_every_format(
    text: str, was: str
) -> None:
    table = [
        ("key", "bot.id", "label", "widget.x"),
        ("a", "100", "Café", text),
        ("b", "101", "y", f"á {text}"),
    ]
    in_table = [
        "widget.x: 2 texts look like UTF-8 that was read in another encoding before; "
        f"row 2 has {text!r}, probably {was!r}; sent unchanged"
    ]
    assert spoiled_notes("\n".join(map(",".join, table)).encode()) == in_table
    assert spoiled_notes(workbook(table)) == in_table
    lines = [
        {"key": key, "bot": {"id": bot}, "label": label, "widget": {"x": x}}
        for key, bot, label, x in table[1:]
    ]
    in_lines = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    assert spoiled_notes(in_lines) == [in_table[0].replace("row 2", "row 1")]


def test_what_may_be_a_secret_is_in_no_note() -> None:
    assert spoiled_notes("key,bot.id,credential\na,100,PeÃ±a\n".encode()) == []
    assert spoiled_notes('{"bot": {"id": "100"}, "credential": "PeÃ±a"}'.encode()) == []


def test_keys_and_labels_and_items_are_texts_too_and_may_be_meant() -> None:
    content = "key,bot.id,label,credentials.whiteList\nPeÃ±a,100,NiÃ±o,a;cafÃ©\n".encode()
    assert [note.partition(":")[0] for note in spoiled_notes(content)] == [
        "key",
        "label",
        "credentials.whiteList",
    ]
    assert len(spoiled_notes(content, as_is=["key"])) == 2


@pytest.mark.parametrize(
    "text",
    ["CAFÉ…", "«CAFÉ»", "CAFÉ™", "SÃO", "MAÇÃ", "«MAÇû", "Peña", "日本語", "Привет", "5 °C ±2", "“Ñ”", "├──"],
)
def test_a_text_that_may_be_meant_is_not_noted(text: str) -> None:
    assert spoiled_notes(f"key,bot.id,label\na,100,{text}\n".encode()) == []


@given(
    st.text(st.sampled_from("aé ñáÑüõçãÍ¿¡–’€🏪"), min_size=1),
    st.sampled_from(["cp1252", "mac_roman", "cp850"]),
)
def test_what_was_read_in_another_encoding_is_found_again(text: str, encoding: str) -> None:
    try:
        spoiled = text.encode().decode(encoding)
    except UnicodeDecodeError:
        return
    assert text.isascii() or repaired(spoiled) in (text, repaired(text))


@pytest.mark.parametrize(
    "content",
    [
        "key,bot.id,label\na,100,Tienda Pe?a\nb,101,Listo? no\n",
        '{"key": "a", "bot": {"id": "100"}, "label": "Tienda Pe?a"}',
    ],
)
def test_a_question_mark_in_the_place_of_a_letter_is_noted(content: str) -> None:
    reading = Reading(io.BytesIO(content.encode()))
    assert sum(1 for _ in reading) == reading.good
    assert [note.replace("row 1 ", "row 2 ") for note in map(str, reading.notes) if "?" in note] == [
        "label: 1 text has a question mark within a word; row 2 has 'Pe?a': a letter may be lost; "
        "sent unchanged"
    ]


def test_lines_without_a_key_among_lines_with_one_are_noted() -> None:
    def notes(*lines: str) -> tuple[str, ...]:
        reading = Reading(io.BytesIO("\n".join(lines).encode()), ReadOptions())
        assert all(True for _ in reading)
        return tuple(map(str, reading.notes))

    [note] = notes('{"key": "a", "bot": {"id": "100"}}', '{"bot": {"id": "101"}}')
    assert "1 object has no key (first in row 2) where others have one" in note
    assert notes('{"bot": {"id": "100"}}', '{"bot": {"id": "101"}}') == ()


@pytest.mark.parametrize("footer", ["Generado el 2026-05-03,,,", "Elaborado por,Ana,,", "* provisional,,,"])
@pytest.mark.parametrize(
    "options", [ReadOptions(new_bots=True), ReadOptions(defaults={"bot": {"id": "100"}})]
)
def test_a_row_that_has_nothing_of_its_own_where_others_have_is_noted(
    footer: str, options: ReadOptions
) -> None:
    head = "key,label,bot.id,widget.properties.type\n"
    reading = Reading(io.BytesIO(f"{head}a,A,,normal\n{footer}\n".encode()), options)
    assert [type(each).__name__ for each in reading] == ["NewJob", "NewJob"]
    [note] = [note for note in map(str, reading.notes) if "nothing but a name" in note]
    assert f"row 3 is {footer.split(',')[0]!r}" in note
    bare = Reading(io.BytesIO(f"{head}a,A,,\n{footer}\n".encode()), options)
    assert len(list(bare)) == 2
    assert not [note for note in map(str, bare.notes) if "nothing but a name" in note]
