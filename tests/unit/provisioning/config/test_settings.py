from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr

from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError

SECONDS = (
    *("BACKOFF_BASE", "BACKOFF_CAP", "BACKOFF_BUDGET", "BACKOFF_FACTOR", "RETRY_AFTER_CAP", "LEASE"),
    *("CONNECT_TIMEOUT", "WRITE_TIMEOUT", "READ_TIMEOUT"),
)


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", ["inf", "Infinity", "1e999", "nan", "-inf"])
def test_a_time_without_an_end_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^PROVISION_{name}: ") as caught:
        Settings.from_env({f"PROVISION_{name}": value})
    assert "finite" in caught.value.message


SECRETS = {
    name: "redis://h:6379/0" if name.endswith("_url") else "ana:s3cret" if name == "flower_auth" else "s3cret"
    for name, field in Settings.model_fields.items()
    if SecretStr in (field.annotation, *get_args(field.annotation))
}
"""Every setting that is kept secret, with a value that it takes."""


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_be_given_as_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRETS[name] + "\n")
    given = {"PROVISION_CLIENT_ID": "id", "PROVISION_CLIENT_SECRET": "x"}
    url = "sentinel://h/mymaster" if name == "sentinel_password" else "redis://h"
    given |= {f"PROVISION_{each}_URL": url for each in ("REDIS", "BROKER")}
    settings = Settings.from_env(given | {f"PROVISION_{name.upper()}": f"@{file}"})
    assert getattr(settings, name).get_secret_value() == SECRETS[name]
    assert SECRETS[name] not in repr(settings)


def test_a_file_of_a_secret_that_cannot_be_read_is_one_problem_among_the_others(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({"PROVISION_PULL_TOKEN": f"@{tmp_path}/none", "PROVISION_ATTEMPTS": "0"})
    first, second = sorted(caught.value.message.splitlines())
    assert first.startswith("PROVISION_ATTEMPTS: ")
    assert (
        second == "PROVISION_PULL_TOKEN: the file named after the @ cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("name", SECRETS)
def test_a_file_that_should_hold_a_secret_and_is_empty_is_no_setting_left_out(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(" \n")
    with pytest.raises(ConfigurationError, match=f"PROVISION_{name.upper()}: the file .* is empty"):
        Settings.from_env({f"PROVISION_{name.upper()}": f"@{tmp_path}/secret"})


def test_what_is_no_secret_is_taken_as_it_stands() -> None:
    assert Settings.from_env({"PROVISION_HOME": "@home"}).home == Path("@home")


@pytest.mark.parametrize(
    ("url", "password", "whole"),
    [
        ("redis://redis:6379/0", "p", "redis://:p@redis:6379/0"),
        ("redis://user@redis:6379/0", "p", "redis://user:p@redis:6379/0"),
        ("rediss://redis/1", "a/b@c:d%", "rediss://:a%2Fb%40c%3Ad%25@redis:6379/1"),
        ("redis://:own@redis/0", "p", "redis://:own@redis:6379/0"),
        ("unix:///run/redis.sock?db=1", "p", "unix://:p@/run/redis.sock?db=1"),
    ],
)
def test_a_password_of_its_own_goes_into_the_address(url: str, password: str, whole: str) -> None:
    settings = Settings.from_env({"PROVISION_REDIS_URL": url, "PROVISION_REDIS_PASSWORD": password})
    assert settings.redis == settings.broker == whole


def test_the_brokers_password_goes_into_the_brokers_address() -> None:
    settings = Settings.from_env(
        {
            "PROVISION_REDIS_URL": "redis://redis",
            "PROVISION_BROKER_URL": "amqp://provision@rabbitmq:5672//",
            "PROVISION_BROKER_PASSWORD": "p",
        }
    )
    assert (settings.redis, settings.broker) == ("redis://redis:6379/0", "amqp://provision:p@rabbitmq:5672//")


@pytest.mark.parametrize("server", ["REDIS", "BROKER"])
def test_a_password_for_no_address_is_refused(server: str) -> None:
    with pytest.raises(ConfigurationError, match=f"PROVISION_{server}_URL is not"):
        Settings.from_env({f"PROVISION_{server}_PASSWORD": "p"})


@pytest.mark.parametrize("value", ["ana", ":s3cret", "ana:", "ana:clavé"])
def test_flower_is_given_a_user_and_a_password(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^PROVISION_FLOWER_AUTH: must be USER:PASSWORD") as caught:
        Settings.from_env({"PROVISION_FLOWER_AUTH": value})
    assert value not in caught.value.message
