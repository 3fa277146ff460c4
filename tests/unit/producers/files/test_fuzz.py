"""Whatever bytes come in: no traceback, no silent row."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from producers.files.file_kinds import Format
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.files.text import Lines
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob
from tests.fixtures.make_nasty_files import NASTY
from tests.fixtures.workbook import MAIN, workbook

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from([Format.CSV, Format.TSV, Format.JSONL, Format.XLSX]),
        "new_bots": st.booleans(),
        "encoding": st.sampled_from(["utf-8", "utf-16", "cp1252", "gb18030", "utf-7", "idna", "ascii"]),
        "delimiter": st.sampled_from([",", ";"]),
    },
)


def digest(content: bytes, **options: Any) -> tuple[list[NewJob | InvalidJobError], Reading | None]:
    """What reading gives until it ends or stops; any other exception is the test's failure."""
    items: list[NewJob | InvalidJobError] = []
    reading = None
    with suppress(InvalidInputError):
        reading = Reading(io.BytesIO(content), ReadOptions(**options))
        items.extend(reading)
    if reading is not None:
        rows = {item.row for item in items}
        jobs = sum(isinstance(item, NewJob) for item in items)
        # Every row that was read is spoken of, and no row is both a job and a problem.
        assert len(rows) == reading.rows == reading.good + reading.bad
        assert jobs == reading.good
        assert all(reading.notes)
    return items, reading


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), OPTIONS)
def test_random_bytes_never_raise_anything_else(content: bytes, options: dict[str, Any]) -> None:
    digest(content, **options)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"a", b"100", b",", b";", b'"', b"\n", b"\r\n", b"\xf1", "ñ".encode(), b"\0", b" ", b"'", b"{"]
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_a_sound_header_over_random_scraps_never_raises_anything_else(
    scraps: list[bytes], new_bots: bool
) -> None:
    digest(b"key,bot.id,widget.x,widget.x.y\n" + b"".join(scraps), new_bots=new_bots)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NASTY), st.data())
def test_a_spoiled_file_never_raises_anything_else(nasty: Any, data: st.DataObject) -> None:
    content = bytearray(nasty.content[:4000])
    for _ in range(data.draw(st.integers(1, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    digest(bytes(content), **nasty.options)


_SHEET = f'<worksheet xmlns="{MAIN}"><sheetData><row r="1"><c t="str"><v>bot.id</v></c></row>'


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "<row>",
                "</row>",
                "<c>",
                "</c>",
                "<v>",
                "</v>",
                "1",
                "x",
                '<c r="B9">',
                '<c t="s">',
                '<c s="9">',
                "<t>",
                '<c r="ZZZZ1">',
                '<row r="x">',
                "1e999",
                "nan",
                "-1",
                '<c t="b">',
                '<c r="1">',
                "<rPh>",
                "</rPh>",
            ]
        ),
        max_size=20,
    )
)
@example(["<row>", "<c>", "<v>", "nan", "</v>", "</c>", "</row>"])
@example(['<c r="B9">', "</c>"])
def test_a_sheet_of_random_tags_never_raises_anything_else(tags: list[str]) -> None:
    digest(workbook([], sheet_xml=_SHEET + "".join(tags) + "</sheetData></worksheet>"))


_SOUND = workbook(
    [
        ("key", "bot.id", "label"),
        ("a", "100", (0.5, "0%")),
        ("b", 200, None),
        ("c", True, (45658.0, "d/m/yy")),
    ],
    other_sheets=["Viejo"],
)
_SCRAPS = st.sampled_from(
    [
        b"",
        b"<",
        b"/>",
        b'"',
        b"&#0;",
        b"&x;",
        b"-1",
        b"1e999",
        b"\xff",
        b"<row>",
        b"</c>",
        b' r="A1"',
        b' t="s"',
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_workbook_with_a_spoiled_part_never_raises_anything_else(data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(_SOUND)) as sound:
        parts = {name: sound.read(name) for name in sound.namelist()}
    spoiled = data.draw(st.sampled_from(sorted(parts)))
    if data.draw(st.integers(0, 9)) == 0:
        del parts[spoiled]
    else:
        text = parts[spoiled]
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        parts[spoiled] = text[:start] + data.draw(_SCRAPS) + text[end:]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    digest(file.getvalue())


@given(st.binary(max_size=200), st.integers(0, 40))
def test_random_bytes_inside_gzip_never_raise_anything_else(content: bytes, cut: int) -> None:
    packed = gzip.compress(content, mtime=0)
    digest(packed[: len(packed) - cut])


@settings(deadline=None)
@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=1, max_size=4), max_size=8)
)
def test_rows_out_and_problems_are_the_records_in(table: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["key", "bot.id", "label"], *table])
    _, reading = digest(b"\xef\xbb\xbf" + text.getvalue().encode())
    blank = sum(all(char.isspace() or char in ',;|"\x1a' for char in "".join(row)) for row in table)
    assert reading is not None
    assert reading.rows == len(table) - blank
    assert reading.blank == blank


_WORDS = "key Label BOT-ID # #quito #N/A Total TOTAL: 2 100200300 +5939 centro 5.9E+11 NULL 🏪 {} [ x;y"
_CELLS = st.sampled_from(["", "", " ", "# x", "ca\ufffd", "12345678901234500000", *_WORDS.split()])


@settings(max_examples=300, deadline=None)
@given(
    st.permutations(["key", "label", "Bot", "widget.x", "notas", "credentials.whiteList"]),
    st.lists(st.lists(_CELLS, min_size=1, max_size=6), max_size=8),
    st.booleans(),
    st.lists(st.sampled_from(["key", "bot.id", "credentials.whiteList"]), max_size=3),
    st.booleans(),
)
def test_every_row_that_is_not_blank_is_either_read_or_refused(
    headers: list[str], table: list[list[str]], new_bots: bool, as_is: list[str], packed: bool
) -> None:
    options = {"maps": {"Bot": "bot.id", "notas": ""}, "new_bots": new_bots, "as_is": as_is}
    if packed:
        content = workbook([tuple(headers), *map(tuple, table)])
    else:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([headers, *table])
        content = text.getvalue().encode("utf-8-sig")
    items, reading = digest(content, **options)
    filled = {row for row, cells in enumerate(table, 2) if "".join(cells).strip()}
    read = {item.row for item in items if isinstance(item, NewJob)}
    refused = {item.row for item in items if isinstance(item, InvalidJobError)}
    assert reading is not None
    assert read | refused == filled
    assert not read & refused


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 7))
def test_how_the_bytes_are_cut_changes_nothing(content: bytes, size: int) -> None:
    def lines(chunks: list[bytes]) -> tuple[list[str], str]:
        found: list[str] = []
        try:
            found.extend(Lines(chunks))
        except InvalidInputError as error:
            return found, error.message
        return found, ""

    assert lines([content]) == lines([content[at : at + size] for at in range(0, len(content), size)])
