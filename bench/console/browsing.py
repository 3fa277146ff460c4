"""The pages in a headless Chromium: first paint, layout shift, interactions, bytes, complaints, changes."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, sync_playwright
from playwright.sync_api import Page as Tab

from bench.console.filling import SLICE, queue_in
from bench.console.pages import Page
from bench.console.results import Change, Spread, View
from bench.console.stage import Stage
from provisioning import scopes
from provisioning.attempt import Attempt, Bounds, Evidence, Outcome, Result
from provisioning.ledger import Answered, Claim, Intent, Ledger, transitions
from provisioning.lifecycle import Event

SLOW: Final = {"offline": False, "latency": 562.5, "downloadThroughput": 184_320, "uploadThroughput": 84_375}
"""Slow 4G as Chromium's own tools throttle to it: ms before each answer, bytes a second."""

SLOWDOWN: Final = 4
"""How many times slower the CPU is."""

TOLERATED: Final = 10.0
"""Seconds in which a change must be shown."""

OBSERVE: Final = """
window.shift = 0; window.longest = 0; window.refused = [];
const observe = (kind, options, each) => new PerformanceObserver((list) => list.getEntries().forEach(each))
  .observe({ type: kind, buffered: true, ...options });
observe("layout-shift", {}, (entry) => { if (!entry.hadRecentInput) window.shift += entry.value; });
observe("event", { durationThreshold: 16 }, (entry) => {
  if (entry.interactionId) window.longest = Math.max(window.longest, entry.duration);
});
document.addEventListener("securitypolicyviolation", (event) =>
  window.refused.push(`${event.violatedDirective} refuses ${event.blockedURI}`));
"""

AWAIT_TEXT: Final = """
(text) => {
  window.seen = null;
  const look = () => {
    if (window.seen !== null || !document.body.textContent.includes(text)) return;
    observer.disconnect();
    requestAnimationFrame(() => { window.seen = Date.now(); });
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, { childList: true, subtree: true, characterData: true });
}
"""


def unavailable_reason() -> str | None:
    """What is missing for a browser; None if nothing is."""
    return None if _chromium() else "Chromium is missing; Debian: apt-get install chromium"


