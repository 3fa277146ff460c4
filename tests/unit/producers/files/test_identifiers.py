"""What cannot be meant as an id is refused at every door, and a person may say that it is meant."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest

from producers.files.body import check_body, check_bot_id
from producers.files.jsonl import job_of
from producers.files.read_options import ReadOptions
from producers.files.reading import Reading
from producers.files.row_converter import RowConverter
from provisioning.errors import InvalidInputError, InvalidJobError
from provisioning.job import NewJob
from tests.fixtures.workbook import workbook

ODD_IDS = [
    "“100”",
    '"100',
    '="00123"',
    "'00123",
    "[100",
    "(1)",
    "1,",
    "100;101",
    "100,200,300",
    "100.200.300",
    "100'200'300",
    "100200300,00",
    "5.9E11",
    "NULL",
    "N/A",
    "None",
    "\\N",
    "-",
    "#NV",
    "Err:508",
    "Loading...",
    "12 %",
    "100 200",
    "caf\ufffd",
    "１００２００３００",
    "bot-٣",
]
SOUND_IDS = ["100200300", "+593987654321", "0042", "7E2", "a-b_c.d:e", "café", "5939@c.us", "NA"]

NOTHING_YET = [
    *[
        "s/n",
        "S/N.",
        "n.a.",
        "N/A",
        "n/a.",
        "n/d",
        "S.N.",
        "s/d",
        "TBD",
        "tba",
        "t.b.d.",
        "(null)",
        "<NA>",
        "NaN",
    ],
    *[
        "pendiente",
        "PENDIENTE!",
        "Pendente",
        "pending",
        "unknown",
        "desconocido",
        "ninguno",
        "nenhum",
        "vacío",
    ],
    *[
        "por-definir",
        "sin_asignar",
        "SinAsignar",
        "a definir",
        "no aplica",
        "não-informado",
        "sem número",
        "sin nº",
    ],
    *["not-available", "to be defined", "ERROR", "error!", "Erro", "[pending]", "Não há"],
    *["ídem", "IDEM.", "Ditto", "igual que arriba", "igual-al-anterior", "o mesmo", "Falta", "falta bot"],
    *["(en blanco)", "em branco", "aguardando"],
]
OTHER_VALUES = [
    *["TRUE", "FALSE", "false", "Verdadero", "FALSO", "VERDADEIRO", "sí", "no", "yes", "Não", "off"],
    *[
        "2026-01-02",
        "2026/1/2",
        "02/01/2026",
        "13.1.26",
        "1-2-2026",
        "1/2",
        "01/2026",
        "2026-01",
        "2-ene",
        "ene-26",
    ],
    *["2-Jan-2026", "31/dez/26", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00.000-05:00", "2026-01-02 10:00"],
    *["00:00", "12:30:00", "9:05", "23:59:59.5", "9:05 p. m.", "12:30:00Z"],
    *["-1", "-593987654321", "−1", "+1", "1.5", "-1.5", "0.25", ".5", "1,5", "12.", "٫٥", "1٫5"],
    *["0", "00", "000000000000", "٠", "０", "-0", "0.50"],
]
ALMOST = [
    *[
        "s-n-1",
        "NA-7",
        "pendiente-norte",
        "tbd.corp",
        "no-1",
        "true-north",
        "errors-inc",
        "nada-mas",
        "sin-1",
    ],
    *[
        "99-99-2026",
        "2026",
        "20260102",
        "10-20",
        "1.2.3",
        "25:61",
        "a:b",
        "12:345",
        "2026-13-01",
        "100-5",
        "1",
    ],
    *["bot-2026-01-02", "0042", "00:1A:2B", "10:2000", "y", "s", "n", "1-feb-x", "+5939876", "-a"],
]


@pytest.mark.parametrize("text", [*ODD_IDS, *NOTHING_YET, *OTHER_VALUES])
def test_what_cannot_be_a_bot_id_is_refused_in_cells_and_json_and_can_be_meant(text: str) -> None:
    [in_json] = check_body({"bot": {"id": text}, "widget": {}}, row=4)
    assert (in_json.row, in_json.field, "--as-is bot.id" in in_json.hint) == (4, "bot.id", True)
    assert check_body({"bot": {"id": text}, "widget": {}}, as_is=["bot.id"]) == []
    if text[0] != "[":  # no matter: an id's cell is never JSON
        assert isinstance(RowConverter.parse(["bot.id"]).job([text], 2), list)
    meant = RowConverter.parse(["bot.id"], ReadOptions(as_is=["bot.id"])).job([text], 2)
    assert isinstance(meant, NewJob)
    assert msgspec.json.decode(meant.body)["bot"]["id"] == text


@pytest.mark.parametrize("text", [*SOUND_IDS, *ALMOST])
def test_what_may_be_a_bot_id_passes(text: str) -> None:
    assert check_body({"bot": {"id": text}, "widget": {}}) == []
    assert isinstance(RowConverter.parse(["bot.id"]).job([text], 2), NewJob)


@pytest.mark.parametrize("text", ["TBD-2", "pendiente 3", "S/N 1", "null_7", "sin asignar 12"])
def test_words_for_nothing_are_no_bot_id_with_a_number_behind_them_either(text: str) -> None:
    wrong, hint = check_bot_id(text) or ("", "")
    assert str(wrong) == "the bot id stands for nothing"
    assert str(hint).startswith(
        "write the id there, or leave the row out until there is one; if it is correct"
    )


@pytest.mark.parametrize("text", OTHER_VALUES)
def test_a_tenant_may_call_itself_a_day_or_a_number(text: str) -> None:
    assert isinstance(job_of({"key": text, "bot": {"id": "100"}, "widget": {}}), NewJob)


@pytest.mark.parametrize("text", [*NOTHING_YET, *OTHER_VALUES])
def test_every_door_says_the_same_of_what_is_no_id(text: str) -> None:
    table = [("key", "bot.id"), ("k", text)]
    csv = "".join(f'"{key}","{bot}"\n' for key, bot in table).encode()
    line = json.dumps({"key": "k", "bot": {"id": text}}).encode()
    said = {tuple(map(str, check_bot_id(text) or ()))}
    for content in (csv, workbook(table), line):
        [problem] = Reading(io.BytesIO(content))
        assert isinstance(problem, InvalidJobError)
        assert problem.field == "bot.id"
        said.add((problem.message, problem.hint))
        [job] = Reading(io.BytesIO(content), ReadOptions(as_is=["bot.id"]))
        assert isinstance(job, NewJob)
        assert msgspec.json.decode(job.body)["bot"]["id"] == text
    assert len(said) == 1


@pytest.mark.parametrize(
    "key",
    [
        "S/N",
        "n.a.",
        "Por definir",
        "pendiente",
        "NULL",
        "n/a",
        "-",
        "#NV",
        "Err:508",
        "5.9E11",
        '="1"',
        "caf\ufffd",
    ],
)
def test_a_key_that_stands_for_nothing_is_refused_and_can_be_meant(key: str) -> None:
    body = {"key": key, "bot": {"id": "100"}, "widget": {}}
    problems = job_of(body)
    assert isinstance(problems, list)
    assert problems[0].field == "key"
    assert isinstance(job_of(body, ReadOptions(as_is=["key"])), NewJob)
    assert isinstance(RowConverter.parse(["key", "bot.id"]).job([key, "100"], 2), list)


DIGITS = ["0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "０１２３４５６７８９"]
DECIMAL_MARKS = [".", ",", "٫", "．", "，", "·", "⎖", "﹒", "،", "。"]
EXPONENTS = ["E+", "e+", "E-", "E−", "Ｅ＋", "E", "E\u200e+", "⏨"]


@pytest.mark.parametrize("exponent", EXPONENTS, ids=ascii)
@pytest.mark.parametrize("mark", DECIMAL_MARKS, ids=ascii)
@pytest.mark.parametrize("digits", DIGITS)
def test_a_number_that_lost_its_digits_is_no_identifier_in_any_script(
    digits: str, mark: str, exponent: str
) -> None:
    written = f"8{mark}53{exponent}12".translate(str.maketrans(DIGITS[0], digits))
    for path, member in (
        ("key", {"key": written, "bot": {"id": "100"}}),
        ("bot.id", {"bot": {"id": written}}),
        ("credentials.blackList", {"bot": {"id": "100"}, "credentials": {"blackList": ["x", written]}}),
    ):
        problems = job_of({"widget": {}, **member})
        assert isinstance(problems, list), path
        assert problems[0].field == path


@pytest.mark.parametrize("key", ["Café, Norte (2)", "7E2", "NA", "100.200.300", "tienda «x»"])
def test_a_key_is_the_tenants_own_text(key: str) -> None:
    assert isinstance(job_of({"key": key, "bot": {"id": "100"}, "widget": {}}), NewJob)


@pytest.mark.parametrize("item", ["#N/A", "5.9E+11", "5.9E11", "a\nb", "caf\ufffd", "NULL", "x\u200b"])
def test_an_item_of_a_list_is_an_identifier(item: str) -> None:
    lists = {"credentials": {"whiteList": ["cred-a", item]}}
    [in_json] = check_body({"bot": {"id": "100"}, "widget": {}, **lists})
    assert in_json.field == "credentials.whiteList"
    plan = RowConverter.parse(["bot.id", "credentials.whiteList"])
    problems = plan.job(["100", f"cred-a;{item}"], 2)
    assert isinstance(problems, list)
    assert problems[0].field == "credentials.whiteList"


@pytest.mark.parametrize("text", ["12345678901234500", "123456789012345000000"])
def test_a_number_that_a_spreadsheet_has_rounded_is_no_identifier_and_can_be_meant(text: str) -> None:
    for path, member in (
        ("key", {"key": text, "bot": {"id": "100"}}),
        ("bot.id", {"bot": {"id": text}}),
        ("credentials.blackList", {"bot": {"id": "100"}, "credentials": {"blackList": ["x", text]}}),
    ):
        problems = job_of({"widget": {}, **member})
        assert isinstance(problems, list)
        assert [(problem.field, "15 digits" in problem.message) for problem in problems] == [(path, True)]
        assert isinstance(job_of({"widget": {}, **member}, ReadOptions(as_is=[path])), NewJob)
        [problem] = Reading(io.BytesIO(f"key,bot.id\n{text},100\n".encode()))
        assert not isinstance(problem, NewJob)


@pytest.mark.parametrize("text", ["1234567890123450", "123456789012345010", "00123456789012345600", "9" * 20])
def test_a_long_number_that_may_be_whole_is_an_id(text: str) -> None:
    assert check_body({"bot": {"id": text}, "widget": {}}) == []


@pytest.mark.parametrize("key", ["🏪", "🏪🍕", "☕️", "→🏪"])
def test_a_picture_is_a_key(key: str) -> None:
    assert isinstance(job_of({"key": key, "bot": {"id": "100"}, "widget": {}}), NewJob)


@pytest.mark.parametrize(
    "path", ["label", "widget.x", "widget.theme.font.name", "widget.theme.vars.color.primary"]
)
def test_a_text_of_which_a_character_was_lost_is_a_problem(path: str) -> None:
    problems = RowConverter.parse(["bot.id", path]).job(["100", "Ca\ufffdé"], 2)
    assert isinstance(problems, list)
    [in_cell] = problems
    assert in_cell.field == path
    assert "a character was lost" in in_cell.message
    assert "UTF-8" in in_cell.hint
    value: Any = {"label": "Ca\ufffdé"}
    if path != "label":
        value = "Ca\ufffdé"
        for name in reversed(path.split(".")):
            value = {name: value}
    in_json = job_of({"bot": {"id": "100"}, "widget": {}, **value})
    assert isinstance(in_json, list)
    assert [(each.field, each.hint) for each in in_json] == [(path, in_cell.hint)]


def test_a_name_of_which_a_character_was_lost_is_a_problem() -> None:
    [problem] = check_body({"bot": {"id": "100"}, "widget": {"caf\ufffd": 1}})
    assert "a character was lost" in problem.message


def test_a_column_that_is_passed_over_may_hold_anything() -> None:
    plan = RowConverter.parse(["bot.id", "notas"], ReadOptions(maps={"notas": ""}))
    assert isinstance(plan.job(["100", "caf\ufffd 5.9E+11"], 2), NewJob)
    assert plan.seen.notes() == []


@pytest.mark.parametrize("line", ['{"key": null, "bot": {"id": "100"}}', '{"key": "", "bot": {"id": "100"}}'])
def test_a_key_that_is_null_is_empty_and_a_key_that_is_not_there_is_none(line: str) -> None:
    [problem] = Reading(io.BytesIO(line.encode()))
    assert not isinstance(problem, NewJob)
    assert (problem.field, problem.message) == ("key", "the key is empty")
    [job] = Reading(io.BytesIO(b'{"label": null, "credential": null, "bot": {"id": "100"}}'))
    assert isinstance(job, NewJob)


def test_only_identifiers_can_be_meant_as_they_stand() -> None:
    with pytest.raises(InvalidInputError, match="'label' is not a column of ids"):
        RowConverter.parse(["bot.id"], ReadOptions(as_is=["label"]))


def test_a_file_is_read_as_it_is_where_a_person_says_so() -> None:
    data = b"key,bot.id\nk,(1)\n"
    [problem] = Reading(io.BytesIO(data))
    assert not isinstance(problem, NewJob)
    [job] = Reading(io.BytesIO(data), ReadOptions(as_is=["bot.id"]))
    assert isinstance(job, NewJob)


@pytest.mark.parametrize(
    "cells", [["key", "Numero de Bot"], ["KEY", "NUMERO DE BOT"], ["numero de bot", "key"]]
)
def test_a_header_repeated_among_the_rows_is_no_tenant(cells: list[str]) -> None:
    plan = RowConverter.parse(["key", "Numero de Bot"], ReadOptions(maps={"Numero de Bot": "bot.id"}))
    problems = plan.job(cells, 9)
    assert isinstance(problems, list)
    assert "repeats a header" in problems[0].message
