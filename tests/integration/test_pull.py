"""Jobs from another service's API, served on loopback: pages, faults, addresses that may not be called."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from producers.files.reading import Reading
from producers.pull.pull import Pull
from provisioning.errors import InvalidInputError
from provisioning.job import NewJob
from tests.support.http_server import job, provision

Handler = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


class Site:
    """Another service: handlers by path, and what was asked of it."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.asked: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.handlers[request.path](request)

    def page(
        self, path: str, body: str, kind: str = "application/json", link: str = "", status: int = 200
    ) -> None:
        async def answer(_: web.Request) -> web.Response:
            headers = {"Link": link} if link else {}
            return web.Response(text=body, content_type=kind, headers=headers, status=status)

        self.handlers[path] = answer


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", site.answer)
    server = TestServer(app)
    await server.start_server()
    site.url = str(server.make_url("")).rstrip("/")
    yield site
    await server.close()


async def keys_of(site: Site, path: str, folder: Path, **options: Any) -> list[str]:
    """The keys of the jobs that come from an address."""
    pull = Pull(site.url + path, allow_private=True, longest_wait=0.0, **options)
    with Reading(await pull.into(folder)) as reading:
        jobs = list(reading)
    assert all(isinstance(each, NewJob) for each in jobs), jobs
    return [each.key for each in jobs if isinstance(each, NewJob)]


def lines(*names: str) -> str:
    return "".join(json.dumps(job(name)) + "\n" for name in names)


async def test_pages_of_json_arrays_are_joined(site: Site, tmp_path: Path) -> None:
    site.page("/t", json.dumps([job("a"), job("b")], indent=2), link='</t2>; rel="next", </t>; rel="first"')
    site.page("/t2", json.dumps([job("c")]), link="</t3?x=1>; title=x; rel=next")
    site.page("/t3", "[]")
    assert await keys_of(site, "/t", tmp_path) == ["a", "b", "c"]


async def test_pages_of_csv_have_one_header(site: Site, tmp_path: Path) -> None:
    site.page("/t.csv", "key,bot.id\na,100", "text/csv", "</2>; rel=next")
    site.page("/2", "\ufeffkey,bot.id\r\nb,200\r\n", "text/csv", "</3>; rel=next")
    site.page("/3", "key,bot.id", "text/csv", "</4>; rel=next")
    site.page("/4", "key,bot.id\nc,300\n", "text/csv")
    assert await keys_of(site, "/t.csv", tmp_path) == ["a", "b", "c"]


async def test_lines_are_streamed(site: Site, tmp_path: Path) -> None:
    site.page("/t", lines("a", "b").rstrip(), "application/x-ndjson", "</2>; rel=next")
    site.page("/2", lines("c"), "application/x-ndjson")
    assert await keys_of(site, "/t", tmp_path) == ["a", "b", "c"]


