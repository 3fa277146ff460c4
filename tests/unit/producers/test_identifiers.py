"""What cannot be meant as an id is refused at every door, and a person may say that it is meant."""

from __future__ import annotations

import io

import msgspec
import pytest

from producers.body import check_body
from producers.columns import Columns
from producers.jsonl import job_of
from producers.reading import Reading, ReadOptions
from provisioning.errors import InvalidInputError
from provisioning.job import NewJob

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
]
SOUND_IDS = ["100200300", "+593987654321", "0042", "7E2", "a-b_c.d:e", "café", "5939@c.us", "NA"]


@pytest.mark.parametrize("text", ODD_IDS)
def test_what_cannot_be_a_bot_id_is_refused_in_cells_and_json_and_can_be_meant(text: str) -> None:
    [in_json] = check_body({"bot": {"id": text}, "widget": {}}, row=4)
    assert (in_json.row, in_json.field, "--as-is bot.id" in in_json.hint) == (4, "bot.id", True)
    assert check_body({"bot": {"id": text}, "widget": {}}, as_is=["bot.id"]) == []
    if text[0] != "[":  # no matter: an id's cell is never JSON
        assert isinstance(Columns.parse(["bot.id"]).job([text], 2), list)
    meant = Columns.parse(["bot.id"], as_is=["bot.id"]).job([text], 2)
    assert isinstance(meant, NewJob)
    assert msgspec.json.decode(meant.body)["bot"]["id"] == text


@pytest.mark.parametrize("text", SOUND_IDS)
def test_what_may_be_a_bot_id_passes(text: str) -> None:
    assert check_body({"bot": {"id": text}, "widget": {}}) == []
    assert isinstance(Columns.parse(["bot.id"]).job([text], 2), NewJob)


@pytest.mark.parametrize("key", ["NULL", "n/a", "-", "#NV", "Err:508", "5.9E11", '="1"', "caf\ufffd"])
def test_a_key_that_stands_for_nothing_is_refused_and_can_be_meant(key: str) -> None:
    body = {"key": key, "bot": {"id": "100"}, "widget": {}}
    problems = job_of(body)
    assert isinstance(problems, list)
    assert problems[0].field == "key"
    assert isinstance(job_of(body, as_is=["key"]), NewJob)
    assert isinstance(Columns.parse(["key", "bot.id"]).job([key, "100"], 2), list)


@pytest.mark.parametrize("key", ["Café, Norte (2)", "7E2", "NA", "100.200.300", "tienda «x»"])
def test_a_key_is_the_tenants_own_text(key: str) -> None:
    assert isinstance(job_of({"key": key, "bot": {"id": "100"}, "widget": {}}), NewJob)


@pytest.mark.parametrize("item", ["#N/A", "5.9E+11", "5.9E11", "a\nb", "caf\ufffd", "NULL", "x\u200b"])
def test_an_item_of_a_list_is_an_identifier(item: str) -> None:
    lists = {"credentials": {"whiteList": ["cred-a", item]}}
    [in_json] = check_body({"bot": {"id": "100"}, "widget": {}, **lists})
    assert in_json.field == "credentials.whiteList"
    plan = Columns.parse(["bot.id", "credentials.whiteList"])
    problems = plan.job(["100", f"cred-a;{item}"], 2)
    assert isinstance(problems, list)
    assert problems[0].field == "credentials.whiteList"


def test_only_identifiers_can_be_meant_as_they_stand() -> None:
    with pytest.raises(InvalidInputError, match="'label' is no column of identifiers"):
        Columns.parse(["bot.id"], as_is=["label"])


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
    plan = Columns.parse(["key", "Numero de Bot"], maps={"Numero de Bot": "bot.id"})
    problems = plan.job(cells, 9)
    assert isinstance(problems, list)
    assert "repeats a header" in problems[0].message
