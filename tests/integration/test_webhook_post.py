"""One POST to a receiver: what it carries, and which word the log has for why there was no answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version

import pytest

from api import webhook_post
from api.webhook_post import Cause, Reaction, post
from producers.pull.addresses import session
from tests.docs.pages import table_words
from tests.integration.test_webhooks import Receiver, receiver
from tests.support.repository import ROOT

__all__ = ["receiver"]  # the fixture

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def send(url: str, *, allow_private: bool = True) -> Reaction:
    async with session(allow_private=allow_private) as http:
        return await post(
            http, url, [SECRET], message_id="msg_1", body=b"{}", now=1, allow_private=allow_private
        )


@contextlib.asynccontextmanager
async def talker(said: bytes) -> AsyncIterator[str]:
    """Host and port of somebody who says this to whoever calls, and hangs up unless that is nothing."""
    done = asyncio.Event()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        if not said:
            await done.wait()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        done.set()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


async def test_a_receiver_learns_who_calls(receiver: Receiver) -> None:
    reaction = await send(receiver.url)
    assert (reaction.accepted, reaction.failure, reaction.logged) == (True, "", "")
    [(headers, _)] = receiver.heard
    assert headers["User-Agent"] == f"widget-provisioner/{version('widget-provisioner')} (webhooks)"


async def test_an_answer_is_its_status_to_the_owner_and_in_the_log(receiver: Receiver) -> None:
    receiver.answers = [503]
    reaction = await send(receiver.url)
    assert (reaction.accepted, reaction.failure, reaction.logged) == (False, "503", "http_503")


async def test_a_closed_port_is_refused(closed_port: int) -> None:
    assert (await send(f"http://127.0.0.1:{closed_port}/")).cause == Cause.REFUSED


async def test_a_name_without_an_address_is_dns() -> None:
    assert (await send("http://no-such-name.invalid/")).cause == Cause.DNS


@pytest.mark.parametrize("url", ["https://localhost/", "https://127.0.0.1/", "http://public.example/", "{}"])
async def test_an_address_that_may_not_be_called_is_not_allowed(url: str) -> None:
    assert (await send(url, allow_private=False)).cause == Cause.ADDRESS_NOT_ALLOWED


async def test_whoever_speaks_no_http_is_named_so() -> None:
    async with talker(b"220 mail.example ESMTP\r\n") as peer:
        assert (await send(f"http://{peer}/")).cause == Cause.NOT_HTTP


async def test_a_connection_that_ends_before_the_answer_is_closed() -> None:
    async with talker(b"HTTP/1.1 200 O") as peer:
        assert (await send(f"http://{peer}/")).cause == Cause.CLOSED


async def test_no_handshake_is_tls() -> None:
    async with talker(b"HTTP/1.1 400 Bad Request\r\n\r\n") as peer:
        assert (await send(f"https://{peer}/")).cause == Cause.TLS


async def test_no_answer_in_time_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_post, "TIMEOUT", 0.2)
    async with talker(b"") as peer:
        reaction = await send(f"http://{peer}/")
    assert reaction.cause == Cause.TIMEOUT
    assert (reaction.failure, reaction.logged) == ("unreachable", "timeout")


def test_every_word_is_documented() -> None:
    page = ROOT / "docs" / "reference" / "log-events.md"
    assert table_words(page, under="Causes of webhooks") == ["http_NNN", *Cause]
