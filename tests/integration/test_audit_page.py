"""The page of the audit: filters, older pages, and the file for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from provisioning.ledger import Ledger, keys
from provisioning.ledger.tokens import Scope
from tests.integration.test_console_security import visit
from tests.support.http_server import Server, running_server
from tests.support.ledger_fixtures import fill, new_job


@pytest.fixture(scope="module")
def server(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path_factory.mktemp("audit"), API_RATE="unlimited") as server:
        yield server


async def rows(client: httpx.AsyncClient, **asked: str) -> list[dict[str, str]]:
    """The rows of the file."""
    answered = await client.get("/audit.csv", params=asked)
    assert answered.status_code == 200, answered.text
    assert answered.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answered.text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(answered.text.removeprefix("\ufeff"))))


async def test_the_page_and_the_file_show_the_acts_that_are_asked_for(server: Server, ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"))
    await ledger.operations.note("pause", actor="ana", on="batch:b1", justification="of ana")
    await ledger.operations.note("resume", actor="eva", on="credential:acme", justification="of eva")
    async with visit(server, ledger, Scope.READ) as client:
        for asked in ({"on": "b1"}, {"on": "batch:b1"}, {"by": "ana"}, {"act": "pause"}):
            text = (await client.get("/audit", params=asked)).text
            assert ("of ana" in text, "of eva" in text) == (True, False), asked
            assert [each["why"] for each in await rows(client, **asked)] == ["of ana"]
        assert [each["act"] for each in await rows(client)] == ["resume", "pause"]
        none = (await client.get("/audit?on=b2")).text
        assert "No action fits these filters." in none
        assert "<tbody>" not in none
        assert "/audit.csv" not in none
        assert (
            "/audit.csv?on=b1&amp;since=2020-01-01T00%3A00"
            in (await client.get("/audit?on=b1&since=2020-01-01T00:00&act=")).text
        )


async def test_a_time_is_one_of_the_servers_clock_and_any_other_text_is_refused(
    server: Server, ledger: Ledger
) -> None:
    await ledger.operations.note("pause", actor="ana", on="all")
    early, late = (
        time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() + seconds)) for seconds in (-120, 120)
    )
    async with visit(server, ledger, Scope.READ) as client:
        for since, until, count in ((early, late, 1), (late, "", 0), ("", early, 0), ("", "", 1)):
            assert len(await rows(client, since=since, until=until)) == count
        assert f'value="{early}"' in (await client.get("/audit", params={"since": early})).text
        assert await rows(client, until="1960-01-01") == []
        assert len(await rows(client, until="9999-12-31T23:59")) == 1
        for wrong in ("yesterday", "2026-13-01T00:00", "1" * 31):
            for path in ("/audit", "/audit.csv"):
                refused = await client.get(path, params={"since": wrong})
                assert (refused.status_code, "Error" in refused.text) == (422, True), (path, wrong)


async def test_a_cell_of_the_file_is_no_formula_and_steers_no_terminal(
    server: Server, ledger: Ledger
) -> None:
    await ledger.operations.note(
        "=cmd()",
        actor="+eva\x1b[2J",
        on="credential:@a;=1",
        justification='-1;=HYPERLINK("x")\n=2',
        facts={"=x": "=y", "n": 3},
    )
    async with visit(server, ledger, Scope.READ) as client:
        [row] = await rows(client)
    for cell in row.values():
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
        assert not re.search(r"[;\t\n][=+@-]", cell), cell
        assert cell.isprintable()
    assert row["result"] == "'=x: =y, n: 3"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["at"])


async def test_the_file_has_the_acts_of_all_pages_and_a_page_leads_to_the_older(
    server: Server, ledger: Ledger
) -> None:
    pipeline = ledger.redis.pipeline(transaction=False)
    for n in range(1, 1202):
        value = b'{"act":"pause","at":%d,"by":"p%d","on":"all"}' % (n, n)
        pipeline.xadd(keys.AUDIT, {"act": value}, id=f"{n}-0")
    await pipeline.execute()
    async with visit(server, ledger, Scope.READ) as client:
        whole = await rows(client, act="pause")
        assert [each["by"] for each in whole] == [f"p{n}" for n in range(1201, 0, -1)]
        seen: list[str] = []
        path = "/audit?act=pause"
        while path:
            text = (await client.get(path)).text
            seen += re.findall(r'data-label="By">(p\d+)<', text)
            found = re.search(r'rel="next" href="([^"]+)"', text)
            path = unescape(found[1]) if found else ""
        assert seen == [each["by"] for each in whole]


async def test_the_file_shows_an_owner_no_act_of_another_and_nobody_without_a_session_any(
    server: Server, ledger: Ledger
) -> None:
    await fill(ledger, new_job("k1"), owner="crm")
    await ledger.operations.note("pause", actor="crm-person", on="batch:b1")
    await ledger.operations.note("pause", actor="operator", on="credential:acme")
    async with visit(server, ledger, Scope.READ, owner="shop") as shop:
        assert [each["by"] for each in await rows(shop)] == ["operator"]
    async with visit(server, ledger, Scope.READ, owner="crm") as crm:
        assert [each["by"] for each in await rows(crm)] == ["operator", "crm-person"]
    async with httpx.AsyncClient(base_url=server.url) as nobody:
        refused = await nobody.get("/audit.csv")
        assert (refused.status_code, "crm-person" in refused.text) == (303, False)
