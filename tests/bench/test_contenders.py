"""Every contender does the job, each job once, against the real server; its speed is of no interest here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import httpx
import pytest

from bench import environments, redis_server, rows, stage
from bench.contenders import CONTENDERS, OURS, PEERS, Contender
from bench.scenarios import Scenario
from bench.server import nginx
from bench.server.post_log import seen

JOBS = 50

A_FEW = Scenario("a few", "a few", 0.02, 0.1, in_flight=4, processes=1, jobs=JOBS, seconds=10.0)

needs_nginx = pytest.mark.skipif(
    nginx.unavailable_reason() is not None, reason=str(nginx.unavailable_reason())
)


@needs_nginx
@pytest.mark.slow
@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_it_creates_a_widget_for_every_row_and_tries_the_failed_ones_again(contender: Contender) -> None:
    if missing := environments.unavailable_reason(contender.environment):
        pytest.skip(missing)
    run = stage.run(contender, A_FEW, jobs=JOBS)
    # Which attempts fail is the server's choice and the same for all: none of the rows may be spared.
    assert run.posts == JOBS + run.failed
    assert (run.failed, run.duplicates) == (_failures(), 0)
    assert run.cpu_us > 0
    assert run.peak_bytes > 5_000_000


@needs_nginx
@pytest.mark.slow
@pytest.mark.parametrize("contender", [OURS, *PEERS], ids=lambda contender: contender.name)
def test_handing_over_puts_all_rows_into_redis_and_sends_nothing(contender: Contender) -> None:
    if missing := environments.unavailable_reason(contender.environment):
        pytest.skip(missing)
    assert stage.enqueue(contender, jobs=200).enqueue_s > 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[nginx.Server]:
    with nginx.running(tmp_path, 0.0, 0.1) as server:
        yield server


@needs_nginx
def test_the_server_answers_a_widget_of_its_own_for_every_post(server: nginx.Server) -> None:
    with httpx.Client() as client:
        answers = [client.post(f"{server.url}/v1/widget/create", content=rows.body(1)) for _ in range(20)]
    made = [answer.json()["data"] for answer in answers if answer.status_code == 200]
    assert len({widget["ApiKey"]["key"] for widget in made}) == len(made) > 10
    assert len({widget["Widget"]["id"] for widget in made}) == len(made)


@needs_nginx
def test_the_server_refuses_what_is_no_order(server: nginx.Server) -> None:
    with httpx.Client() as client:
        assert client.post(f"{server.url}/v1/widget/create", content=b"{}").status_code == 422
        assert client.get(f"{server.url}/v1/widget/create").status_code == 422
        assert client.post(f"{server.url}/elsewhere", content=rows.body(1)).status_code == 404


@needs_nginx
def test_the_log_has_every_post_with_its_job_and_size(tmp_path: Path) -> None:
    with nginx.running(tmp_path, 0.05, 0.0) as server, httpx.Client() as client:
        for number in (1, 1, 2):
            client.post(f"{server.url}/v1/widget/create", content=rows.body(number))
    posts = server.posts()
    assert [post.mark for post in posts] == [str(rows.FIRST_BOT + number) for number in (1, 1, 2)]
    assert {post.size for post in posts} == {rows.BODY_BYTES}
    assert all(post.seconds >= 0.05 for post in posts)
    assert seen(posts).duplicates == 1


def test_our_redis_keeps_what_it_is_told_and_the_peers_keeps_nothing(tmp_path: Path) -> None:
    with redis_server.running(tmp_path, "everysec"):
        assert (tmp_path / "appendonlydir").exists()
    other = tmp_path / "other"
    other.mkdir()
    with redis_server.running(other, "nothing"):
        assert not (other / "appendonlydir").exists()


def test_a_contenders_environment_holds_no_setting_of_the_one_who_runs_the_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVISION_RATE", "1/s")
    environ = stage.environ_of(tmp_path, "http://127.0.0.1:1", "redis://127.0.0.1:2/0", 3)
    assert not [name for name in environ if name.startswith("PROVISION_")]
    assert environ.keys() > os.environ.keys() - {"PROVISION_RATE"}


def _failures() -> int:
    """How many POSTs the server fails, counted as `answer.lua` draws them."""
    first = rows.FIRST_BOT + A_FEW.warm_up
    failures = 0
    for bot in range(first, first + JOBS):
        attempt = 1
        while crc32(f"{bot}:{attempt}".encode()) % 1000 < 100:
            failures += 1
            attempt += 1
    return failures
