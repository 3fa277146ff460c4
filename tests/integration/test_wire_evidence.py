"""What each way of failing looks like on the wire: how far it got, its word, and what it means."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import msgspec
import pytest

from provisioning.attempt import Evidence, Outcome
from provisioning.causes import Cause
from provisioning.config.credentials import Credential
from provisioning.errors import ConfigurationError
from tests.support.raw_server import Connection, RawServer, Script
from worker.execution.api import Timeouts, WidgetApi
from worker.execution.classify import classify
from worker.execution.reply import Answer, NoAnswer, Reply
from worker.execution.transport import AiohttpTransport, Wire, _about_to_send

CREDENTIAL = Credential("default", "client", "se:crét")
BODY = '{"bot":{"id":"100"},"widget":{"ñ":1}}'.encode()
SUCCESS = msgspec.json.encode(
    {
        "message": ["Widget was created"],
        "statusMessage": "success",
        "status": 1,
        "data": {"ApiKey": {"id": 1, "key": "wk_1", "widgetId": "w-1"}},
    }
)
QUICK = Timeouts(connect=0.3, write=0.3, read=0.2, pool=0.2, total=0.6)


def http(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def outcome(reply: Reply) -> Outcome:
    return classify(reply, now=0.0).outcome


@asynccontextmanager
async def api_at(
    url: str, *, timeouts: Timeouts = QUICK, **transport: Any
) -> AsyncIterator[Callable[..., Awaitable[Reply]]]:
    """A function that POSTs `BODY` to `url`."""
    async with WidgetApi(url, timeouts=timeouts, transport=AiohttpTransport(**transport)) as api:

        async def post(wire: Wire | None = None, body: bytes = BODY) -> Reply:
            return await api.create_widget(body, CREDENTIAL, wire)

        yield post


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until `condition` holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  aiohttp sets no event for its insides
            await asyncio.sleep(0)


def connector_of(transport: AiohttpTransport) -> aiohttp.BaseConnector:
    assert transport._session is not None
    assert transport._session.connector is not None
    return transport._session.connector


def assert_unsent(reply: Reply, wire: Wire, error: Cause) -> None:
    assert isinstance(reply, NoAnswer)
    assert (reply.evidence, reply.error, reply.status) == (Evidence.NOTHING_SENT, error, None)
    assert wire.evidence is Evidence.NOTHING_SENT
    assert outcome(reply) is Outcome.UNPROCESSED


def assert_in_doubt(reply: Reply, evidence: Evidence, *errors: Cause, status: int | None = None) -> None:
    assert isinstance(reply, NoAnswer)
    assert reply.error in errors
    assert (reply.evidence, reply.status) == (evidence, status)
    assert outcome(reply) is Outcome.IN_DOUBT


# --- Nothing was sent ---


async def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        wire = Wire()
        async with api_at(f"http://127.0.0.1:{unused.getsockname()[1]}") as post:
            reply = await post(wire)
    assert_unsent(reply, wire, Cause.CONNECT_REFUSED)


async def test_a_name_without_an_address_proves_that_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def resolve(host: str, *_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)  # no query leaves this machine
    wire = Wire()
    async with api_at("http://nowhere.invalid") as post:
        assert_unsent(await post(wire), wire, Cause.DNS_FAILURE)


async def test_a_server_that_speaks_no_tls_proves_that_nothing_was_sent() -> None:
    async def garble(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\nplain HTTP here")
        await connection.silence()

    wire = Wire()
    async with RawServer(garble) as server, api_at(server.url.replace("http", "https")) as post:
        assert_unsent(await post(wire), wire, Cause.TLS_FAILURE)


async def test_a_server_that_hangs_up_in_the_handshake_proves_that_nothing_was_sent() -> None:
    async def hang_up(connection: Connection) -> None:
        connection.reset()

    wire = Wire()
    async with RawServer(hang_up) as server, api_at(server.url.replace("http", "https")) as post:
        assert_unsent(await post(wire), wire, Cause.CONNECT_FAILURE)


async def test_a_handshake_that_is_never_answered_is_a_connect_timeout() -> None:
    wire = Wire()
    async with RawServer(Connection.silence) as server, api_at(server.url.replace("http", "https")) as post:
        assert_unsent(await post(wire), wire, Cause.CONNECT_TIMEOUT)


@pytest.mark.skipif(sys.platform != "linux", reason="a full backlog drops SYNs on Linux only")
async def test_a_host_that_never_accepts_is_a_connect_timeout() -> None:
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):  # one more than fits: whoever comes next is not even answered
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        wire = Wire()
        async with api_at(f"http://127.0.0.1:{listener.getsockname()[1]}") as post:
            assert_unsent(await post(wire), wire, Cause.CONNECT_TIMEOUT)


async def test_waiting_for_a_connection_in_vain_is_a_pool_timeout_and_not_a_connect_timeout() -> None:
    async with (
        RawServer(read_and_stay_silent) as server,
        api_at(server.url, timeouts=Timeouts(pool=0.1, read=30), max_connections=1) as post,
    ):
        holder = asyncio.ensure_future(post())
        await server.arrived.wait()
        wire = Wire()
        assert_unsent(await post(wire), wire, Cause.POOL_TIMEOUT)
        assert server.connections == 1
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)


async def test_a_request_that_lost_its_wait_leaves_the_pool_usable() -> None:
    async with RawServer(answer_all) as server, api_at(server.url, max_connections=1) as post:
        replies = await asyncio.gather(*(post() for _ in range(5)))
    assert [outcome(reply) for reply in replies] == [Outcome.CREATED] * 5
    assert server.connections == 1


# --- Sent, and no status line ---


async def answer_all(connection: Connection) -> None:
    while True:
        await connection.request()
        await connection.send(http(SUCCESS))


async def read_and_stay_silent(connection: Connection) -> None:
    await connection.request()
    await connection.silence()


async def read_and_reset(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def read_and_hang_up(connection: Connection) -> None:
    await connection.request()


async def accept_and_reset_at_the_first_byte(connection: Connection) -> None:
    await connection._reader.readexactly(1)
    connection.reset()


async def half_a_status_line(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 20")


async def headers_without_an_end(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n")


async def not_http(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"220 mail.example ESMTP\r\n")
    await connection.silence()


async def headers_that_never_end(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000)
    await connection.silence()


async def only_informational(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 102 Processing\r\n\r\n")
    await connection.silence()


@pytest.mark.parametrize(
    ("script", "errors"),
    [
        (read_and_stay_silent, {Cause.READ_TIMEOUT}),
        (only_informational, {Cause.READ_TIMEOUT}),
        (read_and_reset, {Cause.CONNECTION_RESET}),
        (accept_and_reset_at_the_first_byte, {Cause.CONNECTION_RESET}),
        (read_and_hang_up, {Cause.CONNECTION_CLOSED}),
        (half_a_status_line, {Cause.CONNECTION_CLOSED}),
        (headers_without_an_end, {Cause.CONNECTION_CLOSED}),
        (not_http, {Cause.PROTOCOL_ERROR}),
        (headers_that_never_end, {Cause.PROTOCOL_ERROR}),
    ],
)
async def test_a_request_that_left_and_got_no_status_line_is_in_doubt(
    script: Script, errors: set[Cause]
) -> None:
    wire = Wire()
    async with RawServer(script) as server, api_at(server.url) as post:
        reply = await post(wire)
        assert_in_doubt(reply, Evidence.SENT, *errors)
        assert server.connections == 1  # nobody tried again behind our back
    assert (wire.evidence, wire.reused) == (Evidence.SENT, False)


async def test_a_body_that_the_server_does_not_take_is_a_write_timeout() -> None:
    async def deaf(connection: Connection) -> None:
        connection.deafness()
        await asyncio.Event().wait()

    limits = Timeouts(connect=0.3, write=0.2, read=30, total=30)
    async with RawServer(deaf) as server, api_at(server.url, timeouts=limits) as post:
        with pytest.warns(ResourceWarning, match="large body"):
            reply = await post(body=b" " * 16_000_000)
    assert_in_doubt(reply, Evidence.SENT, Cause.WRITE_TIMEOUT)


async def test_a_large_body_that_is_taken_and_never_answered_is_a_read_timeout() -> None:
    async with RawServer(read_and_stay_silent) as server, api_at(server.url) as post:
        reply = await post(body=b" " * 500_000)
        assert [len(request) > 500_000 for request in server.requests] == [True]
    assert_in_doubt(reply, Evidence.SENT, Cause.READ_TIMEOUT)


# --- The pool ---


@pytest.mark.parametrize("drop", [read_and_hang_up, read_and_reset, accept_and_reset_at_the_first_byte])
async def test_a_pooled_connection_dropped_as_the_next_request_arrives_is_in_doubt_and_not_repeated(
    drop: Script,
) -> None:
    async def answer_once_then_drop(connection: Connection) -> None:
        await connection.request()
        await connection.send(http(SUCCESS))
        await drop(connection)

    async with RawServer(answer_once_then_drop, answer_all) as server, api_at(server.url) as post:
        assert outcome(await post()) is Outcome.CREATED
        wire = Wire()
        reply = await post(wire)
        assert_in_doubt(reply, Evidence.SENT, Cause.CONNECTION_CLOSED, Cause.CONNECTION_RESET)
        assert wire.reused
        assert server.connections == 1
        assert outcome(await post()) is Outcome.CREATED  # the dead connection is out of the pool
        assert server.connections == 2


async def test_a_connection_that_closes_between_the_hook_and_the_socket_counts_as_sent() -> None:
    transport = AiohttpTransport()
    async with (
        RawServer(answer_all) as server,
        WidgetApi(server.url, timeouts=QUICK, transport=transport) as api,
    ):
        assert outcome(await api.create_widget(BODY, CREDENTIAL)) is Outcome.CREATED

        def close_every_connection() -> None:
            for protocol in connector_of(transport)._acquired:
                assert protocol.transport is not None
                protocol.transport.abort()

        wire = Wire()
        wire.on_sent = close_every_connection
        reply = await api.create_widget(BODY, CREDENTIAL, wire)
        assert_in_doubt(reply, Evidence.SENT, Cause.WRITE_FAILURE, Cause.CONNECTION_CLOSED)
        assert len(server.requests) == 1


async def test_a_pooled_connection_that_was_closed_while_idle_is_not_used() -> None:
    async def answer_once(connection: Connection) -> None:
        await connection.request()
        await connection.send(http(SUCCESS))

    transport = AiohttpTransport()
    async with (
        RawServer(answer_once, answer_all) as server,
        WidgetApi(server.url, timeouts=QUICK, transport=transport) as api,
    ):
        await api.create_widget(BODY, CREDENTIAL)
        idle = [protocol for pool in connector_of(transport)._conns.values() for protocol, _ in pool]
        await until(lambda: not any(protocol.is_connected() for protocol in idle))
        wire = Wire()
        assert outcome(await api.create_widget(BODY, CREDENTIAL, wire)) is Outcome.CREATED
        assert (server.connections, wire.reused) == (2, False)


async def test_connections_are_kept_alive() -> None:
    async with RawServer(answer_all) as server, api_at(server.url) as post:
        wires = [Wire() for _ in range(4)]
        for wire in wires:
            await post(wire)
        assert server.connections == 1
    assert [wire.reused for wire in wires] == [False, True, True, True]


async def test_a_connection_idle_for_too_long_is_replaced() -> None:
    async with RawServer(answer_all) as server, api_at(server.url, keepalive_seconds=0.01) as post:
        await post()
        await asyncio.sleep(0.05)
        await post()
        assert server.connections == 2


async def test_a_second_sending_of_the_same_request_is_refused_before_its_first_byte() -> None:
    assert "POST" not in aiohttp.client.IDEMPOTENT_METHODS
    wire = Wire()
    wire.evidence = Evidence.NOTHING_SENT
    await _about_to_send(None, wire, None)
    with pytest.raises(aiohttp.ClientConnectionError, match="second time"):
        await _about_to_send(None, wire, None)


async def test_even_an_idempotent_request_on_a_dropped_connection_is_not_repeated() -> None:
    async def answer_once_then_drop(connection: Connection) -> None:
        for _ in range(2):
            await connection._reader.readuntil(b"\r\n\r\n")
            if not server.requests:
                await connection.send(http(SUCCESS))
            server.requests.append(b"GET")

    async with (
        RawServer(answer_once_then_drop) as server,
        httpx.AsyncClient(transport=AiohttpTransport(), trust_env=False) as client,
    ):
        await client.get(server.url)
        with pytest.raises(httpx.ReadError):
            await client.get(server.url)
        assert len(server.requests) == 2


# --- A status line, and no whole answer ---


def cut(answer: bytes) -> Script:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(answer)

    return script


async def status_and_silence(connection: Connection) -> None:
    await connection.request()
    await connection.send(http(b"", length=100))
    await connection.silence()


async def dribble(connection: Connection) -> None:
    await connection.request()
    await connection.send(http(b"", length=100_000))
    while True:
        await connection.send(b" ")
        await asyncio.sleep(0.03)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (cut(http(SUCCESS[:40], length=len(SUCCESS))), Cause.TRUNCATED_ANSWER),
        (cut(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"sta\r\n'), Cause.TRUNCATED_ANSWER),
        (
            cut(http(b"not gzip at all", "Content-Encoding: gzip")),
            Cause.TRUNCATED_ANSWER,
        ),
        (status_and_silence, Cause.READ_TIMEOUT),
        (dribble, Cause.READ_TIMEOUT),
        (cut(http(b" " * 70_000)), Cause.ANSWER_TOO_LARGE),
        (cut(http(gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip")), Cause.ANSWER_TOO_LARGE),
    ],
)
async def test_a_200_without_its_whole_body_is_in_doubt_with_its_status_on_record(
    script: Script, error: Cause
) -> None:
    wire = Wire()
    async with RawServer(script) as server, api_at(server.url, max_answer_bytes=65_536) as post:
        reply = await post(wire)
        assert server.connections == 1
    assert_in_doubt(reply, Evidence.STATUS_SEEN, error, status=200)
    assert (wire.evidence, wire.status) == (Evidence.STATUS_SEEN, 200)


async def test_a_200_cut_by_a_reset_is_in_doubt_with_its_status_on_record() -> None:
    status_seen = asyncio.Event()

    async def half_then_reset(connection: Connection) -> None:
        await connection.request()
        await connection.send(http(b"half", length=100))
        await status_seen.wait()  # an RST may overtake what the client has not read yet
        connection.reset()

    wire = Wire()
    async with RawServer(half_then_reset) as server, api_at(server.url) as post:
        task = asyncio.ensure_future(post(wire))
        await until(lambda: wire.status is not None)
        status_seen.set()
        assert_in_doubt(await task, Evidence.STATUS_SEEN, Cause.TRUNCATED_ANSWER, status=200)


async def test_a_dribbling_answer_ends_at_the_total_and_not_at_the_read_timeout() -> None:
    async with RawServer(dribble) as server, api_at(server.url) as post:
        reply = await post()
    assert QUICK.read < reply.seconds
    assert QUICK.total is not None
    assert reply.seconds == pytest.approx(QUICK.total, abs=0.2)


async def test_a_cut_answer_does_not_go_back_into_the_pool() -> None:
    async with (
        RawServer(cut(http(b" " * 70_000, length=1_000_000)), answer_all) as server,
        api_at(server.url, max_answer_bytes=65_536) as post,
    ):
        await post()
        assert outcome(await post()) is Outcome.CREATED
        assert server.connections == 2


# --- Whole answers ---


async def answered(raw: bytes) -> Answer:
    wire = Wire()
    async with RawServer(cut(raw)) as server, api_at(server.url) as post:
        reply = await post(wire)
        assert server.connections == 1
    assert isinstance(reply, Answer)
    assert (reply.evidence, wire.evidence) == (Evidence.ANSWERED, Evidence.ANSWERED)
    return reply


async def test_the_request_is_exactly_the_body_given_with_our_headers_and_no_others() -> None:
    async with RawServer(answer_all) as server, api_at(server.url + "/proxy/") as post:
        await post()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == BODY
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /proxy/v1/widget/create HTTP/1.1"
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert headers.pop("user-agent").startswith("widget-provisioner")
    assert headers == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": "basic Y2xpZW50OnNlOmNyw6l0".lower(),
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-length": str(len(BODY)),
    }


async def test_a_success_is_created() -> None:
    reply = await answered(http(SUCCESS, "Content-Type: application/json"))
    assert (reply.status, reply.body, reply.content_type) == (200, SUCCESS, "application/json")
    assert outcome(reply) is Outcome.CREATED


async def test_a_200_that_is_not_json_is_in_doubt() -> None:
    reply = await answered(http(b"<html>Welcome</html>", "Content-Type: text/html"))
    finding = classify(reply, now=0.0)
    assert (finding.outcome, finding.cause) == (Outcome.IN_DOUBT, Cause.NOT_JSON)


async def test_a_success_without_a_length_ends_with_the_connection() -> None:
    assert outcome(await answered(b"HTTP/1.1 200 OK\r\n\r\n" + SUCCESS)) is Outcome.CREATED


async def test_a_success_after_an_informational_answer_is_created() -> None:
    assert outcome(await answered(b"HTTP/1.1 103 Early Hints\r\n\r\n" + http(SUCCESS))) is Outcome.CREATED


async def test_a_success_is_created_however_long_its_headers() -> None:
    long = http(SUCCESS, "Content-Security-Policy: " + "x" * 60_000)
    assert outcome(await answered(long)) is Outcome.CREATED


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("timeout=2, max=100", 1.0), ("max=5, Timeout = 1", 0.5), ("timeout=60", 4.0), ("timeout=x", 4.0)],
)
async def test_an_idle_connection_is_used_no_longer_than_the_server_says(said: str, seconds: float) -> None:
    async def server(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.send(http(SUCCESS, f"Keep-Alive: {said}"))

    async with RawServer(server) as there:
        transport = AiohttpTransport()
        async with WidgetApi(there.url, timeouts=QUICK, transport=transport) as api:
            await api.create_widget(BODY, CREDENTIAL, Wire())
            assert transport._connector is not None
            assert transport._connector._keepalive_timeout == seconds


async def test_a_compressed_success_is_read() -> None:
    reply = await answered(http(gzip.compress(SUCCESS), "Content-Encoding: gzip"))
    assert reply.body == SUCCESS


async def test_switching_protocols_is_in_doubt() -> None:
    raw = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n"
    assert outcome(await answered(raw)) is Outcome.IN_DOUBT


async def test_a_redirect_is_reported_and_not_followed() -> None:
    async with RawServer(answer_all) as elsewhere:
        reply = await answered(http(b"", f"Location: {elsewhere.url}/", status="307 Temporary Redirect"))
        assert elsewhere.connections == 0
    assert reply.location == f"{elsewhere.url}/"
    assert outcome(reply) is Outcome.MISDIRECTED


@pytest.mark.parametrize("reason", ["200 Éxito".encode("latin-1"), "200 ✓".encode(), b"200 \xff\xfe", b"200"])
async def test_a_success_is_created_whatever_its_reason_phrase(reason: bytes) -> None:
    raw = http(SUCCESS).replace(b"200 OK", reason, 1)
    assert outcome(await answered(raw)) is Outcome.CREATED


@pytest.mark.parametrize(
    "location", [b"//login.example.com:port/\xff", b"http://[::1", b"https://a:99999999/", b"", b"/new"]
)
async def test_a_redirect_is_misdirected_also_where_its_location_cannot_be_read(location: bytes) -> None:
    raw = http(b"", "Location: HERE", status="302 Found").replace(b"HERE", location)
    reply = await answered(raw)
    assert reply.location == location.decode("latin-1")
    assert outcome(reply) is Outcome.MISDIRECTED


async def test_retry_after_reaches_the_finding() -> None:
    reply = await answered(http(b"", "Retry-After: 7", status="429 Too Many Requests"))
    assert classify(reply, now=0.0).retry_after == 7.0


async def test_cookies_are_neither_kept_nor_sent() -> None:
    async def with_cookie(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.send(http(SUCCESS, "Set-Cookie: id=1; Path=/"))

    async with RawServer(with_cookie) as server, api_at(server.url) as post:
        await post()
        await post()
        assert not any(b"cookie" in request.lower() for request in server.requests)


# --- Cancelled ---


async def cancelled(url: str, when: asyncio.Event, **kwargs: Any) -> Wire:
    wire = Wire()
    async with api_at(url, timeouts=Timeouts(), **kwargs) as post:
        task = asyncio.ensure_future(post(wire))
        await when.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    return wire


async def test_a_request_cancelled_while_connecting_has_sent_nothing() -> None:
    async with RawServer(Connection.silence) as server:
        wire = await cancelled(server.url.replace("http", "https"), server.accepted)
    assert wire.evidence is Evidence.NOTHING_SENT


async def test_a_request_cancelled_in_flight_says_how_far_it_got() -> None:
    async with RawServer(read_and_stay_silent) as server:
        wire = await cancelled(server.url, server.arrived)
        assert len(server.requests) == 1
    assert (wire.evidence, wire.status) == (Evidence.SENT, None)


async def test_a_request_cancelled_while_its_body_comes_in_has_seen_the_status() -> None:
    wire = Wire()
    async with RawServer(status_and_silence) as server, api_at(server.url, timeouts=Timeouts()) as post:
        task = asyncio.ensure_future(post(wire))
        await until(lambda: wire.status is not None)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (wire.evidence, wire.status) == (Evidence.STATUS_SEEN, 200)


# --- TLS ---


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    pem = tmp_path / "server.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(pem), "-out", str(tmp_path / "ca.pem"), "-days", "2", "-subj", "/CN=test"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "ca.pem", pem)
    return tmp_path / "ca.pem", context


async def test_a_certificate_that_nobody_vouches_for_proves_that_nothing_was_sent(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    _, tls = certificate
    wire = Wire()
    limits = Timeouts(connect=5)
    async with RawServer(answer_all, tls=tls) as server, api_at(server.url, timeouts=limits) as post:
        assert_unsent(await post(wire), wire, Cause.TLS_FAILURE)
        assert server.requests == []


async def test_a_certificate_authority_of_ones_own_is_trusted_when_named(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    ca, tls = certificate
    async with (
        RawServer(answer_all, tls=tls) as server,
        api_at(server.url, timeouts=Timeouts(), ca_file=str(ca)) as post,
    ):
        assert outcome(await post()) is Outcome.CREATED


# --- The edges of the api itself ---


async def test_a_transport_that_keeps_no_record_proves_nothing() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("said so", request=request)

    async with WidgetApi("https://api.example", transport=httpx.MockTransport(fail)) as api:
        reply = await api.create_widget(BODY, CREDENTIAL)
    assert_in_doubt(reply, Evidence.SENT, Cause.CONNECT_TIMEOUT)


@pytest.mark.parametrize(
    ("evidence", "left", "meaning"),
    [
        (Evidence.NOTHING_SENT, Evidence.NOTHING_SENT, Outcome.UNPROCESSED),
        (Evidence.SENT, Evidence.SENT, Outcome.IN_DOUBT),
        (Evidence.ANSWERED, Evidence.STATUS_SEEN, Outcome.IN_DOUBT),
    ],
)
async def test_an_unforeseen_error_is_a_value_that_quotes_nothing(
    evidence: Evidence, left: Evidence, meaning: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        request.extensions["wire"].evidence = evidence
        raise ValueError("wk_1")

    async with WidgetApi("https://api.example", transport=httpx.MockTransport(fail)) as api:
        reply = await api.create_widget(BODY, CREDENTIAL)
    assert isinstance(reply, NoAnswer)
    assert (reply.evidence, reply.message) == (left, "an unforeseen ValueError")
    assert outcome(reply) is meaning
    assert "ValueError" in caplog.text
    assert "wk_1" not in caplog.text


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.example", "https://api.example/v1/widget/create"),
        ("https://api.example/", "https://api.example/v1/widget/create"),
        (" http://127.0.0.1:8080/mock/ ", "http://127.0.0.1:8080/mock/v1/widget/create"),
    ],
)
def test_the_address_may_end_in_a_slash_or_a_path(base: str, url: str) -> None:
    assert str(WidgetApi(base).url) == url


@pytest.mark.parametrize(
    "base",
    ["", "api.example", "ftp://api.example", "https://", "https://id:secret@api.example", "https://a/?x=1"],
)
def test_an_address_that_cannot_work_is_refused_without_repeating_its_secrets(base: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        WidgetApi(base)
    assert "secret" not in str(caught.value)


def test_a_timeout_of_zero_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="connect"):
        Timeouts(connect=0)
