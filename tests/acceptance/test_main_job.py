"""The main job: a CSV becomes widgets, and every outcome is in Redis."""

from __future__ import annotations

import pytest

from tests.support.commands import BIN, PROVISION, Desk, running_worker, tenants
from tests.support.sandbox_process import SandboxProcess

ROWS = 2000

WORKERS = {
    "provision worker": [PROVISION, "worker"],
    "plain celery": [str(BIN / "celery"), "-A", "worker.process.app", "worker", "--pool", "threads"],
}


@pytest.mark.parametrize("command", WORKERS.values(), ids=WORKERS.keys())
def test_every_row_ends_and_no_widget_is_made_twice_through_500s_and_rejections(
    command: list[str], desk: Desk, sandbox: SandboxProcess, redis_url: str
) -> None:
    sandbox.post_faults({"error-500": 0.1, "error-422": 0.02})
    file = tenants(desk.folder / "tenants.csv", ROWS)

    with running_worker(desk, redis_url, *command):
        first = desk.run("apply", str(file), "--json", REDIS_URL=redis_url)
        sent = sandbox.stats()
        again = desk.run("apply", str(file), "--json", REDIS_URL=redis_url)

    states = first.last["states"]
    assert (first.code, first.last["settled"]) == (3, True)
    assert first.last["accepted"] == sum(states.values()) == ROWS
    assert states["succeeded"] + states["dead"] == ROWS
    assert 0 < states["dead"] < ROWS * 0.05
    assert set(first.last["causes"]["dead"]) == {"unprocessable_entity"}
    assert sent["bodies_created_twice"] == 0
    assert sent["widgets"] == states["succeeded"] == first.last["bounds"]["least"]
    jobs = desk.run("jobs", "tenants", "--json", REDIS_URL=redis_url).objects
    posts = [attempt for job in jobs for attempt in job["attempts"] if attempt["evidence"] != "nothing_sent"]
    assert len(posts) == sent["posts"] > ROWS

    assert sandbox.stats()["posts"] == sent["posts"]
    assert again.code == 3
    assert again.last["states"] == states
    assert again.last["verdicts"] == {"succeeded": states["succeeded"], "dead": states["dead"]}
