"""A console with batches in every state, and a real headless Chromium that looks at it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, sync_playwright
from redis import Redis

from producers.submit import submit
from provisioning.ledger import Ledger, Selection
from provisioning.ledger.tokens import Scope
from provisioning.lifecycle import Event, State
from tests.support.http_server import Server, running_server
from tests.support.ledger_fixtures import answer, claim, new_job, say, send

HOSTILE = "<script>alert(1)</script>=cmd|' /C calc'!A0\u202e"
"""A label that must be shown as the text that it is."""

KEY_OF_WIDGET = "key of w-1"
ALL = [scope for scope in Scope if scope is not Scope.METRICS]


@dataclass
class Site:
    """A running server, what it shows, and tokens by what they may do."""

    url: str
    batch: str
    tokens: dict[str, str]
    dead: str
    doubted: str
    created: str
    do: Callable[[Callable[[Ledger], Awaitable[object]]], object]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for one module: while Playwright runs, no test of this process can have a loop of its own."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("Chromium is not on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        # Chromium refuses its own sandbox to root, as which containers run tests.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(valkey_url, tmp_path_factory.mktemp("console"), API_RATE="unlimited") as server:
        yield server


@pytest.fixture
def site(server: Server, valkey_url: str) -> Site:
    """The console over a ledger that is filled anew."""
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()

    def do(work: Callable[[Ledger], Awaitable[object]]) -> object:
        async def done() -> object:
            async with Ledger.at(valkey_url) as ledger:
                return await work(ledger)

        with ThreadPoolExecutor(1) as pool:  # where no loop runs: the browser's is in this thread
            return pool.submit(asyncio.run, done()).result(60)

    found = do(_filled)
    assert isinstance(found, dict)
    return Site(url=server.url, do=do, **found)


async def _filled(ledger: Ledger) -> dict[str, object]:
    tokens = {
        "all": (await ledger.tokens.create("ana", ALL))[1],
        "reads": (await ledger.tokens.create("reads", [Scope.READ]))[1],
        "shop": (await ledger.tokens.create("shop", ALL, owner="shop"))[1],
        "submits": (await ledger.tokens.create("submits", [Scope.SUBMIT]))[1],
    }
    jobs = [new_job(f"tenant-{n}") for n in range(6)]
    june = await submit(ledger, jobs, name="june", actor="ana", notify=lambda _: None)
    made, dead, risky, doubted, *_ = await claim(ledger, 4, batch=june.batch)
    events = {made: Event.CREATED, dead: Event.REJECTED, risky: Event.EXHAUSTED, doubted: Event.DOUBTED}
    for each, event in events.items():
        await send(ledger, each)
        reason = {Event.REJECTED: "bot_not_found", Event.EXHAUSTED: "http_500", Event.DOUBTED: "read_timeout"}
        await say(ledger, answer(each, event, reason=reason.get(event, "")), batch=june.batch)
    await ledger.operations.hold(f"batch:{june.batch}", actor=HOSTILE, justification=HOSTILE)
    names = {"dead": dead, "doubted": doubted, "created": made}
    return {
        "batch": june.batch,
        "tokens": tokens,
        **{name: f"{june.batch}.{each.number}" for name, each in names.items()},
    }


async def states_of(ledger: Ledger, batch: str) -> dict[State, int]:
    """How many jobs are in each state."""
    return (await ledger.queries.status(batch)).states


async def dead_of(ledger: Ledger, batch: str) -> list[str]:
    """The keys of the dead jobs."""
    return [job.key async for job in ledger.queries.jobs(batch, Selection(State.DEAD))]
