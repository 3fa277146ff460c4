"""`provision apply` with nothing set up: an embedded Valkey, a worker, outcome files, and nothing left."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

from tests.support.commands import Desk, rows_of, tenants
from tests.support.sandbox_process import SandboxProcess

FILES = ("created.csv", "failed.csv", "in_doubt.csv", "not_attempted.csv")


def test_all_created_is_exit_0_and_the_same_command_again_sends_nothing(
    desk: Desk, sandbox: SandboxProcess
) -> None:
    tenants(desk.folder / "tenants.csv", 50)
    first = desk.run("apply", "tenants.csv")
    assert (first.code, sandbox.stats()["posts"]) == (0, 50), first.err
    assert "50  created" in first.out
    assert "exactly 50 widgets exist for 50 rows" in first.out
    assert desk.processes() == []

    again = desk.run("apply", "tenants.csv")
    assert (again.code, sandbox.stats()["posts"]) == (0, 50)
    assert "50 already created: skipped" in again.out
    assert desk.processes() == []


def test_every_accepted_row_is_in_exactly_one_outcome_file(desk: Desk, sandbox: SandboxProcess) -> None:
    sandbox.post_faults({"error-422": 0.1, "reset-after-create": 0.1, "error-500": 0.1})
    tenants(desk.folder / "tenants.csv", 200)
    ran = desk.run("apply", "tenants.csv", "--to", "outcomes", "--json")
    assert ran.code == 3
    states = ran.last["states"]
    folder = desk.folder / "outcomes"
    tables = {name: rows_of(folder / name) for name in FILES}

    assert {name: len(rows) for name, rows in tables.items()} == {
        "created.csv": states["succeeded"],
        "failed.csv": states["dead"],
        "in_doubt.csv": states["in_doubt"],
        "not_attempted.csv": 0,
    }
    assert states["dead"] > 0
    assert states["in_doubt"] > 0
    keys = [row["key"] for rows in tables.values() for row in rows]
    assert sorted(keys) == sorted(f"tenant-{n}" for n in range(200))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["source"]["sha256"] == _sha256(desk.folder / "tenants.csv")
    assert {name: each["sha256"] for name, each in manifest["files"].items()} == {
        name: _sha256(folder / name) for name in FILES
    }
    assert manifest["bounds"] == ran.last["bounds"]
    widgets = sandbox.stats()["widgets"]
    assert manifest["bounds"]["least"] <= widgets <= manifest["bounds"]["most"]


def test_created_csv_holds_the_keys_and_is_for_its_owner_only(desk: Desk) -> None:
    tenants(desk.folder / "tenants.csv", 5)
    assert desk.run("apply", "tenants.csv").code == 0
    created = desk.folder / "tenants.outcomes" / "created.csv"
    assert stat.S_IMODE(created.stat().st_mode) == 0o600
    keys = [row["outcome.widget_key"] for row in rows_of(created)]
    assert len(set(keys)) == 5
    assert all(key.startswith("wk_sandbox_") for key in keys)


def test_a_mended_failed_csv_redrives_the_same_jobs_under_their_old_batch(
    desk: Desk, sandbox: SandboxProcess
) -> None:
    sandbox.post_faults({"error-422": 1})
    tenants(desk.folder / "tenants.csv", 3)
    assert desk.run("apply", "tenants.csv").code == 3
    sandbox.post_faults({})
    failed = desk.folder / "tenants.outcomes" / "failed.csv"
    failed.write_text(failed.read_text(encoding="utf-8-sig").replace("normal", "floating"), encoding="utf-8")

    mended = desk.run("apply", str(failed), "--json")
    assert (mended.code, mended.last["name"], mended.last["verdicts"]) == (0, "tenants", {"redriven": 3})
    assert len(rows_of(desk.folder / "tenants.outcomes" / "created.csv")) == 3
    attempts = [len(job["attempts"]) for job in desk.run("jobs", "tenants", "--json").objects]
    assert attempts == [2, 2, 2]
    assert sandbox.stats()["bodies_created_twice"] == 0


def test_a_batch_goes_on_under_its_name_when_the_file_has_grown(desk: Desk, sandbox: SandboxProcess) -> None:
    tenants(desk.folder / "monday.csv", 10)
    tenants(desk.folder / "tuesday.csv", 25)
    assert desk.run("apply", "monday.csv", "--name", "week").code == 0
    grown = desk.run("apply", "tuesday.csv", "--name", "week", "--json")
    assert (grown.code, grown.last["accepted"]) == (0, 25)
    assert grown.last["verdicts"] == {"succeeded": 10, "new": 15}
    assert (sandbox.stats()["posts"], sandbox.stats()["bodies_created_twice"]) == (25, 0)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
