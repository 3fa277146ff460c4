"""`/metrics` of a real worker and a real server: the numbers of the ledger and of the API, and no secret."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import gauges
from tests.support.commands import PATIENCE, Desk, running_worker, tenants, until
from tests.support.http_server import Server, make_token, problem, running_server
from tests.support.sandbox_process import SandboxProcess
from worker.events import metrics

FAULTS = {
    "error-500": "0.25",
    "error-404-bot": "0.1",
    "close-after-create": "0.06",
    "truncated": "0.04",
}
ROWS = 120
PLANTED = "planted-tenant"


class Numbers:
    """What was shown, by name and labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def of(self, name: str, **labels: str) -> float:
        return self.samples[name, frozenset(labels.items())]

    def sum(self, name: str, **labels: str) -> float:
        """Over all series with these labels."""
        wanted = labels.items()
        return sum(value for (each, has), value in self.samples.items() if each == name and wanted <= has)

    def names(self) -> set[str]:
        return set(re.findall(r"^# TYPE (\S+)", self.text, re.MULTILINE))


def address_of(desk: Desk) -> str:
    """Where the worker that was started last shows its metrics, as its log says."""
    found: list[str] = []

    def said() -> bool:
        text = "".join(path.read_text() for path in desk.folder.glob("process-*.err"))
        found[:] = re.findall(r'"metrics_url": ?"([^"]+)"', text)
        return bool(found)

    until(said, "the worker says where its metrics are")
    return found[-1]


