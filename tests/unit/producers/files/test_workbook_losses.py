"""Nothing that a workbook's XML holds is lost between the cell a person sees and the value that is read."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from producers.files.reading import Reading
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob
from tests.fixtures.workbook import MAIN, workbook

HEADERS = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>key</t></is></c>'
    '<c r="B1" t="inlineStr"><is><t>bot.id</t></is></c>'
    '<c r="C1" t="inlineStr"><is><t>label</t></is></c></row>'
)


def sheet(rows: str, *, before: str = "", after: str = "") -> bytes:
    """A workbook whose sheet holds the headers key, bot.id and label, and then these rows."""
    xml = f'<worksheet xmlns="{MAIN}">{before}<sheetData>{HEADERS}{rows}</sheetData>{after}</worksheet>'
    return workbook([], sheet_xml=xml)


def text(address: str, value: str) -> str:
    return f'<c r="{address}" t="inlineStr"><is><t>{value}</t></is></c>'


@pytest.mark.parametrize("how", ['hidden="1"', 'hidden="true"', 'width="0"', 'width="0.0"', 'width=".1"'])
def test_a_column_and_a_row_that_nobody_sees_are_noted(how: str) -> None:
    cells = text("A2", "k") + text("B2", "100")
    row = f'<row r="2" {how.replace("width", "ht")}>{cells}</row>'
    _, notes = read(sheet(row, before=f'<cols><col min="3" max="3" {how} customWidth="1"/></cols>'))
    assert notes == (
        "hidden rows were read like all others: row 2",
        "hidden columns were read like all others: C",
    )


@pytest.mark.parametrize("how", ['width="0.71"', 'width="10"', 'hidden="0"', 'width="9.0"', ""])
def test_a_narrow_column_is_seen(how: str) -> None:
    row = f'<row r="2" {how.replace("width", "ht")}>{text("A2", "k")}{text("B2", "100")}</row>'
    _, notes = read(sheet(row, before=f'<cols><col min="3" max="3" {how}/></cols>'))
    assert notes == ()


def with_part(content: bytes, part: str, old: str, new: str) -> bytes:
    """The same archive with a change in one of its parts; "*" is all of them."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(out, "w") as after:
        for info in before.infolist():
            data = before.read(info).decode()
            after.writestr(info.filename, data.replace(old, new) if part in (info.filename, "*") else data)
    return out.getvalue()


def read(content: bytes) -> tuple[list[NewJob | InvalidJobError], tuple[str, ...]]:
    with Reading(io.BytesIO(content)) as reading:
        return list(reading), tuple(map(str, reading.notes))


def bots(content: bytes) -> dict[str, str]:
    jobs, _ = read(content)
    found = {}
    for job in jobs:
        assert isinstance(job, NewJob), job.message
        found[job.key or ""] = json.loads(job.body)["bot"]["id"]
    return found


def problem(content: bytes) -> InvalidJobError:
    [found], _ = read(content)
    assert isinstance(found, InvalidJobError)
    return found


def stopped(content: bytes) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read(content)
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize("value", ["", "<v/>", "<v></v>"])
@pytest.mark.parametrize("formula", ["<f>1+1</f>", '<f t="shared" si="0"/>'])
def test_a_formula_without_a_saved_result_is_a_problem_of_its_cell(formula: str, value: str) -> None:
    found = problem(sheet(f'<row r="2">{text("A2", "a")}<c r="B2">{formula}{value}</c></row>'))
    assert found.message == "Tiendas!B2 is a formula without a saved result"
    assert found.field == "bot.id"
    assert "save it" in found.hint


def test_a_formula_that_made_an_empty_text_is_an_empty_cell() -> None:
    row = f'<row r="2">{text("A2", "a")}{text("B2", "1")}<c r="C2" t="str"><f>""</f><v></v></c></row>'
    assert bots(sheet(row)) == {"a": "1"}


@pytest.mark.parametrize(("stored", "good"), [("0", False), ("7", True)])
def test_a_stored_0_of_a_formula_is_no_id(stored: str, good: bool) -> None:
    row = f'<row r="2">{text("A2", "a")}<c r="B2"><f>C9</f><v>{stored}</v></c></row>'
    if good:
        assert bots(sheet(row)) == {"a": stored}
    else:
        assert "saved result is 0" in problem(sheet(row)).message


def test_a_stored_0_counts_for_nothing_in_a_workbook_that_was_never_computed() -> None:
    row = f'<row r="2">{text("A2", "a")}{text("B2", "1")}<c r="C2"><f>B9</f><v>0</v></c></row>'
    content = sheet(row)
    assert bots(content) == {"a": "1"}
    uncomputed = with_part(
        content, "xl/workbook.xml", "</workbook>", '<calcPr fullCalcOnLoad="1"/></workbook>'
    )
    assert problem(uncomputed).message == "Tiendas!C2 is a formula without a saved result"


def test_cells_out_of_column_order_stand_where_their_address_says() -> None:
    assert bots(sheet(f'<row r="2">{text("B2", "100")}{text("A2", "a")}</row>')) == {"a": "100"}


def test_rows_out_of_order_are_all_read_with_their_numbers() -> None:
    rows = "".join(
        f'<row r="{n}">{text(f"A{n}", f"k{n}")}{text(f"B{n}", str(n))}</row>' for n in (5, 2, 9, 3)
    )
    jobs, notes = read(sheet(rows))
    assert [job.row for job in jobs] == [5, 2, 9, 3]
    assert notes == ("4 blank rows were passed over",)


