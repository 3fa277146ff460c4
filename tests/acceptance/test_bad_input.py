"""Whatever is wrong: exit code 2, one clear line and a hint on standard error, and nothing begun."""

from __future__ import annotations

import socket
import subprocess

import pytest
from redis import Redis

from provisioning.embedded.valkey import embedded_valkey
from tests.support.commands import PROVISION, Desk, Ran, tenants
from tests.support.sandbox_process import SandboxProcess

NOBODY = "redis://127.0.0.1:9/0"
"""Port 9 (discard): nothing listens there."""


def is_one_clear_line(ran: Ran, says: str, hint: str) -> bool:
    """Whether a command has failed as promised; pytest shows it where it has not."""
    said = ran.err.splitlines()
    errors = [line for line in said if line.startswith("error: ")]
    hints = [line for line in said if line.startswith("hint: ")]
    assert ran.code == 2, ran
    assert "Traceback" not in ran.err, ran.err
    assert len(errors) == len(hints) == 1, ran.err
    assert says in errors[0], ran.err
    assert hint in hints[0], ran.err
    assert ran.out == ""
    return True


FILES = {
    "empty.csv": (b"", "is empty", "check that the file was saved"),
    "headers-only.csv": (b"key,bot.id\n", "headers but no rows", "saved with its rows"),
    "typo.csv": (b"key,bot.idd\na,100200300\n", "did you mean bot.id?", "--map bot.idd=bot.id"),
    "no-bot.csv": (b"key,bot.id\na,100200300\nb,\n", "1 of 2 rows have errors", "--skip-invalid"),
    "broken-utf-8.csv": (
        "key,bot.id,label\na,100200300,café\n".encode() + b"b,100200301,\xff\xc3\n",
        "1 of 2 rows have errors",
        "--skip-invalid",
    ),
}


@pytest.mark.parametrize(("content", "says", "hint"), FILES.values(), ids=FILES.keys())
def test_a_bad_file(
    content: bytes, says: str, hint: str, desk: Desk, sandbox: SandboxProcess, redis_url: str
) -> None:
    (desk.folder / "bad.csv").write_bytes(content)
    assert is_one_clear_line(desk.run("apply", "bad.csv", REDIS_URL=redis_url), says, hint)
    assert sandbox.stats()["posts"] == 0
    with Redis.from_url(redis_url) as redis:
        assert redis.exists("pv:batches") == 0


def test_a_row_that_is_wrong_is_named_with_its_column_and_the_way_out(desk: Desk, redis_url: str) -> None:
    (desk.folder / "bad.csv").write_text("key,bot.id\na,100200300\nb,\n")
    ran = desk.run("apply", "bad.csv", REDIS_URL=redis_url)
    [row] = [line for line in ran.err.splitlines() if line.split()[:2] == ["3", "bot.id"]]
    assert "no bot id" in row
    assert "--new-bots" in row


@pytest.mark.parametrize(
    ("file", "says", "hint"),
    [
        ("missing.csv", "there is no file missing.csv", "check the name"),
        (".", "is a directory", "the file in it"),
    ],
)
def test_no_file(file: str, says: str, hint: str, desk: Desk, redis_url: str) -> None:
    assert is_one_clear_line(desk.run("apply", file, "--name", "x", REDIS_URL=redis_url), says, hint)


SETTINGS = {
    "an unreachable Redis": (
        {"REDIS_URL": NOBODY},
        "127.0.0.1:9 cannot be reached (Connection refused)",
        "start",
    ),
    "an address that is none": ({"REDIS_URL": "http://x"}, "REDIS_URL: must be an address", "settings"),
    "a port that is none": ({"REDIS_URL": "redis://x:port/0"}, "the port must be a number", "settings"),
    "a bad rate": ({"RATE": "fast"}, "PROVISION_RATE: 'fast' is not a valid pace", "settings"),
    "a misspelt setting": ({"RAET": "5/s"}, "did you mean PROVISION_RATE?", "settings"),
    "half a credential": ({"CLIENT_SECRET": ""}, "PROVISION_CLIENT_SECRET is missing", "settings"),
    "no credential": (
        {"CLIENT_ID": "", "CLIENT_SECRET": ""},
        "no credentials for the API",
        "PROVISION_CLIENT_ID",
    ),
    "an API that refuses": ({"API_URL": "http://127.0.0.1:9"}, "(Connection refused)", "PROVISION_API_URL"),
    "an API nobody knows": ({"API_URL": "http://nowhere.invalid"}, "has no address", "PROVISION_API_URL"),
    "nowhere to keep it": ({"HOME": "/proc/nowhere"}, "cannot keep the ledger in", "PROVISION_HOME"),
}


@pytest.mark.parametrize(("settings", "says", "hint"), SETTINGS.values(), ids=SETTINGS.keys())
def test_a_bad_setting(
    settings: dict[str, str], says: str, hint: str, desk: Desk, sandbox: SandboxProcess
) -> None:
    tenants(desk.folder / "tenants.csv", 2)
    assert is_one_clear_line(desk.run("apply", "tenants.csv", **settings), says, hint)
    assert sandbox.stats()["posts"] == 0
    assert desk.processes() == []


