"""`provision doctor`, and the workers that refuse to start on what it calls fatal."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.integration.test_doctor_facts import valkey
from tests.support.commands import PROVISION, Desk, Ran, running_worker, tenants
from tests.support.sandbox_process import SandboxProcess

CELERY = str(Path(PROVISION).with_name("celery"))
WORKERS = [(PROVISION, "worker"), (CELERY, "-A", "worker.process.app", "worker", "--pool", "threads")]


def levels(ran: Ran) -> dict[str, str]:
    return {finding["check"]: finding["level"] for finding in ran.objects}


def test_with_no_redis_set_all_is_well_and_nothing_is_created(desk: Desk, sandbox: SandboxProcess) -> None:
    ran = desk.run("doctor", RATE="5/s")
    assert (ran.code, ran.err) == (0, ""), ran.out
    version = metadata.version("widget-provisioner")
    assert desk.run("--version").out == f"provision {version}\n"
    first = ran.out.splitlines()[0]
    assert first.startswith("✓ program.version ")
    assert f"provision {version}, Python 3." in first
    assert "✓ home.space" in ran.out
    assert ran.out.splitlines()[-1].endswith("no problems")
    assert sandbox.stats()["posts"] == 0


def test_warnings_fail_only_when_strict(desk: Desk, redis_url: str) -> None:
    ran = desk.run("doctor", "--json", REDIS_URL=redis_url, RATE="5/s")
    assert ran.code == 0
    assert levels(ran)["workers.alive"] == "warning"
    assert set(levels(ran).values()) == {"ok", "warning"}
    strict = desk.run("doctor", "--strict", "--only", "workers", REDIS_URL=redis_url)
    assert strict.code == 2
    assert "→ start one with: provision worker" in strict.out


def test_a_name_that_is_no_check_is_refused(desk: Desk) -> None:
    ran = desk.run("doctor", "--only", "weather")
    assert (ran.code, ran.out) == (2, "")
    assert "unknown check 'weather'" in ran.err


def test_settings_that_cannot_be_read_are_findings(desk: Desk) -> None:
    ran = desk.run("doctor", "--json", LEASE="long", RATE="fast")
    assert ran.code == 2
    assert [finding["level"] for finding in ran.objects] == ["ok", "fatal", "fatal"]
    assert ran.objects[0]["check"] == "program.version"


def test_what_is_away_is_said_and_the_rest_is_checked(desk: Desk) -> None:
    ran = desk.run(
        "doctor",
        "--json",
        REDIS_URL="redis://127.0.0.1:1/0",
        BROKER_URL="amqp://me:secret@127.0.0.1:1//",
        API_URL="http://127.0.0.1:1",
    )
    assert ran.code == 2
    assert {name for name, level in levels(ran).items() if level == "fatal"} == {
        "redis.reachable",
        "broker.reachable",
        "api.reachable",
    }
    assert "secret" not in ran.out + ran.err


@pytest.mark.parametrize("url", [None, "redis://127.0.0.1:1/0"], ids=["redis is there", "redis is away"])
def test_a_master_key_that_is_none_is_a_finding_among_the_others(
    desk: Desk, redis_url: str, url: str | None
) -> None:
    ran = desk.run("doctor", "--json", REDIS_URL=url or redis_url, ENCRYPTION_KEYS="not-a-key")
    assert (ran.code, ran.err) == (2, "")
    fatal = {name for name, level in levels(ran).items() if level == "fatal"}
    assert fatal == {"encryption.keys", *({"redis.reachable"} if url else set())}
    assert {"settings.read", "redis.reachable", "api.reachable"} < set(levels(ran))
    assert [each["check"] for each in ran.objects].count("encryption.keys") == 1
    assert "not-a-key" not in ran.out


def test_workers_show_what_they_have_and_a_name_that_nobody_has_is_refused(
    desk: Desk, redis_url: str
) -> None:
    (desk.folder / "credentials.toml").write_text('[acme]\nclient_id = "a"\nclient_secret = "b"\n')
    (desk.folder / "credentials.toml").chmod(0o600)
    own = {"CREDENTIALS_FILE": "credentials.toml", "CLIENT_ID": "", "CLIENT_SECRET": ""}
    here = {"REDIS_URL": redis_url, "CLIENT_ID": "", "CLIENT_SECRET": ""}
    taken = desk.run("pause", "--credential", "acmee", **here)
    assert taken.code == 0
    assert "no worker has reported its credentials yet" in taken.err
    with running_worker(desk, redis_url, **own) as running:
        alive = desk.run("doctor", "--json", "--only", "workers", "--only", "clock", **here)
        assert set(levels(alive).values()) == {"ok"}
        typo = desk.run("pause", "--credential", "acm", **here)
        assert typo.code == 2
        assert "there is no credential 'acm'" in typo.err
        assert "did you mean acme?" in typo.err
        assert "credential acm" in desk.run("pace", "acm", "9/s", **here).err
        assert desk.run("pause", "--credential", "acme", **here).code == 0
        running.process.kill()


@pytest.mark.parametrize("command", WORKERS, ids=["provision", "celery"])
def test_a_worker_refuses_a_redis_that_loses_jobs_with_the_doctors_words(
    desk: Desk, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "data").mkdir()
    with valkey(tmp_path / "data", "--save", "", "--maxmemory-policy", "allkeys-lru") as url:
        refused = desk.start_program([*command], REDIS_URL=url).end()
        told = desk.run("doctor", "--json", "--only", "redis", REDIS_URL=url)
    assert (refused.code, told.code) == (2, 2)
    assert_same_words(refused, told, {"redis.eviction", "redis.persistence"})


def test_a_worker_without_the_keys_of_an_encrypted_ledger_refuses_to_start(
    desk: Desk, redis_url: str
) -> None:
    tenants(desk.folder / "tenants.csv", 2)
    keys = {"REDIS_URL": redis_url, "ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    assert desk.run("apply", "tenants.csv", "--detach", "--yes", **keys).code == 0
    for others in ({}, {"ENCRYPTION_KEYS": Fernet.generate_key().decode()}):
        refused = desk.start_program([PROVISION, "worker"], REDIS_URL=redis_url, **others).end()
        told = desk.run("doctor", "--json", "--only", "encryption", REDIS_URL=redis_url, **others)
        assert (refused.code, told.code) == (2, 2)
        assert_same_words(refused, told, {"encryption.keys"})


def test_a_worker_refuses_credentials_that_everybody_may_write(desk: Desk, redis_url: str) -> None:
    file = desk.folder / "credentials.toml"
    file.write_text('[acme]\nclient_id = "a"\nclient_secret = "b"\n')
    file.chmod(0o666)
    settings = {"REDIS_URL": redis_url, "CREDENTIALS_FILE": str(file)}
    refused = desk.start_program([PROVISION, "worker"], **settings).end()
    told = desk.run("doctor", "--json", "--only", "credentials", **settings)
    assert refused.code == 2
    assert_same_words(refused, told, {"credentials.file"})


def assert_same_words(refused: Ran, told: Ran, checks: set[str]) -> None:
    fatal = [finding for finding in told.objects if finding["level"] == "fatal"]
    assert {finding["check"] for finding in fatal} == checks
    for finding in fatal:
        assert f"error: {finding['said']}\n\nhint: {finding['advice']}" in refused.err