def test_rows_and_cells_without_an_address_follow_each_other() -> None:
    rows = '<row><c t="inlineStr"><is><t>a</t></is></c><c><v>100</v></c></row>'
    jobs, _ = read(sheet(rows))
    assert [job.row for job in jobs] == [2]
    assert bots(sheet(rows)) == {"a": "100"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (f'<row r="2">{text("A2", "a")}</row><row r="2">{text("A2", "b")}</row>', "row 2 twice"),
        (f'<row r="2">{text("A2", "a")}{text("A2", "b")}</row>', "the cell A2 twice"),
        (f'<row r="2">{text("A3", "a")}</row>', "the cell A3 stands in row 2"),
        (f'<row r="2">{text("ZZZ2", "a")}</row>', "beyond column XFD"),
        (f'<row r="2">{text("2", "a")}</row>', "is the name of no column"),
        ('<row r="2"><c r="A2" t="s"><v>9</v></c></row>', "a text that the file lacks"),
        ('<row r="2"><c r="A2" s="9"><v>9</v></c></row>', "a style that the file lacks"),
        ('<row r="0"/>', "a row beyond"),
        ('<row r="x"/>', "cannot be read"),
    ],
)
def test_a_sheet_that_contradicts_itself_is_refused(rows: str, said: str) -> None:
    assert said in stopped(sheet(rows))


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("<v>abc</v>", "no value of the type it claims"),
        ("<v>NaN</v>", "no value of the type it claims"),
        ("<v>1_0</v>", "no value of the type it claims"),
        ("<v>1e999</v>", "no value of the type it claims"),
    ],
)
def test_a_number_that_is_none_is_a_problem_of_its_cell(cell: str, said: str) -> None:
    found = problem(sheet(f'<row r="2">{text("A2", "a")}<c r="B2">{cell}</c></row>'))
    assert found.message == f"Tiendas!B2 holds {said}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("_x005F_x0041_", "_x0041_"),
        ("_x005F_x005F_x0041_", "_x005F_x0041_"),
        ("a_x0041_b", "aAb"),
        ("a_xD83D__xDE00_", "a😀"),
        ("_x41_", "_x41_"),
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_escaped_characters_are_decoded_once(written: str, meant: str, shared: bool) -> None:
    assert bots(workbook([("key", "bot.id"), (written, "1")], shared=shared)) == {meant: "1"}


def test_rich_text_is_joined_and_phonetic_text_left_out() -> None:
    rich = "<is><r><t>to</t></r><r><t>kyo</t></r><rPh sb='0' eb='1'><t>no</t></rPh></is>"
    row = f'<row r="2"><c r="A2" t="inlineStr">{rich}</c>{text("B2", "1")}</row>'
    assert bots(sheet(row)) == {"tokyo": "1"}


def test_what_an_extension_holds_is_no_part_of_the_cell() -> None:
    row = (
        f'<row r="2">{text("A2", "a")}<c r="B2"><v>1</v><extLst><ext><v>2</v></ext></extLst></c>'
        "<extLst><ext><c><v>3</v></c></ext></extLst></row>"
    )
    assert bots(sheet(row)) == {"a": "1"}


def test_a_workbook_whose_package_does_not_say_where_it_is_is_found_where_it_usually_is() -> None:
    content = with_part(workbook([("key", "bot.id"), ("a", "1")]), "_rels/.rels", "officeDocument", "other")
    assert bots(content) == {"a": "1"}


def test_strict_ooxml_is_read_like_any_other() -> None:
    content = workbook([("key", "bot.id"), ("a", (123.0, "00000"))])
    for old, new in [
        (MAIN, "http://purl.oclc.org/ooxml/spreadsheetml/main"),
        (
            "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            "http://purl.oclc.org/ooxml/officeDocument/relationships",
        ),
    ]:
        content = with_part(content, "*", old, new)
    assert bots(content) == {"a": "00123"}


def test_a_date_of_strict_ooxml_is_a_date() -> None:
    row = f'<row r="2">{text("A2", "a")}<c r="B2" t="d"><v>2026-03-01</v></c></row>'
    assert problem(sheet(row)).message == "Tiendas!B2 is a date or time, not text"


def test_a_part_that_is_there_twice_is_refused() -> None:
    out = io.BytesIO(workbook([("bot.id",), ("1",)]))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("xl/WORKSHEETS/main.xml", "<worksheet/>")
    assert "twice" in stopped(out.getvalue())


def test_a_part_whose_bytes_were_changed_is_refused() -> None:
    content = bytearray(with_part(workbook([("key", "bot.id"), ("a", "1")], shared=False), "", "", ""))
    at = content.index(b"<t>1</t>") + 3
    content[at : at + 1] = b"2"
    assert "CRC" in stopped(bytes(content))


def test_headers_that_come_after_rows_are_refused() -> None:
    rows = f'<row r="5">{text("A5", "bot.id")}</row><row r="2">{text("A2", "1")}</row>'
    xml = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    content = workbook([], sheet_xml=xml)
    assert "row 2 after row 5" in stopped(content)


def test_a_header_that_is_a_formula_without_a_result_is_named() -> None:
    row = '<row r="1"><c r="A1"><f>"bot.id"</f></c></row>'
    xml = f'<worksheet xmlns="{MAIN}"><sheetData>{row}</sheetData></worksheet>'
    assert "the header in Tiendas!A1" in stopped(workbook([], sheet_xml=xml))
