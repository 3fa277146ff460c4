"""
What 429s teach of a credential's rate, in virtual time: workers, an API with a quota, and the ledger's
record.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from provisioning.learned_rate import NOISE_SECONDS, LearnedRate, grown, joined, learn
from worker.execution.flow_control import SHOWS_A_RATE, SHOWS_ANOTHER_RATE
from worker.flow.concurrency_limit import ConcurrencyLimit
from worker.flow.refusals import Refusals

LATENCY = 0.2

Serves = Callable[[float], bool]


def bucket(per_second: float) -> Serves:
    """A second's worth saved up at most, refilled evenly."""
    tokens, at = per_second, 0.0

    def serves(now: float) -> bool:
        nonlocal tokens, at
        tokens, at = min(per_second, tokens + (now - at) * per_second), now
        if tokens < 1:
            return False
        tokens -= 1
        return True

    return serves


def window(count: float, seconds: float) -> Serves:
    """So many in each stretch of time, counted anew in the next."""
    stretch, used = -1, 0

    def serves(now: float) -> bool:
        nonlocal stretch, used
        if int(now / seconds) != stretch:
            stretch, used = int(now / seconds), 0
        used += 1
        return used <= count

    return serves


def noise(share: float) -> Serves:
    """An API that refuses a share of what it is sent, however quickly that comes."""
    draw = random.Random(5)
    return lambda _: draw.random() >= share


@dataclass
class Worker:
    name: str
    limit: ConcurrencyLimit
    refusals: Refusals = field(default_factory=lambda: Refusals(0.0))
    in_flight: int = 0
    since: float | None = None
    again: list[int] = field(default_factory=list)


@dataclass
class Run:
    seconds: float = 0.0
    posts: int = 0
    created: int = 0
    known: LearnedRate | None = None