def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium, gone when the block ends."""
    with sync_playwright() as playwright:
        # Chromium refuses its own sandbox to root, as which containers run.
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class _Visitor:
    """A browser with an empty cache that has signed in."""

    context: BrowserContext
    host: str
    problems: list[str] = field(default_factory=list)
    received: int = 0

    def open(self, *, slow: bool) -> Tab:
        """A tab that counts bytes and notes complaints."""
        tab = self.context.new_page()
        tab.add_init_script(OBSERVE)
        protocol = self.context.new_cdp_session(tab)
        protocol.send("Network.enable")
        if slow:
            protocol.send("Network.emulateNetworkConditions", SLOW)
            protocol.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        protocol.on("Network.loadingFinished", self._count)
        tab.on("console", self._complain)
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.on("request", lambda request: self._ask(request.url))
        return tab

    def _count(self, finished: dict[str, Any]) -> None:
        self.received += int(finished["encodedDataLength"])

    def _complain(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _ask(self, url: str) -> None:
        if urlsplit(url).netloc != self.host:
            self.problems.append(f"a request to {url}")


@contextlib.contextmanager
def _visitor(browser: Browser, stage: Stage, page: Page | None = None) -> Iterator[_Visitor]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en")
    name, value = stage.other if page and page.others else stage.cookie
    context.add_cookies([{"name": name, "value": value, "url": stage.url}])
    yield _Visitor(context, urlsplit(stage.url).netloc)
    context.close()


def views(
    browser: Browser,
    stage: Stage,
    pages: list[Page],
    visits: int,
    watched: float,
    between: Callable[[], None] = lambda: None,
) -> list[View]:
    """
    Looks at each page, so many times on the machine's own network and so many times throttled.

    Args:
        watched: seconds that a page is looked at while it changes.
        between: done between two pages.
    """
    with _visitor(browser, stage) as visitor:  # the first visit of all waits for Chromium's own start
        visitor.open(slow=False).goto(stage.url + pages[0].path, wait_until="load")
    found = []
    for page in pages:
        if page.part:
            continue
        between()
        found.append(_view(browser, stage, page, visits, watched))
    return found


def _view(browser: Browser, stage: Stage, page: Page, visits: int, watched: float) -> View:
    paints: dict[bool, list[float]] = {False: [], True: []}
    shift = longest = 0.0
    first = later = 0
    problems: list[str] = []
    for slow in (False, True):
        for visit in range(visits):
            with _visitor(browser, stage, page) as visitor:
                tab = visitor.open(slow=slow)
                tab.goto(stage.url + page.path, wait_until="load")
                paints[slow].append(_first_paint(tab))
                first = first or visitor.received
                if visit == 0:
                    _interact(tab)
                    tab.wait_for_timeout(1000 * watched if page.watched else 300)
                shift = max(shift, tab.evaluate("window.shift"))
                longest = max(longest, tab.evaluate("window.longest") if slow else 0.0)
                problems += tab.evaluate("window.refused")
                if not later:
                    visitor.received = 0
                    tab.goto(stage.url + page.path, wait_until="load")
                    later = visitor.received
                problems += visitor.problems
    return View(
        name=page.name,
        first_paint_ms=round(median(paints[False]), 1),
        slow_first_paint_ms=round(median(paints[True]), 1),
        shift=round(shift, 4),
        next_paint_ms=longest,
        first_bytes=first,
        later_bytes=later,
        problems=sorted(set(problems)),
    )


def _first_paint(tab: Tab) -> float:
    """Milliseconds from the begin of the visit to the first contentful paint."""
    found = "performance.getEntriesByName('first-contentful-paint')[0]"
    tab.wait_for_function(f"() => {found} !== undefined")
    return float(tab.evaluate(f"{found}.startTime"))


def _interact(tab: Tab) -> None:
    """What a person does: walks through rows, opens what can be opened, types into the search."""
    for key in ("j", "j", "k"):
        tab.keyboard.press(key)
    for summary in tab.locator("main summary").all()[:2]:
        summary.click()
        summary.click()
    search = tab.locator("#q")
    if search.count():
        search.click()
        search.press_sequentially("tenant 0", delay=30)
        search.fill("")
    tab.locator("h1").first.click()


def changes(browser: Browser, stage: Stage, count: int) -> list[Change]:
    """
    Makes changes in the ledger, and waits until the page of the batch shows them.

    Raises: RuntimeError if a page does not show one.
    """
    claims = stage.asked.do(lambda ledger: _watched_batch(ledger, count))
    with _visitor(browser, stage) as visitor:
        tab = visitor.open(slow=False)
        tab.goto(f"{stage.url}/batches/{claims[0].batch}", wait_until="load")
        # A page that is typed into or in which text is selected is left alone.
        ended = [
            _shown_after(tab, *_end_one(stage, claim, n)) for n, claim in enumerate(claims[1:], FIRST + 1)
        ]
        scope = scopes.of_batch(claims[0].batch)
        held = []
        for n in range(count):
            why = f"look at me {n}!"

            def pause(why: str = why) -> None:
                stage.asked.do(lambda ledger: ledger.operations.hold(scope, actor="ana", justification=why))

            held.append(_shown_after(tab, why, pause))
            stage.asked.do(lambda ledger: ledger.operations.release(scope, actor="ana"))
    return [Change("a job has ended", Spread.of(ended)), Change("a batch is paused", Spread.of(held))]


FIRST: Final = 613
"""Jobs of the watched batch that have ended before: a number that is nowhere else on the page."""


async def _watched_batch(ledger: Ledger, count: int) -> list[Claim]:
    """A batch of which one job after the other will end. Returns: claims on them, one more than changes."""
    batch = f"watched{time.time_ns()}"
    await queue_in(ledger, batch, FIRST + count + 1)
    claims: list[Claim] = []
    while len(claims) < FIRST + count + 1:
        # Under a long lease, for no worker may take them.
        call = transitions.claim(batch, worker="measure", lease=7200, target="t", most=SLICE, rooms={})
        claims += (await ledger.do(call)).jobs
    for first in range(0, FIRST, SLICE):
        await _end(ledger, claims[first : min(first + SLICE, FIRST)])
    return claims[FIRST:]


def _end_one(stage: Stage, claim: Claim, ended: int) -> tuple[str, Callable[[], None]]:
    """What the page will say, and what makes it so."""
    return f"{ended} of ", lambda: stage.asked.do(lambda ledger: _end(ledger, [claim]))


async def _end(ledger: Ledger, claims: list[Claim]) -> None:
    """Gives jobs of one batch their widgets."""
    batch = claims[0].batch
    intents = [Intent(claim.number, claim.token, 1, claim.credential) for claim in claims]
    await ledger.do(transitions.sending(batch, intents, lease=7200, target="t"))
    await ledger.do(transitions.answered(batch, [_created(claim) for claim in claims]))


def _created(claim: Claim) -> Answered:
    attempt = Attempt(1, time.time(), 0.1, Outcome.CREATED, Evidence.ANSWERED, 200, worker="measure")
    made = Result(widget_id=f"w-{claim.number}", key="k")
    return Answered(claim.number, claim.token, Event.CREATED, "created", Bounds(1, 0), attempt, made)


def _shown_after(tab: Tab, text: str, change: Callable[[], None]) -> float:
    """Milliseconds from a change until a text is painted. Raises: RuntimeError if it never is."""
    # At any point between two updates of the page.
    tab.wait_for_timeout(random.uniform(200, 2200))  # noqa: S311
    tab.evaluate(AWAIT_TEXT, text)
    began = time.time()
    change()
    tab.wait_for_function("() => window.seen !== null", polling=50, timeout=1000 * TOLERATED)
    return 1000 * (float(tab.evaluate("window.seen / 1000")) - began)
