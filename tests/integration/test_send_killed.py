"""A file under way in the console, and servers that die: nothing is sent twice, nothing is lost."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from provisioning.ledger import Ledger
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import State
from tests.support.http_server import PATIENCE, Server, running_server

ROWS = 20_000
SCOPES = [Scope.READ, Scope.SUBMIT, Scope.OPERATE]


@pytest.fixture
async def ledger(valkey_url: str) -> AsyncIterator[Ledger]:
    """Empty, with the clock of Redis, as servers have it."""
    async with Ledger.at(valkey_url) as ledger:
        await ledger.redis.flushall()
        yield ledger


def table(rows: int) -> bytes:
    return b"key,bot.id\n" + b"".join(b"t%d,%d\n" % (n, 100_000 + n) for n in range(rows))


class Person:
    """A browser that has signed in; its session outlives a server."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def post(self, path: str, content: bytes = b"", **fields: str) -> httpx.Response:
        """Sends a form, with a file if there is content."""
        found = re.search(
            r'name="form_token" value="([0-9a-f]{64})"', (await self.client.get("/batches")).text
        )
        assert found is not None
        files = {"file": ("june.csv", content, "text/csv")} if content else None
        return await self.client.post(path, data={"form_token": found[1], **fields}, files=files)

    async def until(self, path: str, holds: Callable[[httpx.Response], bool]) -> httpx.Response:
        """Loads a page again and again, as its script does."""
        deadline = time.monotonic() + PATIENCE
        while not holds(page := await self.client.get(path)):
            assert time.monotonic() < deadline, page.text[-2000:]
        return page


@asynccontextmanager
async def person(server: Server, token: str) -> AsyncIterator[Person]:
    headers = {"Origin": server.url}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
        assert (await client.post("/sign-in", data={"token": token})).status_code == 303
        yield Person(client)


async def _token(ledger: Ledger) -> str:
    return (await ledger.tokens.create("ana", SCOPES))[1]


def version_of(page: httpx.Response) -> str:
    found = re.search(r'name="version" value="(\d+)"', page.text)
    assert found is not None, page.text[-2000:]
    return found[1]


async def all_there_once(ledger: Ledger) -> None:
    """Every row is one job of the batch."""
    batch = await ledger.queries.batch_id("june")
    status = await ledger.queries.status(batch)
    assert (status.accepted, status.states[State.QUEUED]) == (ROWS, ROWS)
    keys = {job.key async for job in ledger.queries.jobs(batch)}
    assert len(keys) == ROWS


@pytest.mark.slow
async def test_a_file_is_checked_and_sent_by_another_server_than_the_one_that_took_it(
    valkey_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    token = await _token(ledger)
    with running_server(valkey_url, tmp_path) as first:
        async with person(first, token) as ana:
            path = (await ana.post("/send", table(ROWS))).headers["Location"]
            first.process.kill()  # while it checks
    with running_server(valkey_url, tmp_path) as second:
        async with person(second, token) as ana:
            page = await ana.until(path, lambda page: f"{ROWS:,} widgets will be created" in page.text)
            done = await ana.post(f"{path}/confirm", version=version_of(page), how="all")
            assert done.status_code == 303
            deadline = time.monotonic() + PATIENCE
            while not await ledger.redis.exists("pv:batches"):  # it has begun to submit
                assert time.monotonic() < deadline
            second.process.kill()
    before = (await ledger.queries.status(await ledger.queries.batch_id("june"))).accepted
    assert before < ROWS
    with running_server(valkey_url, tmp_path) as third:
        async with person(third, token) as ana:
            await ana.until(path, lambda page: page.headers.get("Location", "").startswith("/batches/"))
    await all_there_once(ledger)


async def test_a_confirmation_that_is_sent_twice_sends_once(
    valkey_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    with running_server(valkey_url, tmp_path) as server:
        async with person(server, await _token(ledger)) as ana:
            path = (await ana.post("/send", table(10))).headers["Location"]
            page = await ana.until(path, lambda page: "10 widgets will be created" in page.text)
            for _ in range(2):
                answer = await ana.post(f"{path}/confirm", version=version_of(page), how="all")
                assert answer.status_code == 303
            await ana.until(path, lambda page: page.headers.get("Location", "").startswith("/batches/"))
            status = await ledger.queries.status(await ledger.queries.batch_id("june"))
            assert status.accepted == 10


async def test_what_is_confirmed_is_what_the_page_has_shown(
    valkey_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    with running_server(valkey_url, tmp_path) as server:
        async with person(server, await _token(ledger)) as ana:
            path = (await ana.post("/send", table(10))).headers["Location"]
            page = await ana.until(path, lambda page: "10 widgets will be created" in page.text)
            assert (await ana.post(f"{path}/leave-out", row="2", version=version_of(page))).status_code == 303
            stale = await ana.post(f"{path}/confirm", version=version_of(page), how="all")
            assert (stale.status_code, "was changed since this page was shown" in stale.text) == (422, True)
            assert not await ledger.redis.exists("pv:batches")


async def test_what_a_person_ended_while_the_server_was_down_stays_ended(
    valkey_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    token = await _token(ledger)
    with running_server(valkey_url, tmp_path) as first:
        async with person(first, token) as ana:
            path = (await ana.post("/send", table(10))).headers["Location"]
            page = await ana.until(path, lambda page: "10 widgets will be created" in page.text)
            await ana.post(f"{path}/confirm", version=version_of(page), how="all")
            await ana.until(path, lambda page: page.headers.get("Location", "").startswith("/batches/"))
    id_ = path.rpartition("/")[2]
    batch = await ledger.queries.batch_id("june")
    await ledger.operations.cancel(batch, "eva")
    # As if the first server had died before it could note that it was done.
    await ledger.redis.hset(f"pv:draft:{id_}", "state", "sending")
    await ledger.redis.sadd("pv:drafts_open", id_)
    await ledger.redis.rpush(f"pv:draft_parts:{id_}", zlib.compress(table(10)))
    with running_server(valkey_url, tmp_path) as second:
        async with person(second, token) as ana:
            await ana.until(path, lambda page: page.headers.get("Location", "").startswith("/batches/"))
    assert (await ledger.queries.status(batch)).states[State.CANCELLED] == 10


async def test_an_upload_that_breaks_off_leaves_nothing(
    valkey_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    with running_server(valkey_url, tmp_path) as server:
        async with person(server, await _token(ledger)) as ana:

            async def half() -> AsyncIterator[bytes]:
                yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="june.csv"\r\n\r\n'
                yield b"key,bot.id\n"
                raise httpx.WriteError("the cable is out")

            headers = {"Content-Type": "multipart/form-data; boundary=x"}
            with pytest.raises(httpx.WriteError):
                await ana.client.post("/send", content=half(), headers=headers)
            assert "june" not in (await ana.client.get("/send")).text
            assert await ledger.redis.keys("pv:draft*") == []
