"""Who may see and do what on the pages, whatever a browser or another site sends."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.web.site import READING, WRITING
from provisioning.ledger import Ledger, Selection
from provisioning.ledger.bulk_acts import Asked, Verb
from provisioning.ledger.sessions import IDLE, LONGEST, Sessions
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import Event, State
from tests.support.http_server import Server, running_server
from tests.support.ledger_fixtures import Clock, answer, claim, fill, new_job, say, send

ALL = [scope for scope in Scope if scope is not Scope.METRICS]
BULK_ACT = "a" * 16
THINGS = {
    "batch": "b1",
    "job": "b1.1",
    "bulk_act": BULK_ACT,
    "file": "failed.csv",
    "draft": "d" * 16,
    "row": 2,
}


def _paths(modules: Sequence[Any], method: str) -> list[str]:
    """Every path of these modules with a thing of `b1`'s in it, or for an act without one."""
    return [
        route.path.format(**THINGS)
        for module in modules
        for route in module.router.routes
        if method in route.methods
        and (method == "POST" or {"batch", "job", "bulk_act", "draft"} & {*route.param_convertors})
    ]


ACTS = _paths(WRITING, "POST")
OWN = ["/send"]  # it makes a thing of whoever asks
SHARED = [path for path in ACTS if path.startswith(("/holds/", "/paces"))]
PAGES = [*_paths((*READING, *WRITING), "GET"), "/live?batch=b1", f"/live?bulk_act={BULK_ACT}"]


@pytest.fixture(scope="module")
def server(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path_factory.mktemp("pages"), API_RATE="unlimited") as server:
        yield server


