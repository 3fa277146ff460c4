"""An sentinel:// address means one thing, whoever reads it, and shows no password."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from celery.utils.saferepr import saferepr
from hypothesis import given
from hypothesis import strategies as st

from provisioning.broker.queue import make_app
from provisioning.checks.relations import judge_relations
from provisioning.config import addresses
from provisioning.config.sentinel_address import Place, SentinelAddress
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError, LedgerUnavailableError
from provisioning.ledger import Ledger
from provisioning.ledger.client import address
from provisioning.ledger.sentinels import Finder

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
HOSTS = st.sampled_from(["a", "sentinel-1.internal", "10.0.0.1", "::1", "2001:db8::7", "fe80::1"])
PLACES = st.lists(st.builds(Place, HOSTS, st.integers(1, 65535)), min_size=1, max_size=5).map(tuple)
NAMES = st.from_regex(r"[A-Za-z._-][A-Za-z0-9._-]{0,9}", fullmatch=True)
TLS = st.sampled_from([None, {}, {"ssl_ca_certs": "/run/my ca&1.pem", "ssl_check_hostname": False}])
ADDRESSES = st.builds(
    SentinelAddress, PLACES, NAMES, st.integers(0, 15), SECRETS, SECRETS, SECRETS, SECRETS, TLS
)


@given(ADDRESSES)
def test_an_address_written_and_read_is_the_same(address: SentinelAddress) -> None:
    assert addresses.parse(address.for_client()) == address


@given(ADDRESSES)
def test_ledger_and_broker_ask_the_same_sentinels_and_enter_as_the_same_user(
    address: SentinelAddress,
) -> None:
    settings = Settings.from_env({"PROVISION_REDIS_URL": address.for_client()})
    ledger = Ledger.at(settings.redis or "").redis.connection_pool
    with make_app(settings).connection_for_read() as connection:
        channel = object.__new__(connection.get_transport_cls().Channel)
        channel.connection = type("_", (), {"client": connection, "default_port": 6379})()
        channel.finder = connection.transport_options["finder"]
        broker: dict[str, Any] = channel._connparams()
    assert str(broker["finder"]) == str(ledger.connection_kwargs["finder"])
    for name in ("db", "username", "password", "ssl_ca_certs", "ssl_check_hostname"):
        assert (broker.get(name) or None) == (ledger.connection_kwargs.get(name) or None), name
    assert issubclass(broker["connection_class"], _class_of(address))


def _class_of(address: SentinelAddress) -> type:
    from redis import Connection, SSLConnection

    return Connection if address.tls is None else SSLConnection


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("sentinel://h/mymaster", "sentinel://h:26379/mymaster/0"),
        ("sentinel://h1,h2:1/mymaster/", "sentinel://h1:26379,h2:1/mymaster/0"),
        ("sentinel://h/mymaster?db=4", "sentinel://h:26379/mymaster/4"),
        (
            "sentinel://h1,[::1]:7,[::2]/my.master-1/2",
            "sentinel://h1:26379,[::1]:7,[::2]:26379/my.master-1/2",
        ),
        ("sentinel://:p,%2F@h1,h2/m", "sentinel://:p%2C%2F@h1:26379,h2:26379/m/0"),
        ("sentinel://h/m?sentinel_password=a%2Bb", "sentinel://h:26379/m/0?sentinel_password=a%2Bb"),
        ("SENTINELS://h/m", "sentinels://h:26379/m/0"),
        ("sentinels://h/m?ssl_ca_certs=/ca.pem", "sentinels://h:26379/m/0?ssl_ca_certs=%2Fca.pem"),
    ],
)
def test_an_address_is_written_as_it_is_meant(written: str, meant: str) -> None:
    assert addresses.parse(written).for_client() == meant


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sentinel://h1:26379,h2:26379", "what the Sentinels call the primary"),
        ("sentinel://h1:26379/0", "what the Sentinels call the primary"),
        ("sentinel://h1/my master/0", "what the Sentinels call the primary"),
        ("sentinel://h1:26379;sentinel://h2:26379/0", "between commas"),
        ("sentinel://h1;h2/mymaster", "between commas"),
        ("sentinel://h1,,h2/mymaster", "between commas"),
        ("sentinel:///mymaster", "between commas"),
        ("sentinel://::1/mymaster", "between commas"),
        ("sentinel://h:0/mymaster", "from 1 to 65535"),
        ("sentinel://h:70000/mymaster", "from 1 to 65535"),
        ("sentinel://h:port/mymaster", "from 1 to 65535"),
        ("sentinel://h/mymaster/prod", "database must be one number"),
        ("sentinel://h/mymaster/1?db=2", "database must be one number"),
        ("sentinel://h/mymaster?protocol=3", "option other than db, sentinel_username"),
        ("sentinel://h/mymaster?ssl_cert_reqs=none", "option other than db"),
        ("sentinels://h/mymaster?ssl_cert_reqs=maybe", "required, optional or none"),
        ("sentinel://:s3#cret@h/mymaster", "PROVISION_REDIS_PASSWORD"),
        ("sentinel://:s3/cret@h/mymaster", "PROVISION_REDIS_PASSWORD"),
        ("sentinel://h/mymaster?sentinel_password=s3@cret", "PROVISION_SENTINEL_PASSWORD"),
    ],
)
def test_what_cannot_be_read_is_refused_without_being_repeated(url: str, said: str) -> None:
    for name in ("PROVISION_REDIS_URL", "PROVISION_BROKER_URL"):
        with pytest.raises(ConfigurationError, match=said) as refused:
            Settings.from_env({name: url})
        assert "cret" not in refused.value.message
        assert name in refused.value.message


PASSWORD, OWN = "a/b?c#d@e:f;g,h%[i]j k", "1/2?3#4@5&6=7+8"


def test_passwords_that_have_every_character_need_not_stand_in_the_address() -> None:
    given = {
        "PROVISION_REDIS_URL": "sentinel://ana@h1,[::1]:7/mymaster/2",
        "PROVISION_REDIS_PASSWORD": PASSWORD,
        "PROVISION_SENTINEL_PASSWORD": OWN,
    }
    settings = Settings.from_env(given)
    read = addresses.parse(settings.redis or "")
    assert isinstance(read, SentinelAddress)
    assert (read.user, read.password, read.sentinel_password) == ("ana", PASSWORD, OWN)
    assert Settings.from_env({"PROVISION_REDIS_URL": settings.redis or ""}).redis == settings.redis


def test_a_password_in_the_address_stays() -> None:
    url = "sentinel://:mine@h/mymaster/0?sentinel_password=own"
    given = {"PROVISION_REDIS_URL": url, "PROVISION_REDIS_PASSWORD": "x", "PROVISION_SENTINEL_PASSWORD": "y"}
    read = addresses.parse(Settings.from_env(given).redis or "")
    assert isinstance(read, SentinelAddress)
    assert (read.password, read.sentinel_password) == ("mine", "own")


def test_a_password_of_sentinels_without_sentinels_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="sentinel:// address"):
        Settings.from_env({"PROVISION_REDIS_URL": "redis://h", "PROVISION_SENTINEL_PASSWORD": "x"})
    Settings.from_env(
        {
            "PROVISION_REDIS_URL": "redis://h",
            "PROVISION_BROKER_URL": "sentinel://h/m",
            "PROVISION_SENTINEL_PASSWORD": "x",
        }
    )


async def test_nothing_that_is_shown_has_a_password() -> None:
    """What Celery tells of its configuration goes as far as Flower's pages."""
    url = "sentinel://ana:s3cret@h1,h2/mymaster/2?sentinel_username=bob&sentinel_password=s3cret"
    settings = Settings.from_env({"PROVISION_REDIS_URL": url})
    app = make_app(settings)
    with app.connection_for_write() as connection:
        shown = [repr(connection), connection.as_uri()]
    shown += [
        saferepr(app.conf.table()),
        json.dumps(app.conf.table(), default=repr),
        json.dumps(app.conf.humanize()),
    ]
    async with Ledger.at(settings.redis or "") as ledger:
        shown += [address(ledger.redis), repr(ledger.redis), repr(addresses.parse(url)), repr(settings)]
    assert "s3cret" not in " ".join(shown)
    assert address(ledger.redis) == "mymaster (Sentinels h1:26379, h2:26379)"


