"""Handed over and left: workers do the work, and others look with `--json`, in the shapes promised."""

from __future__ import annotations

from operator import itemgetter

from tests.support.commands import Desk, rows_of, running_worker, tenants, until
from tests.support.sandbox_process import SandboxProcess

STATES = {"queued", "claimed", "sending", "succeeded", "dead", "in_doubt", "cancelled"}
BATCH = {"batch", "name", "accepted", "states", "bounds", "attempts", "paused", "brakes", "settled"}
JOB = {"job", "batch", "key", "row", "credential", "state", "reason", "attempts", "bounds", "widget_id"}
ATTEMPT = {"n", "at", "seconds", "evidence", "status", "error", "next_delay"}


def test_what_was_handed_over_is_done_by_a_worker_and_shown_as_promised(
    desk: Desk, sandbox: SandboxProcess, redis_url: str
) -> None:
    tenants(desk.folder / "tenants.csv", 60)
    sandbox.post_faults({"error-422": 0.1, "error-500": 0.2})
    shared = {"REDIS_URL": redis_url}

    handed_over = desk.run("apply", "tenants.csv", "--detach", "--json", **shared)
    assert (handed_over.code, sandbox.stats()["posts"]) == (0, 0)
    [batch] = handed_over.objects
    assert set(batch) >= BATCH
    assert batch["states"] == dict.fromkeys(STATES, 0) | {"queued": 60}
    assert (batch["settled"], batch["paused"], batch["brakes"]) == (False, False, [])

    with running_worker(desk, redis_url):
        watched = desk.run("status", "tenants", "--watch", "--json", **shared)
    assert watched.last["settled"]
    [status] = desk.run("status", batch["batch"], "--json", **shared).objects
    assert set(status) >= BATCH
    assert set(status["states"]) == STATES
    assert set(status["bounds"]) == {"least", "most"}
    assert status["states"]["succeeded"] + status["states"]["dead"] == 60

    jobs = desk.run("jobs", "tenants", "--json", **shared).objects
    assert [job["row"] for job in jobs] == list(range(2, 62))
    assert all(set(job) >= JOB for job in jobs)
    attempts = [attempt for job in jobs for attempt in job["attempts"]]
    assert all(set(attempt) >= ATTEMPT for attempt in attempts)
    assert {attempt["status"] for attempt in attempts} == {200, 422, 500}

    dead = desk.run("jobs", "tenants", "--state", "dead", "--json", **shared).objects
    assert len(dead) == status["states"]["dead"] > 0
    [job] = desk.run("job", dead[0]["job"], "--json", **shared).objects
    assert dead[0].items() <= job.items()
    [cause] = desk.run("dead-letters", "tenants", "--json", **shared).objects
    assert (cause["batch"], cause["name"], cause["cause"]) == (
        batch["batch"],
        "tenants",
        "unprocessable_entity",
    )
    assert (cause["count"], cause["example"]) == (len(dead), min(dead, key=itemgetter("row"))["job"])

    exported = desk.run("export", "tenants", "--to", "files", "--json", **shared)
    assert exported.last["rows"]["created.csv"] == status["states"]["succeeded"]
    assert {row["key"] for row in rows_of(desk.folder / "files" / "failed.csv")} == {
        job["key"] for job in dead
    }


def test_without_a_redis_there_is_nobody_to_leave_it_to(desk: Desk, sandbox: SandboxProcess) -> None:
    tenants(desk.folder / "tenants.csv", 1)
    refused = desk.run("apply", "tenants.csv", "--detach")
    assert refused.code == 2
    assert "hint: set it and start a worker with: provision worker" in refused.err
    assert sandbox.stats()["posts"] == 0


def test_whoever_watches_may_leave_and_the_workers_go_on(
    desk: Desk, sandbox: SandboxProcess, redis_url: str
) -> None:
    tenants(desk.folder / "tenants.csv", 100)
    with running_worker(desk, redis_url, RATE="100/s"):
        apply = desk.start("apply", "tenants.csv", REDIS_URL=redis_url)
        until(lambda: sandbox.stats()["widgets"] >= 5, "it is in the middle")
        left = apply.end(2)
        assert left.code == 130
        assert "workers continue to send them" in left.err
        until(lambda: sandbox.stats()["widgets"] == 100, "the workers have done the rest")
        until(lambda: desk.run("status", "tenants", "--json", REDIS_URL=redis_url).last["settled"], "settled")
    assert sandbox.stats()["posts"] == 100


def test_two_applies_of_one_file_at_the_same_moment_make_no_second_widget(
    desk: Desk, sandbox: SandboxProcess, redis_url: str
) -> None:
    tenants(desk.folder / "tenants.csv", 1500)
    with running_worker(desk, redis_url):
        both = [
            desk.start("apply", "tenants.csv", "--json", "--to", f"files-{n}", REDIS_URL=redis_url)
            for n in range(2)
        ]
        first, second = (apply.end() for apply in both)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    stats = sandbox.stats()
    assert (stats["posts"], stats["widgets"], stats["bodies_created_twice"]) == (1500, 1500, 0)
    news = [ran.last["verdicts"].get("new", 0) for ran in (first, second)]
    assert sum(news) == 1500