async def test_a_page_that_breaks_off_is_fetched_again_whole(site: Site, tmp_path: Path) -> None:
    site.page("/t", lines("a"), "application/x-ndjson", "</2>; rel=next")
    tries = 0

    async def broken(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        if tries == 1:
            return web.Response(status=503, headers={"Retry-After": "1"})
        answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await answer.prepare(request)
        await answer.write(lines("b").encode())
        if tries == 2 and request.transport is not None:
            request.transport.close()
        await answer.write(lines("c").encode())
        return answer

    site.handlers["/2"] = broken
    assert await keys_of(site, "/t", tmp_path) == ["a", "b", "c"]
    assert tries == 3


async def test_the_token_goes_to_its_own_origin_only(site: Site, tmp_path: Path) -> None:
    elsewhere = site.url.replace("127.0.0.1", "localhost")
    site.page("/t", lines("a"), "application/x-ndjson", f"<{elsewhere}/2>; rel=next")
    site.page("/2", lines("b"), "application/x-ndjson")
    assert await keys_of(site, "/t", tmp_path, token="s3cret") == ["a", "b"]
    assert [request.headers.get("Authorization") for request in site.asked] == ["Bearer s3cret", None]


@pytest.mark.parametrize(
    ("body", "kind", "link", "status", "said"),
    [
        ("{}", "application/json", "", 200, "not a JSON array"),
        ("<a/>", "text/html", "", 200, "text/html, which is not read"),
        ("", "text/csv", "", 401, "answers 401"),
        ("", "text/csv", "", 302, "leads elsewhere"),
        ("", "text/csv", "", 500, "cannot be fetched"),
        ("key,bot.id\na,1\n", "text/csv", "</t>; rel=next", 200, "back to an earlier one"),
        ("key,bot.id\na,1\n", "text/csv", "</other>; rel=next", 200, "the same columns"),
        ('[{"key": "a"}]', "application/json", "</other>; rel=next", 200, "all of one kind"),
    ],
)
async def test_what_cannot_be_had_is_said(
    site: Site, tmp_path: Path, body: str, kind: str, link: str, status: int, said: str
) -> None:
    site.page("/t", body, kind, link, status)
    site.page("/other", "key,name\n", "text/csv")
    with pytest.raises(InvalidInputError, match=said):
        await keys_of(site, "/t", tmp_path)


async def test_a_wait_that_is_no_number_is_not_obeyed(site: Site, tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        if len(site.asked) == 1:
            return web.Response(status=503, headers={"Retry-After": "\u00b2"})
        return web.Response(text=lines("a"), content_type="application/x-ndjson")

    site.handlers["/t"] = answer
    assert await keys_of(site, "/t", tmp_path) == ["a"]


async def test_what_is_no_http_is_said(tmp_path: Path) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/t"
        with pytest.raises(InvalidInputError, match="does not answer as HTTP has it"):
            await Pull(url, allow_private=True, longest_wait=0.0).into(tmp_path)


async def test_a_next_page_that_is_no_address_is_said(site: Site, tmp_path: Path) -> None:
    site.page("/t", "[]", link="<http://[>; rel=next")
    with pytest.raises(InvalidInputError, match="no address"):
        await keys_of(site, "/t", tmp_path)


class Fake(AbstractResolver):
    """A name server that says what it likes."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        address = self.addresses[min(self.asked, len(self.addresses) - 1)]
        self.asked += 1
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=int(socket.AF_INET), proto=0, flags=0
            )
        ]

    async def close(self) -> None: ...


async def test_a_name_that_leads_to_a_private_address_is_not_called(site: Site, tmp_path: Path) -> None:
    port = site.url.rpartition(":")[2]
    pull = Pull(f"https://crm.example:{port}/t", resolver=Fake("127.0.0.1"), longest_wait=0.0)
    with pytest.raises(InvalidInputError, match="leads to a private address"):
        await pull.into(tmp_path)
    assert site.asked == []


async def test_a_name_server_that_changes_its_mind_gains_nothing(site: Site, tmp_path: Path) -> None:
    """The first answer is judged and used; the second, private, is judged as well when it is asked for."""
    port = site.url.rpartition(":")[2]
    fake = Fake("192.0.2.1", "127.0.0.1")
    pull = Pull(f"https://crm.example:{port}/t", resolver=fake, longest_wait=0.0)
    with pytest.raises(InvalidInputError, match="private address"):
        await pull.into(tmp_path)
    assert site.asked == []


async def test_a_next_page_may_not_lead_into_the_private_network(site: Site, tmp_path: Path) -> None:
    pull = Pull("https://crm.example/t")
    with pytest.raises(InvalidInputError, match="private"):
        await pull._page(None, "https://10.0.0.1/t", None)  # type: ignore[arg-type] # it is judged before


async def test_plan_takes_an_address(site: Site, valkey_url: str, tmp_path: Path) -> None:
    site.page("/tenants", json.dumps([job("a"), {"key": "b"}]))
    url = f"{site.url}/tenants?page=1"

    def plan(**settings: str) -> Any:
        return provision(valkey_url, "plan", url, "--json", **settings)

    refused = await asyncio.to_thread(plan)
    assert refused.returncode == 2
    assert "https" in refused.stderr
    done = await asyncio.to_thread(plan, ALLOW_PRIVATE="true", PULL_TOKEN="s3cret")
    *problems, made = map(json.loads, done.stdout.splitlines())
    assert (made["rows"], made["bad_rows"], problems[0]["row"]) == (2, 1, 2)
    assert site.asked[-1].headers["Authorization"] == "Bearer s3cret"


async def test_ids_of_a_page_are_refused_or_meant_as_in_a_file(site: Site, valkey_url: str) -> None:
    site.page("/odd.csv", "key,bot.id\na,(1)\n", "text/csv")

    def plan(*options: str) -> Any:
        return provision(valkey_url, "plan", f"{site.url}/odd.csv", "--json", *options, ALLOW_PRIVATE="true")

    refused = await asyncio.to_thread(plan)
    assert refused.returncode == 2
    assert "--as-is bot.id" in refused.stdout
    assert (await asyncio.to_thread(plan, "--as-is", "bot.id")).returncode == 0
