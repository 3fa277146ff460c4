"""Flower, as a real process beside real workers: what it shows, to whom, and what it can do."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from celery import Celery
from redis import Redis

from provisioning.ledger import keys
from tests.support.commands import PROVISION, Desk, Running, rows_of, running_worker, tenants, until
from tests.support.flower_site import ABOUT_TASK, ABOUT_WORKER, CONTROLS, PAGES, running_flower
from tests.support.sandbox_process import SandboxProcess, running_sandbox

MARK = "planted-marker-of-a-body"
CLIENT, SECRET = "company-one", "s3cret-of-company-one"

SHOWN = {"succeeded": "SUCCESS", "dead": "FAILURE", "in_doubt": "FAILURE"}


def _with_rejected(path: Path, rows: int) -> None:
    """Good rows, and two whose bot the company does not have."""
    tenants(path, rows)
    with path.open("a") as file:
        file.writelines(f"rejected-{n},Nobody,4041{n},normal,#000000\n" for n in range(2))


@contextmanager
def _rough() -> Iterator[SandboxProcess]:
    faults = ("error-500=0.2", "reset-after-create=0.1")
    options = [option for fault in faults for option in ("--fault", fault)]
    with running_sandbox("--seed", "5", *options) as sandbox:
        yield sandbox


def test_every_job_is_a_task_with_its_story_and_the_worker_that_did_it(desk: Desk, redis_url: str) -> None:
    _with_rejected(desk.folder / "shop.csv", 40)
    with _rough() as sandbox, running_flower(desk, redis_url) as flower:
        here = {"API_URL": sandbox.url, "FLOWER_EVENTS": "all"}
        with (
            running_worker(desk, redis_url, **here),
            running_worker(desk, redis_url, PROVISION, "worker", "--name", "second", **here),
        ):
            assert desk.run("apply", "shop.csv", "--detach", REDIS_URL=redis_url, **here).code == 0
            until(
                lambda: desk.run("status", "shop", "--json", REDIS_URL=redis_url).last["settled"],
                "all have ended",
            )
            jobs = desk.run("jobs", "shop", "--json", REDIS_URL=redis_url).objects
            ends = {job["job"]: SHOWN[job["state"]] for job in jobs}
            until(lambda: {i: t["state"] for i, t in flower.tasks().items()} == ends, "all have ended there")
            tasks = flower.tasks()
            for job in jobs:
                task, attempts = tasks[job["job"]], job["attempts"]
                assert task["args"] == repr((job["key"], job["row"]))
                assert task["worker"] == attempts[-1]["worker"]
                assert task["received"] <= task["started"] <= task["timestamp"]
                assert bool(task["retried"]) == (len(attempts) > 1)
                if job["state"] == "succeeded":
                    assert (task["result"], task["exception"]) == (job["widget_id"], None)
                else:
                    assert job["reason"] in task["exception"]
                    assert task["exception"].startswith("in doubt: ") == (job["state"] == "in_doubt")
                    assert task["traceback"].count("attempt ") == len(attempts)
            assert {"succeeded", "dead", "in_doubt"} == {job["state"] for job in jobs}
            assert any(len(job["attempts"]) > 1 for job in jobs)
            dead = next(job["job"] for job in jobs if job["state"] == "dead")
            page = flower.ask(f"/task/{dead}").body.decode()
            assert all(
                words in page for words in ("FAILURE", "404 bot_not_found", "attempt 1 at", "rejected-")
            )
            searched = flower.ask("/api/tasks?search=rejected-1").json()
            assert [task["args"] for task in searched.values()] == ["('rejected-1', 43)"]
            drains = flower.tasks("provision.drain")
            assert {task["state"] for task in drains.values()} == {"SUCCESS"}
            for worker in {task["worker"] for task in tasks.values()}:
                assert "provision.drain" in flower.ask(f"/worker/{worker}").body.decode()


def test_only_problems_are_told_unless_asked_otherwise_and_a_restart_forgets_none(
    desk: Desk, redis_url: str
) -> None:
    _with_rejected(desk.folder / "shop.csv", 20)
    with running_flower(desk, redis_url) as flower, running_worker(desk, redis_url):
        assert desk.run("apply", "shop.csv", REDIS_URL=redis_url).code == 3
        until(lambda: len(flower.tasks()) == 2, "the two that died are there")
        before = flower.tasks()
        assert {task["exception"].split(" (")[0] for task in before.values()} == {"404 bot_not_found"}
    with running_flower(desk, redis_url) as flower:
        after = flower.tasks()
        assert {i: t["exception"] for i, t in after.items()} == {i: t["exception"] for i, t in before.items()}
        memory = desk.folder / ".provision" / "flower"
        assert all(path.stat().st_mode & 0o077 == 0 for path in (memory, *memory.iterdir()))
        second = desk.run("flower", "--port", "0", REDIS_URL=redis_url)
        assert (second.code, "another Flower" in second.err) == (2, True)


def test_sigterm_ends_a_flower_that_a_script_has_in_the_background(desk: Desk, redis_url: str) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what a shell gives to what it starts with &
    try:
        with running_flower(desk, redis_url) as flower:
            signal.signal(signal.SIGINT, before)
            assert flower.running.end(signal.SIGTERM).code == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_none_shows_workers_and_no_jobs(desk: Desk, redis_url: str) -> None:
    _with_rejected(desk.folder / "shop.csv", 3)
    with running_flower(desk, redis_url) as flower, running_worker(desk, redis_url, FLOWER_EVENTS="none"):
        assert desk.run("apply", "shop.csv", REDIS_URL=redis_url).code == 3
        assert flower.ask(f"/worker/{flower.worker()}").status == 200
        assert flower.tasks() == {}


def test_without_the_password_nothing_is_shown_and_with_it_nothing_can_be_done(
    desk: Desk, redis_url: str
) -> None:
    with running_flower(desk, redis_url) as flower, running_worker(desk, redis_url):
        worker = flower.worker()
        paths = [*PAGES, *(path.format(worker) for path in ABOUT_WORKER + ABOUT_TASK)]
        for auth in (None, ("ana", "wrong"), ("", "")):
            assert {flower.ask(path, auth=auth).status for path in paths} == {401}
        acts = [path.format(worker=worker) for path in CONTROLS]
        assert {flower.ask(path, "POST", auth=None).status for path in acts} == {401}
        assert {flower.ask(path, "POST").status for path in acts} == {403}
        assert flower.ask(f"/worker/{worker}").status == 200
        assert "Shut Down" not in flower.ask(f"/worker/{worker}").body.decode()
        shown = Path(f"/proc/{flower.running.pid}/cmdline").read_bytes()
        assert b"s3cret" not in shown


def test_with_control_a_worker_is_shut_down_gracefully_and_what_means_nothing_is_refused(
    desk: Desk, redis_url: str, sandbox: SandboxProcess
) -> None:
    tenants(desk.folder / "shop.csv", 60)
    sandbox.post_faults({"latency": "0.5"})
    slow = {"RATE": "20/s"}
    with (
        running_flower(desk, redis_url, "--control") as flower,
        running_worker(desk, redis_url, **slow) as worker,
    ):
        name = flower.worker()
        for path in CONTROLS:
            if "shutdown" not in path:
                refused = flower.ask(path.format(worker=name), "POST")
                assert refused.status == 403, path
                words = refused.body.decode()
                assert any(hint in words for hint in ("provision ", "PROVISION_MAX_IN_FLIGHT")), words
        assert desk.run("apply", "shop.csv", "--detach", REDIS_URL=redis_url, **slow).code == 0
        until(lambda: sandbox.stats()["posts"] > 5, "it sends")
        done = flower.ask(f"/api/worker/shutdown/{name}", "POST")
        assert (done.status, done.json()) == (200, {"message": "Shutting down!"})
        assert worker.end().code == 0
    states = desk.run("status", "shop", "--json", REDIS_URL=redis_url).last["states"]
    assert states["succeeded"] == sandbox.stats()["widgets"] > 5
    assert states["succeeded"] + states["queued"] == 60


def test_no_job_of_a_worker_that_was_killed_stays_started(
    desk: Desk, redis_url: str, sandbox: SandboxProcess
) -> None:
    tenants(desk.folder / "shop.csv", 30)
    sandbox.post_faults({"latency": "1"})
    quick = {"LEASE": "2", "MAX_IN_FLIGHT": "10", "FLOWER_EVENTS": "all"}
    with running_flower(desk, redis_url) as flower:
        with running_worker(desk, redis_url, **quick) as killed:
            assert desk.run("apply", "shop.csv", "--detach", REDIS_URL=redis_url, **quick).code == 0
            until(lambda: sandbox.stats()["in_flight"] > 3 and len(flower.tasks()) > 3, "it sends")
            killed.process.kill()
            killed.process.wait()
        sandbox.post_faults({"latency": "0"})
        with running_worker(desk, redis_url, **quick):
            until(
                lambda: desk.run("status", "shop", "--json", REDIS_URL=redis_url).last["settled"], "all ended"
            )
            until(
                lambda: {task["state"] for task in flower.tasks().values()} == {"SUCCESS", "FAILURE"},
                "no task is open",
            )
        doubted = [task for task in flower.tasks().values() if task["state"] == "FAILURE"]
    states = desk.run("status", "shop", "--json", REDIS_URL=redis_url).last["states"]
    assert len(doubted) == states["in_doubt"] > 0
    assert all("stopped responding while it was being sent" in task["exception"] for task in doubted)


def test_a_password_is_made_on_loopback_and_asked_for_elsewhere(desk: Desk, redis_url: str) -> None:
    elsewhere = desk.run("flower", "--host", "192.0.2.1", "--port", "0", REDIS_URL=redis_url)
    assert (elsewhere.code, "has no password" in elsewhere.err) == (2, True)
    with running_flower(desk, redis_url, FLOWER_AUTH="") as flower:
        until(lambda: "password" in flower.running.said, "it says the password")
        user, _, password = flower.running.said.split("user ")[1].split("\n")[0].partition(", password ")
        assert flower.ask("/", auth=(user, password)).status == 200
        assert flower.ask("/", auth=(user, "")).status == 401


def test_beside_an_embedded_valkey_it_sees_what_apply_does_and_ends_with_it(desk: Desk) -> None:
    _with_rejected(desk.folder / "shop.csv", 5)
    with running_flower(desk, None) as flower:
        assert desk.run("apply", "shop.csv").code == 3
        until(lambda: len(flower.tasks()) == 2, "the two that died are there")
    until(lambda: not desk.processes(), "nothing is left")


def test_no_planted_secret_is_on_any_page_in_its_memory_or_in_metrics(desk: Desk, redis_url: str) -> None:
    rows = [f"tenant-{n},{100_200_300 + n},{MARK}-{n}" for n in range(20)] + [f"tenant-20,40410,{MARK}-20"]
    (desk.folder / "shop.csv").write_text("\n".join(["key,bot.id,credentials.whiteList", *rows]) + "\n")
    company = {"CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET, "FLOWER_EVENTS": "all", "METRICS_PORT": "0"}
    faults = ("--fault", "error-500=0.2", "--fault", "error-422=0.1", "--fault", "reset-after-create=0.1")
    with (
        running_sandbox("--client", f"{CLIENT}:{SECRET}", "--seed", "5", *faults) as sandbox,
        running_flower(desk, redis_url) as flower,
        running_worker(desk, redis_url, **company, API_URL=sandbox.url) as worker,
    ):
        _hand_over_by_celery(redis_url)
        shared = {**company, "API_URL": sandbox.url, "REDIS_URL": redis_url}
        desk.run("apply", "shop.csv", **shared)
        until(lambda: len(flower.tasks()) == 22, "all jobs are there")
        until(lambda: len(flower.tasks("provision.submit")) == 2, "and both messages")
        seen = flower.everything() + _metrics(worker)
    memory = desk.folder / ".provision" / "flower"
    remembered = b"".join(path.read_bytes() for path in memory.iterdir())
    widgets = [row["outcome.widget_key"] for row in rows_of(desk.folder / "shop.outcomes" / "created.csv")]
    assert len(widgets) > 10
    password = redis_url.split("@")[0].rpartition(":")[2]
    assert len(password) > 10
    for there in (seen, remembered):
        assert b"tenant-7" in there  # the search would find what is there
        for secret in (MARK, SECRET, password, "s3cret-of-flower", *widgets):
            assert secret.encode() not in there
    with Redis.from_url(redis_url) as redis:
        assert MARK.encode() in b"".join(redis.lrange(keys.INTAKE_DEAD, 0, -1))


def _hand_over_by_celery(redis_url: str) -> None:
    """A message with a good job and one that is refused, whose body is then in the ledger."""
    job = {"key": "by-celery", "bot": {"id": "100200999"}, "credentials": {"whiteList": [MARK]}}
    with Celery(broker=redis_url) as app:
        for each in (job, job | {"bot": MARK}):
            app.send_task("provision.submit", kwargs={"jobs": [each]})


def _metrics(worker: Running) -> bytes:
    """What the worker's own `/metrics` says."""
    until(lambda: "metrics_url" in worker.said, "it says where")
    [address] = re.findall(r'"metrics_url": ?"([^"]+)"', worker.said)
    with urlopen(address, timeout=60) as answer:  # noqa: S310 - our own, on loopback
        return bytes(answer.read())
