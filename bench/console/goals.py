"""The goals of the console, each with what was measured. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from bench.console.results import PageTime, Results, View, Watched
from bench.judged import Judged

IDLE_MS: Final = 50.0
BUSY_MS: Final = 150.0
FIRST_PAINT_MS: Final = 400.0
SLOW_FIRST_PAINT_MS: Final = 1_800.0
FIRST_BYTES: Final = 60_000
LATER_BYTES: Final = 15_000
SHIFT: Final = 0.02
NEXT_PAINT_MS: Final = 200.0
COUNTS_MS: Final = 300.0
RISK_MS: Final = 2_000.0
CHANGE_MS: Final = 1_500.0
CALLS: Final = 1.2
"""Redis commands of many watchers beside those of one: what happens by itself is in both."""
KEPT: Final = 0.99

COUNTS: Final = "dead letters"
RISK: Final = "risk of the large batch, in its page"


def judge(results: Results) -> list[Judged]:
    """Every goal in the order of the table that set them."""
    return [
        *_server(results.pages),
        *_browser(results.views),
        *_dead_letters(results.pages),
        *_changes(results),
        *_watchers(results),
        *_problems(results.views),
    ]


def missed(page: PageTime) -> bool:
    """Whether a page is slower than its goal."""
    return page.idle.p95 > IDLE_MS or page.busy.p95 > BUSY_MS


def _server(pages: list[PageTime]) -> Iterator[Judged]:
    for words, limit, times in (
        ("idle", IDLE_MS, {page.name: page.idle.p95 for page in pages}),
        ("a worker at full pace", BUSY_MS, {page.name: page.busy.p95 for page in pages}),
    ):
        slow = [name for name, ms in times.items() if ms > limit]
        within = len(times) - len(slow)
        yield Judged(
            f"server time of every page, 95th percentile, {words}",
            f"≤ {limit:.0f} ms",
            f"{within} of {len(times)} pages" if times else "not measured",
            not slow if times else None,
        )


def _browser(views: list[View]) -> Iterator[Judged]:
    for goal, limit, unit, of in _IN_A_BROWSER:
        yield _most(goal, limit, unit, ((view.name, of(view)) for view in views))


def _dead_letters(pages: list[PageTime]) -> Iterator[Judged]:
    for goal, limit, name in (
        ("dead letters: counts", COUNTS_MS, COUNTS),
        ("dead letters: risk", RISK_MS, RISK),
    ):
        yield _most(goal, limit, "ms", ((page.name, page.busy.p95) for page in pages if page.name == name))


def _changes(results: Results) -> Iterator[Judged]:
    yield _most(
        "a change in the ledger on the screen, 95th percentile",
        CHANGE_MS,
        "ms",
        ((change.name, change.shown.p95) for change in results.changes),
    )


def _watchers(results: Results) -> Iterator[Judged]:
    goal, calls = "Redis commands with many watchers beside one, while nothing is sent", results.calls
    if calls:
        few, many = calls[min(calls)], calls[max(calls)]
        words = f"{many / few:.1f}× ({many:,.0f} a second beside {few:,.0f}, {max(calls)} watchers)"
        yield Judged(goal, f"≤ {CALLS}×", words, many <= CALLS * few)
    else:
        yield Judged(goal, f"≤ {CALLS}×", "not measured", None)
    for each in results.watched:
        yield Judged(
            f"a worker's pace with {each.watchers} watchers, {answers_after(each)}",
            f"≥ {KEPT:.0%}",
            f"{each.kept:.1%}",
            each.kept >= KEPT,
        )


def answers_after(watched: Watched) -> str:
    """How quick the API is."""
    return f"answers after {1000 * watched.latency:.0f} ms" if watched.latency else "answers at once"


def _problems(views: list[View]) -> Iterator[Judged]:
    found = sum(len(view.problems) for view in views)
    goal = "CSP violations, console errors, requests to other hosts"
    yield Judged(goal, "0", f"{found}" if views else "not measured", not found if views else None)


def _most(goal: str, limit: float, unit: str, values: Iterable[tuple[str, float]]) -> Judged:
    wanted = f"≤ {limit:,g} {unit}".strip() if limit < 1 else f"≤ {limit:,.0f} {unit}".strip()
    named = sorted(values, key=lambda pair: pair[1])
    if not named:
        return Judged(goal, wanted, "not measured", None)
    name, value = named[-1]
    shown = f"{value:.3f}" if limit < 1 else f"{value:,.0f} {unit}"
    return Judged(goal, wanted, f"at most {shown} ({name})", value <= limit)


_IN_A_BROWSER: Final[tuple[tuple[str, float, str, Callable[[View], float]], ...]] = (
    ("first contentful paint, local", FIRST_PAINT_MS, "ms", lambda view: view.first_paint_ms),
    (
        "first contentful paint, slow 4G and CPU ÷ 4",
        SLOW_FIRST_PAINT_MS,
        "ms",
        lambda view: view.slow_first_paint_ms,
    ),
    ("first visit, compressed", FIRST_BYTES, "bytes", lambda view: view.first_bytes),
    ("a later page, compressed", LATER_BYTES, "bytes", lambda view: view.later_bytes),
    ("layout shift", SHIFT, "", lambda view: view.shift),
    ("interaction to next paint, throttled", NEXT_PAINT_MS, "ms", lambda view: view.next_paint_ms),
)
