"""Each weather does what its name says: the real server is asked as if POSTs came at given times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from bench import environments, rows
from bench.contenders import OURS, PLAIN_LOOP, UNDER_WEATHER, Contender
from bench.server import nginx
from bench.weather import run
from bench.weather.table import LATENCY, WEATHERS, Weather

pytestmark = pytest.mark.skipif(
    nginx.unavailable_reason() is not None, reason=str(nginx.unavailable_reason())
)

FIRST = rows.FIRST_BOT + 1_000

Asking = Callable[[int, float], httpx.Response]
"""A row and a time in seconds → the answer to its next POST, if it came then."""


@pytest.fixture
def under(tmp_path: Path) -> Iterator[Callable[[str], Asking]]:
    with ExitStack() as stack:

        def started(name: str) -> Asking:
            over = nginx.Over(name, FIRST, WEATHERS[name].rows)
            server = stack.enter_context(nginx.running(tmp_path, LATENCY, 0.0, over))
            client = HTTPConnection(server.url.removeprefix("http://"))
            stack.callback(client.close)

            def ask(row: int, now: float) -> httpx.Response:
                client.request("GET", f"/foretold?bot={FIRST + row}&now={now}")
                answer = client.getresponse()
                return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())

            return ask

        yield started


@pytest.mark.parametrize(
    ("weather", "status", "rows_met", "times"),
    [
        ("clear", 500, range(0), 0),
        ("last-60-twice-500", 500, range(300, 360), 2),
        ("first-60-twice-500", 500, range(60), 2),
        ("first-60-always-500", 500, range(60), 7),
        ("5-rows-always-500", 500, range(5), 7),
    ],
)
def test_neighbouring_rows_fail_as_often_as_it_is_called(
    under: Callable[[str], Asking], weather: str, status: int, rows_met: range, times: int
) -> None:
    ask = under(weather)
    for row in range(0, WEATHERS[weather].rows, 7):
        answers = [ask(row, 100.0).status_code for _ in range(7)]
        failures = times if row in rows_met else 0
        assert answers == [status] * failures + [200] * (7 - failures), row


@pytest.mark.parametrize(
    ("weather", "status", "times", "rows_met"),
    [
        ("1-percent-429-once", 429, 1, 16),
        ("5-percent-503-once", 503, 1, 75),
        ("10-percent-500-once", 500, 1, 150),
        ("30-percent-500-once", 500, 1, 449),
        ("3-percent-always-500", 500, 3, 45),
    ],
)
def test_a_share_of_the_rows_fails_as_often_as_it_is_called(
    under: Callable[[str], Asking], weather: str, status: int, times: int, rows_met: int
) -> None:
    ask = under(weather)
    first = [ask(row, 0.0) for row in range(WEATHERS[weather].rows)]
    failed = [row for row, answer in enumerate(first) if answer.status_code != 200]
    assert {first[row].status_code for row in failed} == {status}
    assert len(failed) == rows_met
    assert max(b - a for a, b in pairwise(failed)) < 12 * 1500 / rows_met  # scattered
    again = [[ask(row, 1.0).status_code for row in failed] for _ in range(2)]
    assert again == [[status if times > n else 200] * rows_met for n in (1, 2)]


def test_a_failure_speaks_as_the_api_does_and_a_gateway_as_a_gateway(under: Callable[[str], Asking]) -> None:
    failure = under("5-rows-always-500")(0, 0.0)
    assert failure.json()["error"]["code"] == "E0500"
    assert failure.headers["content-type"].startswith("application/json")
    assert failure.headers["x-latency"] == "0.2"
    assert "retry-after" not in failure.headers


def test_slow_answers_take_five_seconds_and_are_widgets(under: Callable[[str], Asking]) -> None:
    ask = under("2-percent-take-5s")
    answers = [ask(row, 0.0) for row in range(1500)]
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.headers["x-latency"] for answer in answers].count("5") == 30
    assert {answer.headers["x-latency"] for answer in answers} == {"5", "0.2"}


@pytest.mark.parametrize(
    ("weather", "begin", "end", "kind"),
    [
        ("outage", 2.0, 12.0, "text/html"),
        ("outage-in-json", 2.0, 12.0, "application/json"),
        ("short-outage", 1.0, 4.0, "text/html"),
    ],
)
def test_an_outage_is_counted_from_the_batchs_first_post_and_meets_every_row(
    under: Callable[[str], Asking], weather: str, begin: float, end: float, kind: str
) -> None:
    ask = under(weather)
    assert ask(-1, 90.0).status_code == 200  # a row of the warm-up: the batch has not begun
    assert ask(0, 100.0).status_code == 200
    times = [begin - 0.01, begin, (begin + end) / 2, end - 0.01, end]
    answers = [ask(row, 100.0 + at) for row, at in enumerate(times)]
    assert [answer.status_code for answer in answers] == [200, 503, 503, 503, 200]
    assert answers[1].headers["content-type"].startswith(kind)
    assert ask(-2, 100.0 + begin).status_code == 200  # rows of the warm-up have other weather


def test_a_bucket_gives_what_it_has_saved_up_and_then_its_rate(under: Callable[[str], Asking]) -> None:
    ask = under("quota-bucket")
    at_once = [ask(row, 100.0) for row in range(60)]
    assert [answer.status_code for answer in at_once] == [200] * 50 + [429] * 10
    assert at_once[-1].headers["retry-after"] == "1"
    assert at_once[-1].headers["x-latency"] == "0"
    # 25 are there after half a second, and never more than a second's worth.
    assert sum(ask(row, 100.5).status_code == 200 for row in range(60, 100)) == 25
    assert sum(ask(row, 900.0).status_code == 200 for row in range(100, 200)) == 50


def test_a_bucket_loses_nothing_of_its_rate_to_refusals(under: Callable[[str], Asking]) -> None:
    ask = under("quota-bucket")
    given = sum(ask(n, 100.0 + n / 128).status_code == 200 for n in range(10 * 128 + 1))
    assert given == 550


def test_a_window_gives_so_many_in_each_second_and_refuses_slowly(under: Callable[[str], Asking]) -> None:
    ask = under("quota-window")
    in_a_second = [ask(row, 100.0 + row / 100) for row in range(70)]
    assert [answer.status_code for answer in in_a_second] == [200] * 50 + [429] * 20
    assert in_a_second[-1].headers["retry-after"] == "1"
    assert in_a_second[-1].headers["x-latency"] == "0.2"
    assert [ask(70 + n, 101.0).status_code for n in range(51)] == [200] * 50 + [429]


def test_a_server_that_leaves_answers_what_it_has_and_is_back_with_its_log(tmp_path: Path) -> None:
    over = nginx.Over("refused", FIRST, 10, leaves_after=0.05, stays_away=0.0)
    with nginx.running(tmp_path, 0.3, 0.0, over) as server, httpx.Client() as client:
        address = f"{server.url}/v1/widget/create"
        assert client.post(address, content=rows.body(1_000)).status_code == 200  # in hand as it went
        with httpx.Client(transport=httpx.HTTPTransport(retries=10)) as patient:  # tries to connect again
            assert patient.post(address, content=rows.body(1_001)).status_code == 200
    assert [post.mark for post in server.posts()] == [str(FIRST), str(FIRST + 1)]


@pytest.mark.slow
@pytest.mark.parametrize("contender", UNDER_WEATHER, ids=lambda contender: contender.name)
def test_what_becomes_of_the_rows_is_counted_the_same_by_contender_and_server(contender: Contender) -> None:
    if missing := environments.unavailable_reason(contender.environment):
        pytest.skip(missing)
    weather = Weather("10-percent-500-once", "a few", rows=100)
    found = run.run(contender, weather, processes=2 if contender is OURS else 1, bound=60.0)
    assert (found.created, found.dead, found.in_doubt, found.unsettled) == (100, 0, 0, 0)
    assert (found.posts, found.duplicates) == (100 + 9, 0)
    assert 0.2 < found.posting_s <= found.seconds


@pytest.mark.slow
def test_dead_rows_are_counted_and_rows_left_at_the_bound_are_unsettled() -> None:
    weather = WEATHERS["5-rows-always-500"]
    ended = run.run(PLAIN_LOOP, weather, processes=1, bound=60.0)
    assert (ended.created, ended.dead, ended.unsettled, ended.posts) == (0, 5, 0, 30)
    left = run.run(PLAIN_LOOP, weather, processes=1, bound=0.5)
    assert (left.created, left.dead, left.unsettled) == (0, 0, 5)
    assert left.seconds >= 0.5
