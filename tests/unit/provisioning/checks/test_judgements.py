"""What each fact about Redis, settings, files, workers and the API comes to. Values only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from provisioning.checks.api import ApiFacts, judge_api
from provisioning.checks.credentials_file import CredentialFacts, gather_credentials, judge_credentials
from provisioning.checks.encryption import judge_encryption
from provisioning.checks.finding import Level
from provisioning.checks.home import HomeFacts, judge_home
from provisioning.checks.redis_server import judge_redis, judge_skew
from provisioning.checks.relations import judge_relations
from provisioning.checks.workers import judge_workers
from provisioning.config.settings import Settings
from provisioning.ledger import WorkerSign
from provisioning.ledger.encryption import Census
from provisioning.ledger.server import USED, RedisFacts
from tests.support.repository import ROOT

OK, WARNING, FATAL = Level.OK, Level.WARNING, Level.FATAL


def redis(**facts: object) -> dict[str, Level]:
    given = {"version": "7.2.4", **facts}
    return {finding.check: finding.level for finding in judge_redis(RedisFacts(**given))}  # type: ignore[arg-type]


def test_a_redis_as_the_pages_ask_for_it_is_well_in_everything() -> None:
    assert set(redis().values()) == {OK}


@pytest.mark.parametrize(
    ("facts", "check", "level"),
    [
        ({"version": "6.0.16"}, "redis.version", FATAL),
        ({"version": "6.2.0"}, "redis.version", OK),
        ({"version": "10.0.1"}, "redis.version", OK),
        ({"policy": "volatile-lru"}, "redis.eviction", FATAL),
        ({"policy": None}, "redis.eviction", WARNING),
        ({"cluster": True}, "redis.role", FATAL),
        ({"role": "slave"}, "redis.role", FATAL),
        ({"denied": ("ZADD",)}, "redis.rights", FATAL),
        ({"refused": "MISCONF"}, "redis.writes", FATAL),
        ({"appendfsync": "everysec"}, "redis.persistence", WARNING),
        ({"appendfsync": "no"}, "redis.persistence", WARNING),
        ({"appendfsync": None}, "redis.persistence", OK),
        ({"written": False}, "redis.persistence", FATAL),
        ({"rewritten": False}, "redis.rewrite", WARNING),
        ({"appendonly": False}, "redis.persistence", FATAL),
        ({"appendonly": False, "replicas": 1}, "redis.persistence", WARNING),
        ({"appendonly": False, "save": "3600 1"}, "redis.persistence", WARNING),
        ({"appendonly": False, "save": None}, "redis.persistence", WARNING),
        ({"appendonly": False, "save": "3600 1", "snapshot": False}, "redis.snapshot", WARNING),
        ({"used": 95, "most": 100}, "redis.memory", WARNING),
        ({"used": 95, "host": 100}, "redis.memory", WARNING),
        ({"used": 50, "most": 100, "host": 51}, "redis.memory", OK),
        ({"latency": 0.02}, "redis.latency", WARNING),
    ],
)
def test_a_fact_about_redis_is_judged(facts: dict[str, object], check: str, level: Level) -> None:
    assert redis(**facts)[check] is level


@pytest.mark.parametrize(("seconds", "level"), [(0.3, OK), (-0.3, OK), (5.0, WARNING), (-5.0, WARNING)])
def test_clocks_may_differ_a_little(seconds: float, level: Level) -> None:
    assert judge_skew(seconds).level is level


def test_every_bad_finding_says_what_to_do() -> None:
    worst = RedisFacts(
        "5.0",
        role="slave",
        appendonly=False,
        policy="allkeys-lru",
        used=9,
        most=9,
        latency=1.0,
        denied=("EVAL",),
        refused="READONLY",
        snapshot=False,
    )
    for finding in judge_redis(worst):
        assert bool(finding.advice) is (finding.level is not OK), finding


def test_every_command_of_the_scripts_is_tried() -> None:
    scripts = (ROOT / "provisioning" / "ledger" / "lua").glob("*.lua")
    used = {name for script in scripts for name in re.findall(r"\.p?call\('([A-Z]+)'", script.read_text())}
    assert len(used) > 20
    assert used - {"TIME"} <= {words[0] for words in USED}


@pytest.mark.parametrize(
    ("environ", "checks"),
    [
        ({}, []),
        ({"LEASE": "4000"}, ["settings.lease"]),
        ({"LEASE": "600"}, ["settings.lease"]),
        ({"LEASE": "4"}, ["settings.lease"]),
        ({"BACKOFF_BUDGET": "3", "RETRY_AFTER_CAP": "2"}, ["settings.budget"]),
        ({"RETRY_AFTER_CAP": "600"}, ["settings.retry_after"]),
        ({"RATE": "50/s", "MAX_IN_FLIGHT": "10"}, ["settings.in_flight"]),
        ({"RATE": "unlimited"}, ["settings.rate"]),
        ({"MAX_IN_FLIGHT": "1000"}, ["settings.files"]),
        ({"ON_IN_DOUBT": "retry"}, ["settings.on_in_doubt"]),
        ({"FLOWER_AUTH": "ana:short"}, ["settings.flower_auth"]),
        ({"FLOWER_AUTH": "ana:aaaaaaaaaaaaaaaa"}, ["settings.flower_auth"]),
        ({"FLOWER_AUTH": "ana:correct-horse-battery"}, []),
        ({"API_URL": "http://api.example.org"}, ["settings.api_url"]),
        ({"API_URL": "http://127.0.0.1:80"}, []),
        ({"REDIS_URL": "redis://redis.example.org/0"}, ["settings.redis_password"]),
        ({"REDIS_URL": "redis://:secret@redis.example.org/0"}, []),
        ({"REDIS_URL": "unix:///run/redis.sock"}, []),
    ],
)
def test_settings_that_do_not_go_together_are_named(environ: dict[str, str], checks: list[str]) -> None:
    settings = Settings.from_env({f"PROVISION_{name}": value for name, value in environ.items()})
    found = judge_relations(settings, files=1024)
    assert [each.check for each in found if each.level is not OK] == checks
    assert all(each.advice for each in found if each.level is not OK)


def test_a_lease_of_an_hour_is_fatal() -> None:
    [found] = judge_relations(Settings(lease=3600.0))
    assert found.level is FATAL


@pytest.mark.parametrize(
    ("mode", "level"),
    [(0o600, OK), (0o400, OK), (0o640, WARNING), (0o644, WARNING), (0o660, WARNING), (0o666, FATAL)],
)
def test_a_credentials_file_is_for_its_owner(mode: int, level: Level) -> None:
    facts = CredentialFacts(("acme",), file=Path("credentials.toml"), mode=mode)
    assert [finding.level for finding in judge_credentials(facts)] == [OK, level]


def test_a_credentials_file_of_somebody_else_is_fatal() -> None:
    facts = CredentialFacts(("acme",), file=Path("credentials.toml"), mode=0o600, foreign=True)
    assert [finding.level for finding in judge_credentials(facts)] == [OK, FATAL]


@pytest.mark.parametrize(("mode", "level"), [(0o444, OK), (0o400, OK), (0o666, FATAL)])
def test_a_mounted_secret_is_the_hosts_to_guard_unless_everybody_may_write_it(
    mode: int, level: Level
) -> None:
    facts = CredentialFacts(
        ("acme",), file=Path("/run/secrets/credentials.toml"), mode=mode, foreign=True, mounted=True
    )
    assert [finding.level for finding in judge_credentials(facts)] == [OK, level]


def test_what_lies_where_containers_have_their_secrets_is_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.checks.secret_file.MOUNTS", tmp_path / "secrets")
    for folder, mounted in (("secrets", True), ("secrets-of-ours", False)):
        file = tmp_path / folder / "credentials.toml"
        file.parent.mkdir()
        file.write_text('[acme]\nclient_id = "a"\nclient_secret = "b"\n')
        assert gather_credentials(Settings(credentials_file=file)).mounted is mounted


@pytest.mark.parametrize(
    ("census", "level"),
    [
        (Census(masters=False, keys=False), OK),
        (Census(masters=True, keys=False), OK),
        (Census(masters=False, keys=True), FATAL),
        (Census(masters=True, keys=True), OK),  # all that there were are destroyed
        (Census(masters=True, keys=True, opened=3), OK),
        (Census(masters=True, keys=True, opened=3, closed=1), WARNING),
        (Census(masters=True, keys=True, opened=3, closed=1, fingerprints=False), FATAL),
        (Census(masters=True, keys=True, closed=3, fingerprints=False), FATAL),
    ],
)
def test_the_keys_here_must_open_what_lies_in_the_ledger(census: Census, level: Level) -> None:
    assert judge_encryption(census).level is level


def worker(name: str, **known: object) -> WorkerSign:
    given = {"credentials": ["acme"], "settings": {"rate": "5/s"}, **known}
    return WorkerSign(name, 0.0, 0, 0, 0, 0, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("workers", "checks"),
    [
        ([], ["workers.alive"]),
        ([worker("a"), worker("b")], []),
        ([worker("a"), worker("b", settings={"rate": "9/s"})], ["workers.settings"]),
        ([worker("a"), worker("b", credentials=[])], ["workers.credentials"]),
        ([worker("a", skew=-4.0)], ["clock.workers"]),
        ([worker("a"), worker("older", settings={}, credentials=["acme"])], []),
    ],
)
def test_workers_that_differ_are_named(workers: list[WorkerSign], checks: list[str]) -> None:
    found = list(judge_workers(workers, embedded=False))
    assert [each.check for each in found if each.level is not OK] == checks
    if workers and checks == ["workers.settings"]:
        message = next(each.message for each in found if each.level is WARNING)
        assert "a has 5/s, b has 9/s" in message


def test_without_a_redis_of_its_own_there_need_be_no_worker() -> None:
    assert [each.level for each in judge_workers([], embedded=True)] == [OK]


@pytest.mark.parametrize(
    ("facts", "levels"),
    [
        (ApiFacts("https://a", tls=True, status=404, days_left=60.0, issuer="CA"), [OK, OK]),
        (ApiFacts("https://a", tls=True, status=200, days_left=5.0), [WARNING, OK]),
        (ApiFacts("https://a", tls=True, status=503, days_left=60.0), [OK, WARNING]),
        (ApiFacts("http://a", tls=False, status=None), [WARNING]),
        (ApiFacts("https://a", tls=True, untrusted="certificate has expired"), [FATAL]),
        (ApiFacts("https://a", tls=True, unreached="Connection refused"), [FATAL]),
    ],
)
def test_an_api_is_judged_by_how_far_one_got(facts: ApiFacts, levels: list[Level]) -> None:
    assert [finding.level for finding in judge_api(facts)] == levels


@pytest.mark.parametrize(
    ("mode", "free", "levels"),
    [(0o700, 2**40, [OK, OK]), (0o755, 2**29, [WARNING, WARNING]), (0o700, 2**20, [OK, FATAL])],
)
def test_a_home_is_its_owners_and_has_room(mode: int, free: int, levels: list[Level]) -> None:
    assert [each.level for each in judge_home(HomeFacts(Path("h"), mode, free))] == levels