def run(serves: Serves, rows: int, *, workers: int = 1, quick: bool = True, wait: float = 1.0) -> Run:
    """
    Rows sent by workers that share what they learn; refused ones come again after `wait` seconds.

    Args:
        quick: a refusal comes at once; else as late as any answer.
    """
    order, events = itertools.count(), list[tuple[float, int, str, int, tuple[bool, float, int, int]]]()
    gang = [Worker(f"w{n}", ConcurrencyLimit(100 // workers)) for n in range(workers)]
    came, left, due = Run(), rows, 0.0

    def at(when: float, what: str, n: int, answer: tuple[bool, float, int, int] = (True, 0.0, 0, 0)) -> None:
        heapq.heappush(events, (when, next(order), what, n, answer))

    def held(now: float) -> float:
        """When the next may be sent, by the shared rate."""
        nonlocal due
        if came.known is None or not came.known.in_force:
            return now
        due = max(due, now - 0.1, came.known.since)
        return due

    def hear(worker: Worker, now: float) -> None:
        worker.since = came.known.since if came.known else None
        worker.refusals.begin_anew(max(now, worker.since or now))

    for n in range(workers):
        at(0.0, "send", n)
        at(1.0, "look", n)
    while came.created < rows:
        now, _, what, n, (good, sent_at, number, row) = heapq.heappop(events)
        assert now < 1000, came
        worker = gang[n]
        if what == "look":
            if came.known is not None and worker.since != came.known.since:
                taken, seconds = worker.refusals.lately(now)
                came.known = (
                    joined(came.known, now, worker=worker.name, taken=taken, seconds=seconds) or came.known
                )
                hear(worker, now)
            if came.known is not None:
                taken, seconds = worker.refusals.taken, worker.refusals.seconds(now)
                came.known = grown(came.known, now, worker=worker.name, taken=taken, seconds=seconds)
            at(now + 1, "look", n)
        elif what == "answer":
            worker.limit.see(now, now - sent_at, pushed_back=not good, in_flight=worker.in_flight)
            worker.in_flight -= 1
            if good:
                came.created, came.seconds = came.created + 1, now
            else:
                at(now + wait, "again", n, (True, 0.0, 0, row))
                paced = came.known is not None and came.known.in_force and worker.since == came.known.since
                least, share = SHOWS_ANOTHER_RATE if paced else SHOWS_A_RATE
                burst = worker.refusals.refused(number, sent_at, wait, least=least, share=share, paced=paced)
                if burst:
                    found = learn(
                        came.known,
                        now,
                        worker=worker.name,
                        share=burst.share,
                        overall=burst.overall,
                        taken=burst.taken,
                        seconds=burst.seconds,
                        wait=burst.wait,
                    )
                    came.known = found or came.known
                    hear(worker, now)
        elif what == "again":
            worker.again.append(row)
        while worker.in_flight < worker.limit.whole and (worker.again or left):
            when = held(now)
            if when > now:
                at(when + 1e-6, "send", n)
                break
            if came.known is not None and came.known.in_force:
                due = when + 1 / came.known.rate
            if worker.again:
                row = worker.again.pop(0)
            else:
                row, left = rows - left, left - 1
            came.posts += 1
            good = serves(now)
            worker.in_flight += 1
            answered = now + (LATENCY if good or not quick else 0.002)
            at(answered, "answer", n, (good, now, worker.refusals.sent(now), row))
    return came


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("quota", ["bucket", "window"])
def test_a_quota_is_used_to_the_full_with_few_posts_beyond_the_rows(
    quota: str, quick: bool, workers: int
) -> None:
    serves = bucket(50) if quota == "bucket" else window(50, 1.0)
    came = run(serves, 600, workers=workers, quick=quick)
    assert came.seconds <= 600 / 50 / 0.95 + LATENCY
    assert came.posts <= 600 * (1.05 if quick else 1.15)


def test_a_quota_by_the_minute_is_learned_from_how_long_the_api_asks_to_wait() -> None:
    came = run(window(300, 60.0), 700, wait=30.0)
    assert came.seconds <= 155
    assert came.posts <= 700 * 1.11


@pytest.mark.parametrize("workers", [1, 2])
def test_a_quota_far_below_what_is_sent_at_first_is_found_within_a_second(workers: int) -> None:
    came = run(bucket(5), 60, workers=workers)
    assert came.seconds <= 60 / 5 / 0.95 + LATENCY


@pytest.mark.parametrize(("share", "seconds"), [(0.01, 6.0), (0.05, 7.0), (0.2, 11.0)])
def test_refusals_that_no_rate_explains_slow_nothing_down_for_long(share: float, seconds: float) -> None:
    for workers in (1, 2):
        assert run(noise(share), 1500, workers=workers).seconds <= seconds


def test_a_rate_above_what_is_sent_is_never_felt() -> None:
    came = run(bucket(600), 1500)
    assert came.known is None
    assert came.posts == 1500


def test_a_rate_that_is_refused_no_more_is_forgotten_within_half_a_minute() -> None:
    known: LearnedRate | None = LearnedRate(50.0, 50.0, 0.0, 1.0, measured=True)
    rates = []
    for second in range(30):
        if known is None:
            break
        known = grown(known, float(second), worker="w", taken=50 * second, seconds=float(second))
        rates.append(known.rate if known else None)
    assert known is None
    assert rates[10] == 50.0  # it rests first
    assert [rate for rate in rates if rate] == sorted(rate for rate in rates if rate)


def test_where_everything_is_refused_the_rate_stays_and_the_credential_is_held_for_longer_each_time() -> None:
    known, now, holds = LearnedRate(50.0, 50.0, 0.0, 1.0, measured=True), 20.0, []
    for _ in range(6):
        new = learn(known, now, worker="w", share=1.0, overall=1.0, taken=0, seconds=0.1, wait=0.0)
        assert new is not None
        assert new.found == 50.0
        holds.append(new.since - now)
        known, now = new, new.since + 0.1
    assert holds == sorted(holds)
    assert holds[0] == 1.0
    assert holds[-1] == 10.0


def test_a_long_retry_after_holds_the_credential_that_long() -> None:
    new = learn(None, 100.0, worker="w", share=1.0, overall=0.5, taken=300, seconds=1.0, wait=40.0)
    assert new is not None
    assert new.since == 140.0
    assert new.rate == pytest.approx(0.98 * 300 / 40)


def test_noise_teaches_nothing_for_a_while() -> None:
    known = LearnedRate(0.0, 50.0, 100.0, 0.2)
    burst = {"share": 0.3, "overall": 0.3, "taken": 10, "seconds": 1.0, "wait": 0.0}
    assert learn(known, 100.0 + NOISE_SECONDS - 1, worker="w", **burst) is None  # type: ignore[arg-type]
    assert learn(known, 100.0 + NOISE_SECONDS + 1, worker="w", **burst) is not None  # type: ignore[arg-type]
    assert grown(known, 100.0 + NOISE_SECONDS + 1, worker="w", taken=0, seconds=0.0) is None
