"""Signing in to the pages with a name and a password, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from console.web.password_checks import AT_ONCE, WAITING, BusyError, PasswordChecks
from provisioning import scopes
from provisioning.ledger import Ledger
from provisioning.ledger.sign_in_attempts import OF_ADDRESS, OF_NAME
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import Event
from provisioning.password import hash_password
from tests.support.http_server import PATIENCE, Server, running_server
from tests.support.ledger_fixtures import answer, claim, fill, new_job, say, send
from tests.support.users import PASSWORD, add_user

WRONG = "planted-wrong-password"


@pytest.fixture(scope="module")
def server(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path_factory.mktemp("pages"), API_RATE="unlimited") as server:
        yield server


def browser(server: Server, address: str = "192.0.2.1") -> httpx.AsyncClient:
    """A browser behind a proxy on this machine, which says its address."""
    headers = {"Origin": server.url, "X-Forwarded-For": address}
    return httpx.AsyncClient(base_url=server.url, headers=headers, timeout=PATIENCE)


async def sign_in(client: httpx.AsyncClient, name: str, password: str, **more: str) -> httpx.Response:
    return await client.post("/sign-in", data={"name": name, "password": password, **more})


def form_token(page: httpx.Response) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)
    assert found is not None
    return found[1]


def refusals(server: Server) -> list[dict[str, object]]:
    """The log lines of sign-ins that were refused."""
    lines = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in map(json.loads, lines) if line["event"] == "session.refused"]


async def test_a_user_signs_in_comes_to_the_page_they_wanted_and_signs_out(
    server: Server, ledger: Ledger
) -> None:
    await add_user(ledger, "ana", Scope.READ)
    async with browser(server) as client:
        page = await client.get("/sign-in", params={"next": "/audit"})
        assert 'autocomplete="username"' in page.text
        assert 'autocomplete="current-password"' in page.text
        answered = await sign_in(client, " ana ", PASSWORD, next="/audit")
        assert (answered.status_code, answered.headers["Location"]) == (303, "/audit")
        cookie = answered.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        batches = await client.get("/batches")
        assert ">ana<" in batches.text
        assert (await client.get("/v1/batches")).status_code == 401
        wrong = await client.post("/sign-out", data={"form_token": "0" * 64})
        assert wrong.status_code == 400
        assert (await client.get("/batches")).status_code == 200
        await client.post("/sign-out", data={"form_token": form_token(batches)})
        assert (await client.get("/batches")).status_code == 303


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(
    server: Server, ledger: Ledger
) -> None:
    await add_user(ledger, "ana", Scope.READ)
    async with browser(server) as client:
        answers = [
            await sign_in(client, name, password)
            for name, password in (("ana", WRONG), ("eva", WRONG), ("eva", ""), ("a b<", PASSWORD))
        ]
        for answered in answers:
            assert answered.status_code == 401
            assert "The name or the password is wrong." in answered.text
            assert "set-cookie" not in answered.headers
        assert answers[0].text.replace('"ana"', '"eva"') == answers[1].text
        spanish = await client.post(
            "/sign-in", data={"name": "ana", "password": WRONG}, headers={"Accept-Language": "es"}
        )
        assert "El nombre o la contraseña no son correctos." in spanish.text
    assert [(line["refusal"], line.get("by"), line["client"]) for line in refusals(server)[-5:]] == [
        ("wrong_password", "ana", "192.0.2.1"),
        *[("wrong_password", None, "192.0.2.1")] * 3,
        ("wrong_password", "ana", "192.0.2.1"),
    ]


async def test_who_is_wrong_too_often_is_told_when_to_try_again_and_nobody_else_is(
    server: Server, ledger: Ledger
) -> None:
    await add_user(ledger, "ana", Scope.READ)
    for _ in range(OF_ADDRESS):
        await ledger.sign_in_attempts.begin("ana", "192.0.2.9")
    async with browser(server, "192.0.2.9") as attacker, browser(server) as ana:
        for _ in range(OF_NAME):
            refused = await sign_in(attacker, "ana", PASSWORD)
            assert refused.status_code == 429
        assert "Try again in 15 minutes." in refused.text
        assert 840 < int(refused.headers["Retry-After"]) <= 900
        assert refusals(server)[-1]["refusal"] == "too_many"
        assert (await sign_in(ana, "ana", PASSWORD)).status_code == 303
        for key in [key async for key in ledger.redis.scan_iter("pv:sign_in:address:*")]:
            await ledger.redis.pexpire(key, 59_000)
        assert "Try again in 1 minute." in (await sign_in(attacker, "ana", PASSWORD)).text
        for key in [key async for key in ledger.redis.scan_iter("pv:sign_in:address:*")]:
            await ledger.redis.pexpire(key, 0)
        assert (await sign_in(attacker, "ana", PASSWORD)).status_code == 303


async def test_more_at_once_than_can_be_checked_are_told_so_and_do_not_count(
    server: Server, ledger: Ledger
) -> None:
    async with browser(server) as client:

        async def attempt(n: int) -> int:
            headers = {"X-Forwarded-For": f"198.51.100.{n}"}
            data = {"name": f"eva-{n}", "password": WRONG}
            answered = await client.post("/sign-in", data=data, headers=headers)
            assert answered.status_code != 503 or answered.headers["Retry-After"] == "5"
            assert answered.status_code != 503 or "Many people are signing in." in answered.text
            return answered.status_code

        found = await asyncio.gather(*map(attempt, range(AT_ONCE + WAITING + 5)))
    assert set(found) == {401, 503}
    counts = [
        int(await ledger.redis.get(key) or 0) async for key in ledger.redis.scan_iter("pv:sign_in:address:*")
    ]
    assert sum(counts) == found.count(401)


async def test_passwords_are_checked_beside_the_loop_and_only_so_many_wait() -> None:
    checks = PasswordChecks()
    kept = hash_password(PASSWORD, b"salt", n=2**14, r=8, p=1)
    most = AT_ONCE + WAITING
    begun = [asyncio.ensure_future(checks.is_right(PASSWORD, kept)) for _ in range(most)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in begun)
    with pytest.raises(BusyError):
        await checks.is_right(PASSWORD, kept)
    assert await asyncio.gather(*begun) == [True] * most
    assert not await checks.is_right(WRONG, kept)


@pytest.mark.parametrize("act", ["delete", "password", "scopes"])
async def test_a_session_follows_its_user(server: Server, ledger: Ledger, act: str) -> None:
    await fill(ledger, new_job("k1"))
    await add_user(ledger, "ana", Scope.READ, Scope.OPERATE)
    async with browser(server) as client, browser(server) as other:
        for each in (client, other):
            assert (await sign_in(each, "ana", PASSWORD)).status_code == 303
        page = await client.get("/batches/b1")
        assert 'action="/batches/b1/pause"' in page.text
        if act == "delete":
            await ledger.users.delete("ana")
            await ledger.users.create("ana", PASSWORD, [Scope.READ])
        elif act == "password":
            await ledger.users.set_password("ana", "otras cuatro palabras")
        else:
            await ledger.users.set_scopes("ana", [Scope.READ])
            assert 'action="/batches/b1/pause"' not in (await client.get("/batches/b1")).text
            data = {"form_token": form_token(page)}
            assert (await client.post("/batches/b1/pause", data=data)).status_code == 403
            return
        for each in (client, other):
            assert (await each.get("/batches")).status_code == 303


async def test_a_user_may_do_what_the_scopes_and_the_owner_allow(server: Server, ledger: Ledger) -> None:
    await fill(ledger, new_job("k1"), owner="crm")
    [job] = await claim(ledger)
    await send(ledger, job)
    await say(ledger, answer(job, Event.CREATED))
    await add_user(ledger, "reads", Scope.READ, owner="crm")
    await add_user(ledger, "operates", Scope.READ, Scope.OPERATE, owner="crm")
    await add_user(ledger, "sees-keys", Scope.READ, Scope.KEYS, owner="crm")
    await add_user(ledger, "shop", Scope.READ, Scope.OPERATE, Scope.KEYS, owner="shop")
    await add_user(ledger, "all", Scope.READ, all_owners=True)
    await ledger.operations.note("user", actor="root@here", on=scopes.of_user("shop"))
    for name, sees, operates, sees_keys in (
        ("reads", 200, 403, False),
        ("operates", 200, 303, False),
        ("sees-keys", 200, 403, True),
        ("shop", 404, 404, False),
        ("all", 200, 403, False),
    ):
        async with browser(server) as client:
            assert (await sign_in(client, name, PASSWORD)).status_code == 303
            token = form_token(await client.get("/batches"))
            job_page = await client.get("/jobs/b1.1")
            assert job_page.status_code == sees
            assert ("key of w-1" in job_page.text) == sees_keys, name
            paused = await client.post("/batches/b1/pause", data={"form_token": token, "reason": "x"})
            assert paused.status_code == operates, name
            # Who may sign in is the business of those who see everything.
            assert ("user:shop" in (await client.get("/audit")).text) == (name == "all")
    acts = [act async for act in ledger.queries.audit() if act.act == "pause"]
    assert [act.by for act in acts] == ["operates"]


async def test_form_tokens_are_masked_anew_on_each_page_and_each_is_accepted(
    server: Server, ledger: Ledger
) -> None:
    await fill(ledger, new_job("k1"))
    await add_user(ledger, "ana", Scope.READ, Scope.OPERATE)
    await add_user(ledger, "eva", Scope.READ, Scope.OPERATE)
    async with browser(server) as client, browser(server) as other:
        await sign_in(client, "ana", PASSWORD)
        await sign_in(other, "eva", PASSWORD)
        shown = [form_token(await client.get("/batches", params={"q": "x"})) for _ in range(3)]
        assert len({token[start : start + 32] for token in shown for start in (0, 32)}) == 6
        for token in shown:
            data = {"form_token": token, "reason": "x"}
            assert (await other.post("/batches/b1/pause", data=data)).status_code == 400
            assert (await client.post("/batches/b1/pause", data=data)).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://thief.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_no_other_site_signs_a_browser_in_as_somebody_else(
    server: Server, ledger: Ledger, headers: dict[str, str]
) -> None:
    await add_user(ledger, "thief", Scope.READ)
    _, token = await ledger.tokens.create("thiefs", [Scope.READ])
    async with browser(server) as client:
        for data in ({"name": "thief", "password": PASSWORD}, {"token": token}):
            refused = await client.post("/sign-in", data=data, headers=headers)
            assert refused.status_code == 403
            assert "set-cookie" not in refused.headers


async def test_no_password_is_in_a_page_the_log_the_audit_or_redis(
    valkey_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    planted = ("planted password of ana", "planted-in-the-name-field", "planted but wrong")
    user = await ledger.users.create("ana", planted[0], [Scope.READ], all_owners=True)
    with running_server(valkey_url, tmp_path, LOG_LEVEL="debug") as server:
        async with browser(server) as client:
            pages = [
                await sign_in(client, "ana", planted[2]),
                await sign_in(client, planted[1], "ana"),
                await sign_in(client, "ana", planted[0]),
                await client.get("/batches"),
                await client.get("/audit"),
            ]
            assert pages[2].status_code == 303
        log = server.log.read_text()
    dumped = [await ledger.redis.dump(key) or b"" async for key in ledger.redis.scan_iter("*")] + [
        key async for key in ledger.redis.scan_iter("*")
    ]
    for word in (planted[0], planted[2]):
        assert all(word not in page.text for page in pages)
        assert word not in log
        assert all(word.encode() not in value for value in dumped)
    assert planted[1] not in log
    assert all(planted[1].encode() not in value for value in dumped)
    for page in pages:
        assert user.id not in page.text