def numbers(url: str, **headers: str) -> Numbers:
    answer = httpx.get(url, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return Numbers(answer.text)


def scraped(server: Server, holds: Callable[[Numbers], bool] = lambda _: True) -> Numbers:
    """What the server shows, once it is as expected: it keeps a reading for a few seconds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        shown = numbers(f"{server.url}/metrics", authorization=f"Bearer {server.token}")
        if holds(shown):
            return shown
        assert time.monotonic() < deadline, shown.text
        time.sleep(0.2)


def test_the_numbers_are_those_of_the_ledger_and_of_the_api(
    desk: Desk, sandbox: SandboxProcess, redis_url: str, tmp_path: Path
) -> None:
    sandbox.post_faults(FAULTS)
    tenants(desk.folder / "shop.csv", ROWS, prefix=PLANTED)
    token = make_token(redis_url, "prometheus", "metrics")
    settings = {"METRICS_PORT": "0", "CLIENT_SECRET": "sandbox"}
    with (
        running_worker(desk, redis_url, **settings) as worker,
        running_server(redis_url, tmp_path, token, RATE="7/s") as server,
    ):
        applied = desk.run("apply", "shop.csv", "--yes", "--json", REDIS_URL=redis_url)
        assert applied.code == 3, applied.err
        status = applied.last
        desk.run("pace", "acme", "20/s", REDIS_URL=redis_url)
        desk.run("pause", "--credential", "acme", REDIS_URL=redis_url)
        ledger = scraped(server, lambda shown: shown.sum("provision_ledger_holds") == 1)
        told = numbers(address_of(desk))
        stats = sandbox.stats()
    states, causes = status["states"], status["causes"]
    assert states["dead"]
    assert states["in_doubt"]
    _same_as_the_ledger(ledger, status)
    # The worker's: each end, by state and cause.
    for state in ("succeeded", "dead", "in_doubt"):
        assert told.sum("provision_jobs_ended_total", state=state) == states[state]
    for state, by_cause in causes.items():
        for cause, count in by_cause.items():
            assert told.of("provision_jobs_ended_total", state=state, cause=cause) == count
    assert told.of("provision_jobs_claimed_total") == ROWS
    # The API's: every POST that it has seen, by what it was answered.
    assert told.sum("provision_attempts_total") == status["attempts"] == stats["posts"]
    assert told.of("provision_post_duration_seconds_count") == stats["posts"]
    answered = told.sum("provision_attempts_total", status="500")
    assert answered == told.of("provision_retries_scheduled_total", cause="http_500") + _exhausted(causes)
    assert told.sum("provision_attempts_total", outcome="created") == status["bounds"]["least"]
    assert told.of("provision_in_hand") == told.of("provision_in_flight") == 0
    for shown in (ledger, told):
        assert not re.search(f"{PLANTED}|{status['batch']}|sandbox|{worker.pid}|pvt_|127.0.0.1", shown.text)
    assert {name for name in ledger.names() if not name.startswith("process_")} == {
        metric.name for metric in gauges.METRICS
    }
    assert {name for name in told.names() if not name.startswith("process_")} == {
        metric.name for metric in metrics.METRICS
    }


def _same_as_the_ledger(shown: Numbers, status: dict[str, Any]) -> None:
    for state, count in status["states"].items():
        assert shown.of("provision_ledger_jobs", state=state) == count
    assert shown.of("provision_ledger_accepted_jobs") == status["accepted"] == ROWS
    assert shown.of("provision_ledger_attempts") == status["attempts"]
    assert shown.of("provision_ledger_widgets_least") == status["bounds"]["least"]
    assert shown.of("provision_ledger_widgets_most") == status["bounds"]["most"]
    for cause, count in status["causes"].get("dead", {}).items():
        assert shown.of("provision_ledger_dead_letters", cause=cause) == count
    for cause, count in status["causes"].get("in_doubt", {}).items():
        assert shown.of("provision_ledger_in_doubt", cause=cause) == count
    assert 0 < shown.of("provision_ledger_in_doubt_oldest_seconds") < PATIENCE
    assert shown.of("provision_ledger_batches", settled="true") == 1
    assert shown.of("provision_ledger_workers") == 1
    assert shown.of("provision_ledger_queue_oldest_seconds") == 0
    assert shown.of("provision_ledger_pace_default_per_second") == 7
    assert shown.of("provision_ledger_pace_per_second", credential="acme") == 20
    paused = {"kind": "paused", "scope": "credential", "trying": "false"}
    assert shown.of("provision_ledger_holds", **paused) == 1
    assert shown.of("provision_ledger_redis_memory_used_bytes") > 100_000
    assert shown.of("provision_ledger_redis_append_only") == 1
    assert shown.sum("provision_ledger_redis_persistence_ok") == 3
    assert shown.of("provision_ledger_queue_messages") == 0


def _exhausted(causes: dict[str, dict[str, int]]) -> int:
    return causes.get("dead", {}).get("http_500", 0)


def test_a_queue_that_nobody_works_grows_old(desk: Desk, redis_url: str, tmp_path: Path) -> None:
    tenants(desk.folder / "shop.csv", 3)
    with running_server(redis_url, tmp_path, make_token(redis_url, "p", "metrics")) as server:
        applied = desk.run("apply", "shop.csv", "--detach", "--yes", REDIS_URL=redis_url)
        assert applied.code == 0, applied.err
        oldest = "provision_ledger_queue_oldest_seconds"
        first = scraped(server, lambda shown: shown.of(oldest) > 0)
        later = scraped(server, lambda shown: shown.of(oldest) > first.of(oldest))
        assert later.of("provision_ledger_jobs", state="queued") == 3
        assert later.of("provision_ledger_workers") == 0


@pytest.mark.parametrize(
    ("scopes", "path", "said"),
    [
        (("metrics",), "/metrics", ""),
        (("read",), "/metrics", ""),
        (("submit", "operate"), "/metrics", "no-scope"),
        (("metrics",), "/v1/batches", "no-scope"),
    ],
)
def test_a_token_reads_metrics_as_far_as_its_scopes_reach(
    served: Server, redis_url: str, scopes: tuple[str, ...], path: str, said: str
) -> None:
    token = make_token(redis_url, "-".join(scopes) + path.replace("/", "."), *scopes)
    answer = httpx.get(served.url + path, headers={"authorization": f"Bearer {token}"}, timeout=PATIENCE)
    assert (problem(answer) if answer.status_code != 200 else "") == said


def test_without_a_token_nothing_is_told(served: Server) -> None:
    assert problem(httpx.get(f"{served.url}/metrics", timeout=PATIENCE)) == "no-token"


@pytest.fixture(scope="module")
def served(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running_server(valkey_url, tmp_path_factory.mktemp("serve"), "pvt_unused") as server:
        yield server


def test_a_port_that_is_taken_is_an_error_at_the_start(desk: Desk, redis_url: str) -> None:
    with running_worker(desk, redis_url, METRICS_PORT="0"):
        port = address_of(desk).rpartition(":")[2].removesuffix("/metrics")
        second = desk.run("worker", REDIS_URL=redis_url, METRICS_PORT=port)
    assert second.code == 2
    assert f"error: cannot show metrics at 127.0.0.1 port {port} (Address already in use)" in second.err
    assert "hint: the port may be in use" in second.err


def test_a_worker_without_a_port_listens_nowhere(desk: Desk, redis_url: str) -> None:
    with running_worker(desk, redis_url) as worker:
        listening = [
            line.split() for line in Path(f"/proc/{worker.pid}/net/tcp").read_text().splitlines()[1:]
        ]
        inodes = {fields[9] for fields in listening if fields[3] == "0A"}
        own = {str(path.readlink()) for path in Path(f"/proc/{worker.pid}/fd").iterdir()}
    assert not {f"socket:[{inode}]" for inode in inodes} & own