@contextlib.asynccontextmanager
async def visit(
    server: Server, ledger: Ledger, *scopes: Scope, owner: str = "default"
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has signed in with a new token of these scopes."""
    _, token = await ledger.tokens.create(f"t{time.monotonic_ns()}", scopes, owner=owner)
    headers = {"Origin": server.url}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
        answered = await client.post("/sign-in", data={"token": token, "next": "/batches"})
        assert answered.status_code == 303, answered.text
        yield client


async def form_token(client: httpx.AsyncClient) -> str:
    """What the forms of this session carry."""
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', (await client.get("/batches")).text)
    assert found is not None
    return found[1]


async def test_every_page_wants_a_session_and_comes_back_to_the_page(server: Server, ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"))
    async with httpx.AsyncClient(base_url=server.url) as client:
        for path in ("/", "/batches", "/batches/b1", "/jobs/b1.1", "/audit", "/workers?x=1"):
            refused = await client.get(path)
            assert refused.status_code == 303
            assert refused.headers["Location"].startswith("/sign-in")
        asked = await client.get("/batches/b1")
        assert asked.headers["Location"] == "/sign-in?next=%2Fbatches%2Fb1"
        for elsewhere in ("https://thief.example/", "//thief.example", "/\\thief.example"):
            page = await client.get("/sign-in", params={"next": elsewhere})
            assert "thief" not in page.text


async def test_no_act_is_done_for_who_may_not_operate_or_sends_no_form_of_the_session(
    server: Server, ledger: Ledger
) -> None:
    await fill(ledger, new_job("k1"))
    before = await ledger.queries.status("b1")
    async with (
        visit(server, ledger, Scope.READ) as reader,
        visit(server, ledger, *ALL) as operator,
    ):
        right = await form_token(operator)
        for path in ACTS:
            data = {"form_token": await form_token(reader), "reason": "x", "until": "9e9", "found": "absent"}
            assert (await reader.post(path, data=data)).status_code == 403
            for wrong in ("", "0" * 64, await form_token(reader)):
                refused = await operator.post(path, data={**data, "form_token": wrong})
                assert refused.status_code == 400
            for headers in (
                {"Origin": "https://thief.example"},
                {"Sec-Fetch-Site": "cross-site"},
                {"Origin": ""},
            ):
                refused = await operator.post(path, data={**data, "form_token": right}, headers=headers)
                assert refused.status_code == 403
        for path in ("/batches/b1", "/workers", "/batches/b1/in-doubt", "/batches/b1/reconcile"):
            assert '<form method="post" action="/sign-out"' in (text := (await reader.get(path)).text)
            assert text.count('<form method="post"') == 1, path
    assert await ledger.queries.status("b1") == before


async def test_another_owners_things_are_not_found_on_any_page(server: Server, ledger: Ledger) -> None:
    await fill(ledger, new_job("tenant-of-crm"), owner="crm")
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.REJECTED))
    await ledger.operations.hold("batch:b1", actor="crm-person", justification="why of crm")
    none = Selection(State.CANCELLED)
    await ledger.bulk_acts.ask(Asked(BULK_ACT, Verb.REDRIVE, "b1", "crm", "crm-person", none, 0, 1.0))
    async with visit(server, ledger, *ALL, owner="shop") as shop:
        for path in PAGES:
            asked = path + "?until=1" if path.endswith("/risk") else path
            assert (await shop.get(asked)).status_code == 404, path
        token = await form_token(shop)
        for path in [path for path in ACTS if path not in OWN]:
            data = {"form_token": token, "reason": "x", "until": "9e9", "found": "absent"}
            assert (await shop.post(path, data=data)).status_code == (403 if path in SHARED else 404), path
        assert (await shop.get("/retention")).status_code == 403
        lists = ("/batches", "/dead-letters", "/in-doubt", "/bulk-acts", "/audit", "/batches?q=tenant-of-crm")
        for path in lists:
            text = (await shop.get(path)).text
            assert "/b1" not in text, path
            assert "crm-person" not in text, path
    assert await ledger.queries.holds() != []
    async with visit(server, ledger, *ALL, owner="crm") as crm:
        assert (await crm.get(f"/bulk-acts/{BULK_ACT}")).status_code == 200
        assert "/batches/b1" in (await crm.get("/dead-letters")).text
        assert "why of crm" in (await crm.get("/audit")).text


async def test_the_key_of_a_widget_is_on_no_page_without_the_scope_for_it(
    server: Server, ledger: Ledger
) -> None:
    await fill(ledger, new_job("k1"))
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.CREATED))
    async with visit(server, ledger, Scope.READ, Scope.OPERATE) as client:
        for path in ("/batches", "/batches/b1", "/jobs/b1.1", "/audit"):
            assert "key of w-1" not in (await client.get(path)).text
        assert (await client.get("/batches/b1/files/created.csv")).status_code == 404
    async with visit(server, ledger, *ALL) as client:
        assert "key of w-1" in (await client.get("/jobs/b1.1")).text


async def test_a_session_ends_with_its_token_and_the_cookie_is_none_of_the_apis(
    server: Server, ledger: Ledger
) -> None:
    async with visit(server, ledger, *ALL) as client:
        assert (await client.get("/batches")).status_code == 200
        assert (await client.get("/v1/batches")).status_code == 401
        for token in await ledger.tokens.all():
            await ledger.tokens.revoke(token.name)
        deadline = time.monotonic() + 10
        while (await client.get("/batches")).status_code == 200:
            assert time.monotonic() < deadline


async def test_a_token_that_may_not_read_and_one_that_nobody_knows_do_not_sign_in(
    server: Server, ledger: Ledger
) -> None:
    _, token = await ledger.tokens.create("submits", [Scope.SUBMIT])
    async with httpx.AsyncClient(base_url=server.url, headers={"Origin": server.url}) as client:
        for shown, status in ((token, 403), ("nonsense", 401), ("", 401)):
            answered = await client.post("/sign-in", data={"token": shown})
            assert answered.status_code == status
            assert "set-cookie" not in answered.headers


async def test_pages_answer_to_loopback_and_to_the_named_origins_alone(
    valkey_url: str, tmp_path: Path, server: Server
) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/sign-in", headers={"Host": "thief.example"})).status_code == 421
        assert (await client.get("/healthz", headers={"Host": "api.internal"})).status_code == 200
    origin = "https://console.example"
    with running_server(valkey_url, tmp_path, CONSOLE_ORIGINS=origin) as other:
        async with httpx.AsyncClient(base_url=other.url, headers={"Host": "console.example"}) as client:
            assert (await client.get("/sign-in")).status_code == 200
            answered = await client.post("/sign-in", data={"token": "x"}, headers={"Origin": origin})
            assert answered.status_code == 401


async def test_each_page_forbids_scripts_of_others_and_framing(server: Server, ledger: Ledger) -> None:
    async with visit(server, ledger, *ALL) as client:
        for path in ("/batches", "/batches/none"):
            headers = (await client.get(path)).headers
            assert "default-src 'none'; script-src 'self'" in headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["Referrer-Policy"] == "same-origin"
            assert headers["Cache-Control"] == "no-store"
        text = (await client.get("/batches")).text
        assert not re.search(r"\son\w+=|style=|<script>|javascript:", text)


@pytest.mark.parametrize("mode", ["read", "off"])
async def test_a_console_that_reads_has_no_act_and_one_that_is_off_no_page(
    valkey_url: str, tmp_path: Path, ledger: Ledger, mode: str
) -> None:
    await fill(ledger, new_job("k1"))
    with running_server(valkey_url, tmp_path, CONSOLE=mode) as server:
        if mode == "off":
            async with httpx.AsyncClient(base_url=server.url) as client:
                assert (await client.get("/batches")).status_code == 404
            return
        async with visit(server, ledger, *ALL) as client:
            page = (await client.get("/batches/b1")).text
            assert 'action="/batches/b1' not in page
            data = {"form_token": await form_token(client)}
            for path in ACTS:
                assert (await client.post(path, data=data)).status_code in (404, 405)


async def test_a_session_ends_after_half_an_hour_without_a_request_and_after_eight_hours(
    ledger: Ledger, clock: Clock
) -> None:
    sessions = Sessions(ledger.redis, clock)
    shown = await sessions.open("token-id")
    keys = [key async for key in ledger.redis.scan_iter("pv:session:*")]
    assert shown.encode() not in keys[0]
    assert await ledger.redis.ttl(keys[0]) == IDLE
    found = await sessions.find(shown)
    assert found is not None
    assert found.token_id == "token-id"
    assert await sessions.find(shown + "x") is None
    clock.advance(LONGEST - 1)
    assert await sessions.find(shown) is not None
    clock.advance(1)
    assert await sessions.find(shown) is None
    assert [key async for key in ledger.redis.scan_iter("pv:session:*")] == []


async def test_an_operator_counts_what_is_past_its_retention(
    valkey_url: str, tmp_path: Path, ledger: Ledger
) -> None:
    with running_server(valkey_url, tmp_path, RETENTION_DAYS="dead=30") as server:
        _, token = await ledger.tokens.create("operator", ALL, all_owners=True)
        async with httpx.AsyncClient(base_url=server.url, headers={"Origin": server.url}) as client:
            await client.post("/sign-in", data={"token": token})
            text = (await client.get("/retention?count=1")).text
    assert "Jobs past it now" in text
    assert ">30<" in text


@pytest.mark.parametrize(
    "name", ["表" * 95 + ".csv", "../../up.csv", "a\\b:c*?.csv"], ids=["long", "up", "marks"]
)
async def test_a_table_to_reconcile_may_have_any_name(server: Server, ledger: Ledger, name: str) -> None:
    await fill(ledger, new_job("k1"))
    async with visit(server, ledger, *ALL) as operator:
        looked = await operator.post(
            "/batches/b1/reconcile",
            data={"form_token": await form_token(operator), "match": "bot.id"},
            files={"file": (name, b"bot.id\n1\n", "text/csv")},
        )
        assert looked.status_code == 422  # for nothing is in doubt, which is found after the table was read
        assert "No job of this batch is in doubt" in looked.text
