"""An Excel workbook as the body of a batch: read as the command line reads it, in bounded memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from api.upload import OTHER_BYTES, SHEET_RATIO, XLSX
from tests.fixtures.workbook import MAIN, workbook
from tests.support.http_server import Server, problem, running_server

MAX_BODY = 1 << 20
HEAD = ["key", "bot.id", "label"]
ROWS = [HEAD, ["w1", "100", "uno"], ["w2", "", "dos"], ["w3", "300", "tres"]]


@pytest.fixture(scope="module")
def server(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    folder = tmp_path_factory.mktemp("serve")
    with running_server(valkey_url, folder, API_MAX_BODY=str(MAX_BODY)) as server:
        yield server


def with_part(name: str, content: bytes, *, packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A workbook of three rows one part of which is another."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(ROWS))) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            new.writestr(part, content if part == name else old.read(part), packed if part == name else None)
    return file.getvalue()


def test_a_workbook_is_read_row_by_row_like_a_csv(server: Server) -> None:
    answer = server.post("/v1/batches?name=book", workbook(ROWS), Content_Type=XLSX)
    assert answer.status_code == 202, answer.text
    taken = answer.json()
    assert (taken["rows"], taken["accepted"], taken["bad_rows"]) == (3, 2, 1)
    assert [(each["row"], each["key"]) for each in taken["jobs"]] == [(2, "w1"), (4, "w3")]
    assert [(each["row"], each["field"]) for each in taken["problems"]] == [(3, "bot.id")]
    again = server.post("/v1/batches?name=book", workbook(ROWS), Content_Type=XLSX).json()
    assert (again["accepted"], again["verdicts"]["queued"]) == (0, 2)


def test_a_sheet_is_chosen_and_a_note_names_the_parameter(server: Server) -> None:
    book = workbook([HEAD, ["s1", "100", "x"]], cover="Tiendas 2026", other_sheets=["Otra"])
    answer = server.post("/v1/batches?name=sheets&sheet=Tiendas", book, Content_Type=XLSX)
    assert answer.status_code == 202, answer.text
    refused = server.post("/v1/batches?name=none&sheet=Nada", book, Content_Type=XLSX)
    assert (problem(refused), "no sheet 'Nada'" in refused.json()["detail"]) == ("invalid", True)
    assert "Tiendas" in refused.json()["hint"]
    first = server.post("/v1/batches?name=first", book, Content_Type=XLSX)
    assert (problem(first), first.json()["hint"]) == ("invalid", "the sheet 'Tiendas' does: sheet=Tiendas")
    several = workbook([HEAD, ["s2", "100", "x"]], other_sheets=["Otra"])
    [note] = server.post("/v1/batches?name=several", several, Content_Type=XLSX).json()["notes"]
    assert "(sheet=NAME reads one)" in note


def test_settings_of_a_table_apply_and_those_of_text_are_refused(server: Server) -> None:
    book = workbook([["id", "bot"], ["m1", "100"]])
    answer = server.post("/v1/batches?name=mapped&map=id%3Dkey&map=bot%3Dbot.id", book, Content_Type=XLSX)
    assert answer.status_code == 202, answer.text
    for setting in ("delimiter=,", "encoding=utf-8"):
        assert problem(server.post(f"/v1/batches?name=no&{setting}", book, Content_Type=XLSX)) == "invalid"
    csv = b"key,bot.id\nc1,100\n"
    assert problem(server.post("/v1/batches?name=no&sheet=A", csv, Content_Type="text/csv")) == "invalid"


def test_text_sent_as_a_workbook_and_a_workbook_sent_as_text_are_named(server: Server) -> None:
    text = server.post("/v1/batches?name=no", b"key,bot.id\nc1,100\n", Content_Type=XLSX)
    assert (problem(text), "its Content-Type" in text.json()["detail"]) == ("invalid", True)
    book = server.post("/v1/batches?name=no", workbook(ROWS), Content_Type="text/csv")
    assert (problem(book), "an Excel file" in book.json()["detail"]) == ("invalid", True)
    assert "Content-Type" in book.json()["hint"]
    for answer in (text, book):
        assert "--" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        workbook(ROWS)[:-30],
        workbook(ROWS).replace(b"PK\x01\x02", b"PK\x09\x09", 1),
        b"PK\x03\x04" + bytes(1000),
        with_part("xl/worksheets/main.xml", b"<worksheet><sheetData><row"),
        with_part("xl/workbook.xml", b""),
    ],
    ids=["cut", "no-list", "nothing", "half-a-sheet", "no-book"],
)
def test_a_damaged_workbook_is_refused_and_nothing_of_it_is_kept(server: Server, body: bytes) -> None:
    answer = server.post("/v1/batches?name=damaged", body, Content_Type=XLSX)
    assert problem(answer) == "invalid", answer.text
    assert server.get("/v1/batches/damaged").status_code == 404


BLANK = b" " * 1024


@pytest.mark.parametrize(
    ("part", "size"),
    [
        ("xl/worksheets/main.xml", SHEET_RATIO * MAX_BODY),
        ("xl/sharedStrings.xml", MAX_BODY),
        ("xl/styles.xml", OTHER_BYTES),
        ("xl/workbook.xml", OTHER_BYTES),
        ("xl/_rels/workbook.xml.rels", OTHER_BYTES),
    ],
)
def test_a_part_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    server: Server, part: str, size: int
) -> None:
    bomb = with_part(part, BLANK * (size // 1024 + 1))
    assert len(bomb) < MAX_BODY // 10
    answer = server.post("/v1/batches?name=bomb", bomb, Content_Type=XLSX)
    assert problem(answer) == "invalid", answer.text
    assert f"unpacks to too much: {part}" in answer.json()["detail"]
    assert server.get("/v1/batches/bomb").status_code == 404


def test_a_body_larger_than_the_limit_is_refused_however_it_is_packed(server: Server) -> None:
    book = with_part("xl/styles.xml", bytes(MAX_BODY), packed=zipfile.ZIP_STORED)
    assert problem(server.post("/v1/batches?name=large", book, Content_Type=XLSX)) == "too-large"


def test_a_workbook_that_refers_to_files_of_the_server_is_refused(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret-of-the-server")
    sheet = (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]><worksheet xmlns="{MAIN}"><sheetData>'
        '<row r="1"><c t="inlineStr"><is><t>&e;</t></is></c></row></sheetData></worksheet>'
    )
    answer = server.post("/v1/batches?name=xxe", workbook([], sheet_xml=sheet), Content_Type=XLSX)
    assert problem(answer) == "invalid"
    assert "s3cret" not in answer.text
