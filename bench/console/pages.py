"""The pages that are measured, and how long the server takes for each."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape
from http.client import HTTPConnection, HTTPResponse, RemoteDisconnected
from typing import Final
from urllib.parse import quote, urlsplit

from bench import measure
from bench.console import plan
from bench.console.results import PageTime, Spread
from bench.console.stage import Stage
from provisioning.ledger import Ledger, Selection
from provisioning.lifecycle import State

NEXT: Final = re.compile(r'rel="next" href="([^"]+)"')
FILLED_IN: Final = re.compile(r'data-fill="([^"]+)"')


LONG_ENOUGH: Final = 20_000.0
"""Milliseconds after which a page is slow, whatever further requests take."""

FEWEST: Final = 10


@dataclass(frozen=True)
class Page:
    """
    A page.

    Attributes:
        watched: whether a person stays on it while it changes.
        others: whether it is asked for by an owner that has no batches.
        part: whether it is no page of its own, but filled into one.
    """

    name: str
    path: str
    watched: bool = False
    others: bool = False
    part: bool = False


def pages_of(stage: Stage, only: Sequence[str] = ()) -> list[Page]:
    """All pages, of the large batch where they are of one; or those with these names."""
    return [page for page in _all_pages(stage) if not only or page.name in only]


def _all_pages(stage: Stage) -> list[Page]:
    large = stage.large
    big = f"/batches/{large.id}"
    dead, doubted, created = (_job(stage, state) for state in (State.DEAD, State.IN_DOUBT, State.SUCCEEDED))
    cause = f"?cause={plan.MAIN_CAUSE}"
    return [
        Page("batches", "/batches", watched=True),
        Page("batches, the next page", next_of(stage, "/batches")),
        Page("the large batch", big, watched=True),
        Page("dead letters", "/dead-letters", watched=True),
        Page("dead letters of the large batch", f"{big}/dead-letters"),
        Page("risk of the large batch, in its page", _filled_in(stage, f"{big}/dead-letters"), part=True),
        Page("of one cause", f"{big}/dead-letters{cause}"),
        Page("of one cause, the next page", next_of(stage, f"{big}/dead-letters{cause}")),
        Page("of one cause, half-way", f"{big}/dead-letters{cause}&after={_half_way(stage)}"),
        Page("in doubt", "/in-doubt", watched=True),
        Page("in doubt of the large batch", f"{big}/in-doubt"),
        Page("a dead job", f"/jobs/{dead}"),
        Page("a job in doubt", f"/jobs/{doubted}"),
        Page("a created job", f"/jobs/{created}"),
        Page("search: a key", f"/batches?q={plan.key(large, large.jobs // 2)}"),
        Page(
            "search: `abc*`, a hundred keys",
            f"/batches?q={quote(plan.key(large, large.jobs // 2)[:-2] + '*')}",
        ),
        Page("search: `abc*`, no key", "/batches?q=abc*"),
        Page("workers", "/workers", watched=True),
        Page("audit", "/audit", watched=True),
        Page("audit, by a name that has done nothing", "/audit?by=nobody"),
        Page("batches of an owner that has none", "/batches", others=True),
        Page("audit of an owner that has done nothing", "/audit", others=True),
    ]


def _filled_in(stage: Stage, path: str) -> str:
    """What the script of a page fills in; the page itself if it is whole."""
    found = FILLED_IN.search(_text(stage, path))
    return unescape(found[1]) if found else path


def _job(stage: Stage, state: State) -> str:
    async def first(ledger: Ledger) -> str:
        async for job in ledger.queries.jobs(stage.large.id, Selection(state)):
            return job.job_id
        raise RuntimeError(f"no job is {state}")

    return stage.asked.do(first)


def _half_way(stage: Stage) -> str:
    """The position of a job in the middle of the dead."""

    async def middle(ledger: Ledger) -> str:
        wanted = Selection(State.DEAD, plan.MAIN_CAUSE)
        some, seen = "", 0
        async for page in ledger.queries.pages(stage.large.id, wanted):
            seen += len(page.jobs)
            if page.jobs:
                some = wanted.place(page.jobs[-1])
            if seen * 4 > stage.large.dead:  # this cause is nearly half of them
                break
        return some

    return stage.asked.do(middle)


def next_of(stage: Stage, path: str) -> str:
    """Where the link of a page to the next one leads. Raises: RuntimeError if it has none."""
    found = NEXT.search(_text(stage, path))
    if not found:
        raise RuntimeError(f"{path} has no next page")
    link = unescape(found[1])
    return path.partition("?")[0] + link if link.startswith("?") else link


def _text(stage: Stage, path: str) -> str:
    browser = Browser(stage.url, stage.cookie)
    _, body = browser.get(path, compressed=False)
    browser.close()
    return body.decode()


class Browser:
    """One connection that asks for pages with the cookie of a session, as a browser does."""

    def __init__(self, url: str, cookie: tuple[str, str]) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=120)
        self._headers = {"Cookie": "=".join(cookie), "Accept": "text/html", "Accept-Language": "en"}

    def get(self, path: str, *, compressed: bool = True) -> tuple[float, bytes]:
        """Returns: milliseconds to the last byte, the body as it came. Raises: RuntimeError on an error."""
        headers = self._headers | ({"Accept-Encoding": "gzip"} if compressed else {})
        try:
            took, answer, body = self._ask(path, headers)
        except RemoteDisconnected:  # the server closes a connection that is not used for some seconds
            took, answer, body = self._ask(path, headers)
        if answer.status not in (200, 303) or answer.headers.get("Location", "").startswith("/sign-in"):
            raise RuntimeError(f"{path} was answered with {answer.status}")
        return took, body

    def _ask(self, path: str, headers: dict[str, str]) -> tuple[float, HTTPResponse, bytes]:
        began = time.perf_counter()
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        body = answer.read()
        return 1000 * (time.perf_counter() - began), answer, body

    def close(self) -> None:
        self._connection.close()


def times(
    stage: Stage, pages: list[Page], rounds: int, between: Callable[[], None] = lambda: None
) -> dict[str, list[float]]:
    """
    Asks for all pages in turns. Returns: milliseconds by the name of the page.

    A page that has taken `LONG_ENOUGH` altogether, in `FEWEST` requests or more, is not asked for again.
    Args:
        between: done between two rounds.
    """
    own, others = Browser(stage.url, stage.cookie), Browser(stage.url, stage.other)
    found: dict[str, list[float]] = {page.name: [] for page in pages}
    for _ in range(rounds):
        between()
        for page in pages:
            if len(found[page.name]) >= FEWEST and sum(found[page.name]) > LONG_ENOUGH:
                continue
            found[page.name].append((others if page.others else own).get(page.path)[0])
    own.close()
    others.close()
    return found


def page_times(
    stage: Stage, pages: list[Page], idle: dict[str, list[float]], busy: dict[str, list[float]]
) -> list[PageTime]:
    """What the times come to, with what a page takes while nothing is sent."""
    return [
        PageTime(page.name, Spread.of(idle[page.name]), Spread.of(busy[page.name]), *_taken(stage, page))
        for page in pages
    ]


REPEATED: Final = 5
"""Requests of a page over which its CPU is taken."""


def _taken(stage: Stage, page: Page) -> tuple[float, float, int, int]:
    """Of one request: CPU of server and Redis in milliseconds, bytes of the answer, commands of Redis."""
    browser = Browser(stage.url, stage.other if page.others else stage.cookie)
    body = browser.get(page.path)[1]
    before, commands = _cpu(stage), calls(stage)
    for _ in range(REPEATED):
        browser.get(page.path)
    # The first INFO is among the commands.
    asked = round((calls(stage) - commands - 1) / REPEATED)
    server, redis = ((now - then) / REPEATED for then, now in zip(before, _cpu(stage), strict=True))
    browser.close()
    return round(server, 1), round(redis, 1), len(body), asked


def _cpu(stage: Stage) -> tuple[float, float]:
    return measure.cpu_milliseconds(stage.pids["server"]), measure.cpu_milliseconds(stage.pids["redis"])


def calls(stage: Stage) -> int:
    """Redis commands until now, those of scripts included."""
    return int(sum(command["calls"] for command in stage.redis.info("commandstats").values()))