def test_a_redis_under_sentinels_without_a_password_is_warned_of() -> None:
    for url, warned in (
        ("sentinel://127.0.0.1:1,[::1]:2/m", False),
        ("sentinel://127.0.0.1:1,h2/m", True),
        ("sentinel://:p@127.0.0.1:1,h2/m", False),
    ):
        found = judge_relations(Settings.from_env({"PROVISION_REDIS_URL": url}))
        assert ("settings.redis_password" in {each.check for each in found}) == warned, url


def test_who_has_answered_is_asked_first() -> None:
    places = tuple(Place(host, 1) for host in "abc")
    finder = Finder(SentinelAddress(places, "m"))
    assert finder._place_of(places[2], (b"db1", 6379)) == Place("db1", 6379) == finder.last
    assert [place.host for place in finder._places] == ["c", "a", "b"]


def test_a_thread_that_asks_while_another_believes_finds_all_sentinels() -> None:
    seen: list[int] = []

    class Watched(Place):
        def __ne__(self, other: object) -> bool:
            seen.append(len(finder._places))
            return super().__ne__(other)

    places = Watched("a", 26379), Watched("b", 26379)
    finder = Finder(SentinelAddress(places, "m"))
    finder._place_of(places[1], ("10.0.0.1", 6379))
    assert seen == [2, 2]


@pytest.mark.parametrize(
    "said", [b"*1\r\n$1\r\na\r\n", b":1\r\n", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", b"$2\r\nok\r\n"]
)
async def test_what_is_no_sentinel_is_passed_over_like_one_that_is_away(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while words := await reader.read(4096):
            writer.write(said if b"SENTINEL" in words else b"+OK\r\n" * words.count(b"CLIENT"))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        place = Place("127.0.0.1", server.sockets[0].getsockname()[1])
        async with Ledger.at(SentinelAddress((place,), "m").for_client()) as ledger:
            with pytest.raises(LedgerUnavailableError, match="what answers there is no Sentinel"):
                await ledger.queries.holds()
