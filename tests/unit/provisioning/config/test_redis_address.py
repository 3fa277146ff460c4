"""One address, two readers: redis-py and Celery connect to the same place, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.connection import Connection
from redis.asyncio.connection import parse_url

from provisioning.broker.queue import make_app
from provisioning.config.redis_address import RedisAddress
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError
from provisioning.ledger import Ledger

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


def as_celery(url: str) -> dict[str, Any]:
    """Where Celery connects to, by redis-py's names: what kombu hands to it."""
    broker, tls = RedisAddress.parse(url).for_celery()
    make: Any = Connection  # kombu ships no types
    connection = make(broker, ssl=tls or False)
    channel = object.__new__(connection.get_transport_cls().Channel)
    channel.connection = type("_", (), {"client": connection, "default_port": 6379})()
    return dict(channel._connparams())


@given(
    scheme=st.sampled_from(["redis", "rediss", "unix"]),
    user=SECRETS,
    password=SECRETS,
    database=st.integers(0, 15),
)
def test_both_connect_to_the_same_place_as_the_same_user(
    scheme: str, user: str, password: str, database: int
) -> None:
    place, port = ("/run/my redis;1.sock", 0) if scheme == "unix" else ("redis.internal", 6380)
    address = RedisAddress(place, port, database, user, password, {} if scheme == "rediss" else None)
    url = address.for_client()
    assert RedisAddress.parse(url) == address
    ledger, broker = dict(parse_url(url)), as_celery(url)
    for name in ("host", "port", "path", "db"):
        assert ledger.get(name) == broker.get(name), name
    for name in ("username", "password"):
        assert (ledger.get(name) or "") == (broker.get(name) or ""), name


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("redis://", "redis://localhost:6379/0"),
        ("redis://h", "redis://h:6379/0"),
        ("redis://h/", "redis://h:6379/0"),
        ("redis://h?db=4", "redis://h:6379/4"),
        ("redis://h/4?db=4", "redis://h:6379/4"),
        ("redis://[::1]:1/2", "redis://[::1]:1/2"),
        ("redis://u:p%23@h", "redis://u:p%23@h:6379/0"),
        ("unix:///run/r.sock", "unix:///run/r.sock?db=0"),
        ("unix://:p@/run/r.sock?db=2", "unix://:p@/run/r.sock?db=2"),
        ("rediss://h?ssl_cert_reqs=CERT_NONE", "rediss://h:6379/0?ssl_cert_reqs=none"),
    ],
)
def test_an_address_is_written_as_it_is_meant(written: str, meant: str) -> None:
    assert RedisAddress.parse(written).for_client() == meant


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://h/prod", "database must be one number"),
        ("redis://h/1?db=2", "database must be one number"),
        ("redis://h/-1", "database must be one number"),
        ("redis://h/²", "database must be one number"),
        ("redis://h?protocol=3", "option other than db"),
        ("redis://h?ssl_cert_reqs=none", "option other than db"),
        ("rediss://h?ssl_cert_reqs=maybe", "required, optional or none"),
        ("rediss://h?ssl_check_hostname=maybe", "true or false"),
        ("redis://h:port", "port must be a number"),
        ("redis://:s3#cret@h/0", "PROVISION_REDIS_PASSWORD"),
        ("redis://:s3/cret@h/0", "PROVISION_REDIS_PASSWORD"),
        ("redis://:s3?cret@h/0", "PROVISION_REDIS_PASSWORD"),
        ("redis://:s3[cret@h/0", "%5B"),
        ("unix://run/redis.sock", "whole path"),
        ("unix://", "whole path"),
    ],
)
def test_what_one_of_them_cannot_read_is_refused_without_being_repeated(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        Settings.from_env({"PROVISION_REDIS_URL": url})
    assert "cret" not in refused.value.message
    assert "PROVISION_REDIS_URL" in refused.value.message


def test_celery_verifies_a_certificate_unless_told_otherwise() -> None:
    """kombu alone would take `rediss://` for TLS with anybody."""
    settings = Settings.from_env({"PROVISION_REDIS_URL": "rediss://redis.internal"})
    with make_app(settings).connection_for_read() as connection:
        assert connection.ssl == {"ssl_cert_reqs": "required"}
    assert as_celery("rediss://h?ssl_ca_certs=/ca.pem")["ssl_ca_certs"] == "/ca.pem"


async def test_a_password_that_has_every_character_lets_both_in() -> None:
    password = "a/b?c#d@e:f;g%h[i]j k"
    settings = Settings.from_env({"PROVISION_REDIS_URL": "redis://h", "PROVISION_REDIS_PASSWORD": password})
    async with Ledger.at(settings.redis or "") as ledger:
        assert ledger.redis.connection_pool.connection_kwargs["password"] == password
    with make_app(settings).connection_for_read() as connection:
        assert connection.password == password
