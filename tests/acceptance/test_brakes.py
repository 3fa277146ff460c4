"""A wrong password, an API that is down: what a person at the terminal meets, and the way out."""

from __future__ import annotations

from tests.support.commands import Desk, tenants, until
from tests.support.sandbox_process import SandboxProcess


def test_after_a_wrong_secret_is_corrected_resume_and_the_same_command_finish_the_batch(
    desk: Desk, sandbox: SandboxProcess
) -> None:
    tenants(desk.folder / "tenants.csv", 100)
    refused = desk.run("apply", "tenants.csv", CLIENT_SECRET="wrong")
    assert refused.code == 3
    assert "provision resume --credential default" in refused.out
    assert "100  queued" in refused.out
    assert sandbox.stats()["widgets"] == 0

    # Not corrected yet: one probe is sent, and the brake stays on.
    posts = sandbox.stats()["posts"]
    assert desk.run("resume", "--credential", "default").code == 0
    assert desk.run("apply", "tenants.csv", CLIENT_SECRET="wrong").code == 3
    assert sandbox.stats()["posts"] == posts + 1

    assert desk.run("resume", "--credential", "default").code == 0
    done = desk.run("apply", "tenants.csv")
    assert done.code == 0, done.out + done.err
    assert sandbox.stats()["widgets"] == 100
    assert sandbox.stats()["bodies_created_twice"] == 0


def test_an_outage_is_waited_out_and_costs_no_row(desk: Desk, sandbox: SandboxProcess) -> None:
    tenants(desk.folder / "tenants.csv", 100)
    sandbox.post_faults({"scenario": "outage"})
    running = desk.start("apply", "tenants.csv")
    until(lambda: "is down" in (desk.folder / "process-0.err").read_text(), "the outage is told of")
    sandbox.post_faults({"scenario": "calm"})
    done = running.end()
    assert done.code == 0, done.out + done.err
    assert sandbox.stats()["bodies_created_twice"] == 0
