"""What we say that a cell shows is what other programs show; where we cannot say it, its kind says so."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import xlsxwriter

from producers.files.cell_kinds import CellKind
from producers.files.csv_file import CsvRows
from producers.files.format_sections import MAX_CODE
from producers.files.number_format import BUILT_IN, NumberFormat
from producers.files.text import Lines
from tests.workbooks import npm
from tests.workbooks.cells import FIRST_ROW
from tests.workbooks.libreoffice import csv_of

Value = int | float | str
Pair = tuple[str, Value]

CLAIMED = (None, CellKind.DAY, CellKind.PERCENTAGE)
"""The kinds of cells that are read as they are shown."""

FORMATS = [
    *("General", "0", "#", "@", "00000", '"EC"00000', "+0", "-0", "--0", '0"x"', '"a"0"b"', "$0", "€0", "0é"),
    *(
        "000-000-0000",
        "(000) 000-0000",
        "00 00 00 00 00",
        "# ##0",
        "+# ### ### ###",
        "00:00",
        "0\\-00",
        "#-000",
    ),
    *(
        "0;(0)",
        "0;-0",
        "0;0",
        "-0;0",
        '0;-0;"zero"',
        "0;-0;0;@",
        '0;-0;;"t"@',
        "0;@",
        '"x"0;@',
        "0;0;0",
        ";;;",
    ),
    *(
        "[Red]0;[Blue]-0",
        "[Color5]0",
        "[$-409]0",
        "[$€-407]0",
        "[$US$-409] 0",
        "0_)",
        "0_);(0)",
        "_-0",
        "* 0",
    ),
    *("0* ", "_-* #0_-", "_($* 0_)", "*-0", "?0", "0?", "???", "0?0", "#0", "0#", "#000", "0-#", "#-#"),
    *("[>9]0;00", "[<=9999999]###-####;(###) ###-####", '[=1]"yes";[=0]"no";0', "[>5]0", "[=7]000;[>99]0;00"),
    *('"x"General', 'General"x"', "General;-General", "General_)", '"EC"@', '@"x"', "@@", "_-@_-", "* @"),
    *(
        "0%",
        "0 %",
        "#%",
        "00%",
        "0.0%",
        '0"%"',
        "0\\%",
        "0.00",
        "#,##0",
        "0,",
        "# ?/?",
        "0.00E+00",
        "##0.0E+0",
    ),
    *(
        "yyyy-mm-dd",
        "yyyy\\-mm\\-dd;@",
        "dd.mm.yyyy",
        "d-m-yy",
        "yyyymmdd",
        "dd/mm/yyyy",
        "d mmm yyyy",
        "[h]:mm",
    ),
    *("E0", "N0", "0!0", "Standard", "[DBNum1]0", "[$-F800]dddd", "mm:ss.0", "10", "0'0", "^0", "~0", "<0>"),
]
NUMBERS: list[Value] = [
    *(
        0,
        1,
        -1,
        5,
        7,
        10,
        123,
        -123,
        45000,
        45000.75,
        100200300,
        593987654321,
        -593987654321,
        999999999999999,
    ),
    *(0.5, -0.5, 0.125, 1.5, 1234.5, 99999.9, -0.001, 1e15, 12345678901234567, "k 1"),
]

UNKNOWN_TO_SHEETJS = {
    "[$-409]0": "takes the language for a currency",
    'General"x"': "leaves out what follows General",
    "General_)": "leaves out what follows General",
    "0?": "shows a 0 for a ?",
    "#0": "leaves out a 0",
    "0#": "leaves out a 0",
    "0?0": "puts the sign among the digits",
    **dict.fromkeys(("?0", "???", "# ##0"), "puts the sign among the digits"),
    "00%": "shows a sign before 0",
    **dict.fromkeys(("0-#", "#-#", "#-000", "000-000-0000", "(000) 000-0000"), "leaves out digits"),
    "[<=9999999]###-####;(###) ###-####": "leaves out digits",
}
"""Formats of which SheetJS shows some numbers otherwise than spreadsheets do, LibreOffice among them."""


def shown(pair: Pair) -> tuple[str, CellKind | None]:
    code, value = pair
    made = NumberFormat(code)
    return made.text(value) if isinstance(value, str) else made.number(float(value))


def by_sheetjs(pairs: Sequence[Pair]) -> list[str | None]:
    texts: list[str | None] = npm.run("sheetjs.js", {"formats": pairs})["texts"]
    return texts


def by_libreoffice(pairs: Sequence[Pair], folder: Path, country: str = "en-US") -> list[str]:
    path = folder / "formats.xlsx"
    with xlsxwriter.Workbook(path) as book:
        formats = {code: book.add_format({"num_format": code}) for code, _ in pairs}
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["shown", "end"])
        sheet.set_column(0, 0, 60)
        for row, (code, value) in enumerate(pairs, 1):
            sheet.write(row, 0, value, formats[code])
            sheet.write(row, 1, "end")
    [content] = csv_of([path], country=country)
    rows = CsvRows(Lines([content], "utf-8"), FIRST_ROW, delimiter=",")
    return [row.cells[0] for row in rows if not isinstance(row, Exception)]


def in_full(pair: Pair) -> bool:
    """Whether we read all digits where a spreadsheet shows some: scientific notation, and long numbers."""
    code, value = pair
    long = isinstance(value, int) and abs(value) > 1e11 and ("General" in code or "@" in code)
    return long or "E+" in code


def claims(pairs: Sequence[Pair]) -> dict[Pair, str]:
    """What we say that these cells show, without room at its edges."""
    return {
        pair: text.strip()
        for pair in pairs
        for text, kind in [shown(pair)]
        if kind in CLAIMED and not in_full(pair)
    }


@pytest.mark.parametrize("country", ["en-US", "es-ES", "de-DE", "da-DK", "ar-SA"])
def test_what_is_claimed_is_what_libreoffice_shows_in_every_country(country: str, tmp_path: Path) -> None:
    pairs = [(code, value) for code in FORMATS for value in NUMBERS]
    claimed = claims(pairs)
    theirs = dict(zip(pairs, by_libreoffice(pairs, tmp_path, country), strict=True))
    assert len(claimed) > 1000
    assert claimed == {pair: theirs[pair].strip() for pair in claimed}


def test_what_is_claimed_is_what_sheetjs_shows_of_the_formats_that_it_knows() -> None:
    pairs = [(code, value) for code in FORMATS if code not in UNKNOWN_TO_SHEETJS for value in NUMBERS]
    theirs = dict(zip(pairs, by_sheetjs(pairs), strict=True))
    claimed = {pair: text for pair, text in claims(pairs).items() if theirs[pair] is not None}
    assert len(claimed) > 700
    assert claimed == {pair: str(theirs[pair]).strip() for pair in claimed}


def test_what_is_claimed_of_formats_nobody_thought_of_is_what_one_of_them_shows(tmp_path: Path) -> None:
    pairs = list(dict.fromkeys(_drawn(random.Random(20))))
    claimed = claims(pairs)
    sheetjs = dict(zip(pairs, by_sheetjs(pairs), strict=True))
    libreoffice = dict(zip(pairs, by_libreoffice(pairs, tmp_path), strict=True))
    assert len(claimed) > 4000
    assert [
        (pair, text, sheetjs[pair], libreoffice[pair])
        for pair, text in claimed.items()
        if text not in ((sheetjs[pair] or "").strip(), libreoffice[pair].strip())
    ] == []


def _drawn(draw: random.Random) -> list[Pair]:
    """Formats of one to three sections, as people build them, each with some numbers and a text."""
    literals = ['"EC"', '"a b"', "\\x", "\\-", "-", "+", "(", ")", "$", "[$€-407]", "_)", "_-", ":", "=", "~"]
    digits = [
        "0",
        "00",
        "00000",
        "#",
        "#0",
        "###",
        "?",
        "??0",
        "0%",
        "#,##0",
        "0.00",
        "General",
        "General",
        "@",
    ]
    dates = ["yyyy\\-mm\\-dd", "dd.mm.yy", "d m", "yyyymmdd", "dd/mm/yyyy", "mmm yy", "h:mm"]
    starts = ["", "", "", "", "[Red]", "[Color3]", "[$-409]", "[>100]", "[=7]", "[<=9999]"]
    pairs: list[Pair] = []
    for _ in range(3000):
        sections = []
        for _ in range(draw.choice([1, 1, 1, 2, 2, 3])):
            core = [draw.choice(dates if draw.random() < 0.15 else digits)]
            if core[0] in digits[:8] and draw.random() < 0.4:
                core += [draw.choice(literals), draw.choice(digits[:8])]
            before = [draw.choice(literals) for _ in range(draw.choice([0, 0, 1, 2]))]
            after = [draw.choice(literals) for _ in range(draw.choice([0, 0, 0, 1]))]
            sections.append("".join([draw.choice(starts), *before, *core, *after]))
        code = ";".join(sections)
        pairs += [(code, value) for value in [*draw.sample(NUMBERS[:-1], 4), "k 1"]]
    return pairs


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize(
    "code", ["0" * (MAX_CODE + 1), '"' * 9, "\\", "[", "_", "*", ";" * 9, "[>]0", "\x00"]
)
def test_a_format_that_no_spreadsheet_takes_makes_no_claim_but_of_texts_it_does_not_speak_of(
    code: str, value: Value
) -> None:
    text, kind = shown((code, value))
    assert kind not in CLAIMED or text == value


def test_every_format_known_by_its_number_is_understood() -> None:
    for code in BUILT_IN.values():
        assert shown((code, 7))[1] is not CellKind.FORMATTED or "?" in code


def test_days_that_spreadsheets_do_not_agree_on_are_not_claimed() -> None:
    made = NumberFormat("yyyy-mm-dd")
    assert made.number(60)[1] is CellKind.DATE
    assert made.number(61) == ("1900-03-01", CellKind.DAY)
    assert made.number(0, since_1904=True) == ("1904-01-01", CellKind.DAY)
    assert made.number(2_958_465) == ("9999-12-31", CellKind.DAY)
    assert made.number(2_958_466)[1] is CellKind.DATE
    assert made.number(2_957_003, since_1904=True) == ("9999-12-31", CellKind.DAY)
    assert made.number(2_957_004, since_1904=True)[1] is CellKind.DATE
