"""Secrets are planted, and every byte that the program leaves on disk or shows in Flower is searched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cryptography.fernet import Fernet

from tests.support.commands import PATIENCE, PROVISION, Desk, rows_of, until
from tests.support.flower_site import running_flower
from tests.support.sandbox_process import running_sandbox

MARK = "planted-marker-of-a-body"
CLIENT, SECRET = "company-one", "s3cret-of-company-one"


def _plant(folder: Path) -> None:
    rows = [f"tenant-{n},{100_200_300 + n},{MARK}-{n}" for n in range(20)]
    (folder / "tenants.csv").write_text("\n".join(["key,bot.id,credentials.whiteList", *rows]) + "\n")


def _left_behind(desk: Desk) -> bytes:
    """The append-only file with every write and every broker message that went through it, and the logs."""
    return b"\n".join(path.read_bytes() for path in (desk.folder / ".provision").rglob("*") if path.is_file())


def _secrets(desk: Desk) -> list[str]:
    created = rows_of(desk.folder / "tenants.outcomes" / "created.csv")
    assert len(created) == 20
    return [MARK, *(row["outcome.widget_key"] for row in created)]


def test_with_a_key_no_secret_is_in_redis_files_broker_messages_logs_or_flower(desk: Desk) -> None:
    _plant(desk.folder)
    master = Fernet.generate_key().decode()
    with (
        running_sandbox("--client", f"{CLIENT}:{SECRET}") as company,
        running_flower(desk, None) as flower,
    ):
        secure = {"ENCRYPTION_KEYS": master, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET}
        secure |= {"API_URL": company.url, "FLOWER_EVENTS": "all", "LOG_LEVEL": "debug"}
        applied = desk.run("apply", "tenants.csv", "--json", **secure)
        assert applied.code == 0, applied.err
        until(lambda: len(flower.tasks()) == 20, "Flower has heard of all")
        seen = flower.everything()
    left = _left_behind(desk)
    for there in (seen, left):
        assert b"tenant-7" in there  # the search would find what is there
        for secret in (*_secrets(desk), master, SECRET):
            assert secret.encode() not in there
    assert MARK not in applied.out + applied.err


def test_without_a_key_the_search_finds_them(desk: Desk) -> None:
    _plant(desk.folder)
    assert desk.run("apply", "tenants.csv", "--json").code == 0
    assert all(secret.encode() in _left_behind(desk) for secret in _secrets(desk))


def _on_a_terminal(desk: Desk, typed: bytes, *args: str, **settings: str) -> int:
    """The exit code of a command whose user types this."""
    user, program = os.openpty()
    try:
        os.write(user, typed)
        command = [PROVISION, *args]
        done = subprocess.run(
            command,
            cwd=desk.folder,
            env=desk.environ(**settings),
            stdin=program,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode
    finally:
        os.close(user)
        os.close(program)


def test_a_shredded_batch_keeps_its_outcomes_and_loses_its_secrets(desk: Desk) -> None:
    _plant(desk.folder)
    secure = {"ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    assert desk.run("apply", "tenants.csv", "--json", **secure).code == 0
    asked = desk.run("purge", "--shred", "tenants", **secure)
    assert (asked.code, asked.out) == (2, "")
    assert "--shred destroys the bodies and widget keys of 20 jobs permanently" in asked.err
    assert _on_a_terminal(desk, b"n\n", "purge", "--shred", "tenants", **secure) == 130
    assert desk.run("export", "tenants", "--to", "before", **secure).code == 0
    assert all(row["outcome.widget_key"] for row in rows_of(desk.folder / "before/created.csv"))
    shredded = desk.run("purge", "--shred", "tenants", "--yes", "--json", **secure)
    assert (shredded.code, shredded.last["shredded"]) == (0, True)
    [status] = desk.run("status", "tenants", "--json", **secure).objects
    assert status["states"]["succeeded"] == 20
    assert desk.run("export", "tenants", "--to", "after", **secure).code == 0
    assert {row["outcome.widget_key"] for row in rows_of(desk.folder / "after/created.csv")} == {""}
    assert desk.run("rotate-keys", **secure).code == 0
