"""`provision user`: people who may sign in to the web console."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.support.commands import PATIENCE, PROVISION, Desk
from tests.support.http_server import running_server

PASSWORD = "cuatro palabras sin rima"
OTHER = "otras cuatro palabras"


@pytest.fixture
def desk(tmp_path: Path, valkey_url: str) -> Desk:
    """A desk with an empty Redis, which needs no API."""
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    return Desk(tmp_path, REDIS_URL=valkey_url)


def test_a_user_is_created_listed_changed_and_deleted_and_the_audit_says_so(
    desk: Desk, valkey_url: str
) -> None:
    created = desk.feed(
        PASSWORD.encode() + b"\n",
        *("user", "create", "ana", "--scope", "read", "--owner", "crm", "--password-stdin", "--json"),
    )
    assert created.code == 0, created.err
    [user] = created.objects
    assert user == {
        "name": "ana",
        "scopes": ["read"],
        "owner": "crm",
        "all_owners": False,
        "created_at": user["created_at"],
    }
    again = desk.feed(OTHER.encode(), "user", "create", "ana", "--scope", "read", "--password-stdin")
    assert (again.code, "already" in again.err) == (2, True)
    with running_server(valkey_url, desk.folder) as server:
        headers = {"Origin": server.url}
        with httpx.Client(base_url=server.url, headers=headers, timeout=PATIENCE) as client:
            signed_in = client.post("/sign-in", data={"name": "ana", "password": PASSWORD})
            assert signed_in.status_code == 303
            assert client.get("/batches").status_code == 200
            changed = desk.feed(OTHER.encode(), "user", "password", "ana", "--password-stdin")
            assert changed.code == 0, changed.err
            assert client.get("/batches").status_code == 303
            assert client.post("/sign-in", data={"name": "ana", "password": PASSWORD}).status_code == 401
            assert client.post("/sign-in", data={"name": "ana", "password": OTHER}).status_code == 303
            scopes = desk.run("user", "scopes", "ana", "--scope", "read", "--scope", "operate")
            assert scopes.code == 0, scopes.err
            assert desk.run("user", "list").out == "ana  crm  operate read\n"
            assert desk.run("user", "delete", "ana").code == 0
            assert client.get("/batches").status_code == 303
    assert desk.run("user", "list", "--json").out == ""
    audit = desk.run("audit", "--json")
    facts = [act["facts"]["done"] for act in audit.objects if act["on"] == "user:ana"]
    assert sorted(facts) == sorted(["created", "password set", "scopes set", "deleted"])
    for said in (created, again, changed, scopes, audit):
        assert PASSWORD not in said.out + said.err
        assert OTHER not in said.out + said.err


@pytest.mark.parametrize(
    ("words", "stdin", "says"),
    [
        (("create", "ana", "--scope", "read"), PASSWORD, "no terminal"),
        (("create", "ana", "--password-stdin"), PASSWORD, "at least one --scope"),
        (("create", "--scope", "read", "--password-stdin"), PASSWORD, "all other actions need one"),
        (("create", "ana", "--scope", "operate", "--password-stdin"), PASSWORD, "needs the scope read"),
        (("create", "ana", "--scope", "read", "--password-stdin"), "eleven char", "at least 12 characters"),
        (("create", "ana", "--scope", "read", "--password-stdin"), "two\nlines of text", "line break"),
        (("create", "ana", "--scope", "read", "--password-stdin"), "x" * 100_000, "at most 1,000"),
        (("create", "ana-of-the-agency", "--scope", "read", "--password-stdin"), "ANA-of-the-agency", "name"),
        (("password", "nobody", "--password-stdin"), PASSWORD, "no user named 'nobody'"),
        (("delete", "nobody"), "", "no user named 'nobody'"),
        (("delete", "ana", "--password-stdin"), PASSWORD, "belongs to create and password"),
        (("list", "ana"), "", "list takes no NAME"),
        (("scopes", "nobody", "--scope", "read", "--owner", "crm"), "", "belong to create"),
    ],
)
def test_what_cannot_be_done_is_an_error_with_a_way_out(
    desk: Desk, words: tuple[str, ...], stdin: str, says: str
) -> None:
    ran = desk.feed(stdin.encode(), "user", *words)
    assert ran.code == 2
    assert says in ran.err
    assert "hint:" in ran.err or "1,000" in says
    assert not stdin or stdin not in ran.out + ran.err
    assert desk.run("user", "list").out == ""


def test_a_terminal_is_asked_twice_and_shows_no_password(desk: Desk) -> None:
    assert _typed(desk, "create", PASSWORD, OTHER)[0] == 2
    assert desk.run("user", "list").out == ""
    code, screen = _typed(desk, "create", PASSWORD, PASSWORD)
    assert (code, "ana created" in screen) == (0, True), screen
    assert PASSWORD not in screen
    assert desk.run("user", "list").out == "ana  default  read\n"


def _typed(desk: Desk, action: str, *answers: str) -> tuple[int, str]:
    """What came of a command at a terminal of its own, and what that showed."""
    ours, theirs = pty.openpty()
    command = [PROVISION, "user", action, "ana", "--scope", "read"]
    process = subprocess.Popen(
        command,
        cwd=desk.folder,
        env=desk.environ(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    waited = iter([*zip((b"Password: ", b"Once more: "), answers, strict=True)])
    prompt, typed = next(waited)
    while True:
        try:
            shown += os.read(ours, 1024)
        except OSError:  # the other end is closed
            break
        if prompt and shown.endswith(prompt):
            os.write(ours, typed.encode() + b"\n")
            prompt, typed = next(waited, (b"", ""))
    os.close(ours)
    return process.wait(PATIENCE), shown.decode()