def test_a_redis_with_another_password(desk: Desk, redis_url: str) -> None:
    tenants(desk.folder / "tenants.csv", 2)
    wrong = redis_url.replace(":" + (redis_url.split(":")[2].split("@")[0]), ":not-this-one")
    ran = desk.run("apply", "tenants.csv", REDIS_URL=wrong)
    assert is_one_clear_line(ran, "does not accept the password", "PROVISION_REDIS_URL")
    assert "not-this-one" not in ran.err


def test_a_redis_that_evicts_is_no_ledger(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    tenants(desk.folder / "tenants.csv", 2)
    with embedded_valkey(tmp_path_factory.mktemp("evicting")) as url:
        with Redis.from_url(url) as redis:
            redis.config_set("maxmemory", "64mb")
            redis.config_set("maxmemory-policy", "allkeys-lru")
        ran = desk.run("apply", "tenants.csv", REDIS_URL=url)
        with Redis.from_url(url) as redis:
            assert redis.dbsize() == 0
    assert is_one_clear_line(ran, "evicts keys when its memory is full (allkeys-lru)", "noeviction")


def test_a_folder_that_cannot_be_written_is_found_out_before_anything_is_sent(
    desk: Desk, sandbox: SandboxProcess, redis_url: str
) -> None:
    tenants(desk.folder / "tenants.csv", 2)
    ran = desk.run("apply", "tenants.csv", "--to", "/proc/nowhere", REDIS_URL=redis_url)
    assert is_one_clear_line(ran, "cannot write the outcome files into /proc/nowhere", "--to")
    assert sandbox.stats()["posts"] == 0


ASKED = {
    "unknown batch": (["status", "nobody"], "there is no batch 'nobody'", "provision status lists"),
    "unknown batch of jobs": (["jobs", "nobody"], "there is no batch 'nobody'", "provision status lists"),
    "unknown job": (
        ["job", "b2222222.1"],
        "unknown job or tenant key 'b2222222.1'",
        "provision jobs --key",
    ),
    "unknown state": (["jobs", "x", "--state", "lost"], "'lost' is not a state", "in_doubt"),
    "unknown verb": (["aply", "x"], "Did you mean 'apply'?", "provision --help"),
    "unknown option": (["apply", "x", "--fast"], "no such option: --fast", "provision apply --help"),
    "no file named": (["apply"], "missing argument 'FILE'", "provision apply --help"),
    "a map that is none": (["plan", "x", "--map", "bot"], "--map bot is not OLD=NEW", "--map bot_id=bot.id"),
    "defaults that are none": (["plan", "x", "--defaults", "."], "cannot read .", "a JSON object"),
    "nothing to pause": (["pause"], "choose exactly one", "--all"),
}


@pytest.mark.parametrize(("args", "says", "hint"), ASKED.values(), ids=ASKED.keys())
def test_a_question_that_has_no_answer(
    args: list[str], says: str, hint: str, desk: Desk, redis_url: str
) -> None:
    assert is_one_clear_line(desk.run(*args, REDIS_URL=redis_url), says, hint)


def test_all_bad_settings_are_told_at_once(desk: Desk) -> None:
    ran = desk.run("status", RATE="fast", ATTEMPTS="0", RAET="1")
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert (ran.code, len(errors)) == (2, 3), ran.err


def test_a_full_disk_and_a_reader_who_has_had_enough_are_not_taken_for_redis(
    desk: Desk, redis_url: str
) -> None:
    tenants(desk.folder / "tenants.csv", 300)
    assert desk.run("apply", "tenants.csv", "--detach", REDIS_URL=redis_url).code == 0
    jobs = f"'{PROVISION}' jobs tenants --json"
    full = _shell(desk, f"{jobs} > /dev/full", redis_url)
    assert is_one_clear_line(full, "cannot write the output (No space left on device)", "space")
    enough = _shell(desk, f"{jobs} | head -1", redis_url)
    assert (enough.err, len(enough.objects)) == ("", 1)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_a_character_gets_another(encoding: str, desk: Desk, redis_url: str) -> None:
    tenants(desk.folder / "tenants.csv", 1)
    assert desk.run("apply", "tenants.csv", "--detach", "--name", "日本", REDIS_URL=redis_url).code == 0
    ran = _shell(desk, f"PYTHONIOENCODING={encoding} '{PROVISION}' status 2>&1", redis_url)
    assert ran.code == 0
    assert "Traceback" not in ran.out
    assert "??" in ran.out


def test_a_worker_without_a_redis_says_so(desk: Desk) -> None:
    assert is_one_clear_line(desk.run("worker"), "PROVISION_REDIS_URL is not set", "redis://")


def test_nothing_listens_where_these_tests_say_so() -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", 9)) != 0


def _shell(desk: Desk, line: str, redis_url: str) -> Ran:
    return desk.start_program(["bash", "-c", line], REDIS_URL=redis_url).end()


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_streams_are_no_error(desk: Desk, closed: tuple[int, ...]) -> None:
    """As `provision status >&-` has it."""
    shell = f'exec "$0" status --json {" ".join(f"{number}>&-" for number in closed)}'
    done = subprocess.run(
        ["/bin/sh", "-c", shell, PROVISION],
        cwd=desk.folder,
        env=desk.environ(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
