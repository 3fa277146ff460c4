"""
Downloads jobs from another service's API: all pages of an address, written into one file.

Pages are CSV, NDJSON or JSON arrays, linked by `Link: <…>; rel="next"` (RFC 8288). The file is then read like
any other, with the same checks. A page whose download breaks is fetched again. If the same address is applied
again, known jobs are skipped.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver

from producers.files.file_kinds import Format
from producers.pull.addresses import CONNECTION_ERRORS, PrivateAddressError, check_address, origin_of, session
from provisioning.digits import is_whole_number
from provisioning.errors import InvalidInputError
from provisioning.text import Text

ATTEMPTS = 5
"""Most requests for one page."""

LONGEST_WAIT = 30.0
"""Longest wait before a retry, in seconds, even if `Retry-After` is longer."""

MAX_ARRAY = 64 * 1024 * 1024
"""Most bytes of a page that is a JSON array: it is kept in memory; CSV and NDJSON are not."""

MAX_HEADER = 1024 * 1024
"""Most bytes of a CSV header."""

CHUNK = 256 * 1024

_TYPES = {
    "text/csv": Format.CSV,
    "text/tab-separated-values": Format.TSV,
    "application/x-ndjson": Format.JSONL,
    "application/ndjson": Format.JSONL,
    "application/jsonl": Format.JSONL,
    "application/json-lines": Format.JSONL,
}
_SUFFIXES = {".csv": Format.CSV, ".tsv": Format.TSV, ".ndjson": Format.JSONL, ".jsonl": Format.JSONL}
_RETRYABLE = frozenset([408, 425, 429, 500, 502, 503, 504])
_NEXT = re.compile(r"<([^>]*)>\s*((?:;[^,<]*)*)")
_ACCEPT = "text/csv, application/x-ndjson, application/json;q=0.9, text/tab-separated-values;q=0.8"


class _RetryablePageError(Exception):
    """The request for a page failed, and a retry may succeed; `after`: its `Retry-After` in seconds."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Pull:
    """
    Fetches all pages of one address.

    Args:
        url: of the first page.
        token: a bearer token, sent only to the origin of `url`.
        allow_private: whether private addresses and plain http are allowed.
        on_page: called after each page with the number of pages so far.
        longest_wait: longest wait before a retry, in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        allow_private: bool = False,
        on_page: Callable[[int], None] = lambda _: None,
        resolver: AbstractResolver | None = None,
        longest_wait: float = LONGEST_WAIT,
    ) -> None:
        check_address(url, allow_private=allow_private)
        self._url = url
        self._token = token
        self._allow_private = allow_private
        self._on_page = on_page
        self._resolver = resolver
        self._longest_wait = longest_wait
        self._format: Format | None = None
        self._header: bytes | None = None

    async def into(self, folder: Path) -> Path:
        """
        Downloads all pages into one file in `folder`.

        Raises: InvalidInputError if a page cannot be downloaded, or its format is not supported.
        """
        draft = folder / "pulled"
        seen: set[str] = set()
        url: str | None = self._url
        async with session(allow_private=self._allow_private, resolver=self._resolver) as http:
            with draft.open("w+b") as file:
                while url is not None:
                    if url in seen:
                        raise InvalidInputError(
                            Text("page {count} leads back to an earlier one", count=len(seen) + 1)
                        )
                    seen.add(url)
                    url = await self._page(http, url, file)
                    self._on_page(len(seen))
        stem = re.sub(r"[^\w.-]", "_", Path(urlsplit(self._url).path).stem) or urlsplit(self._url).hostname
        return draft.rename(folder / f"{stem}.{self._format or Format.CSV}")

    async def _page(self, http: aiohttp.ClientSession, url: str, file: IO[bytes]) -> str | None:
        """Adds one page to the file, with retries. Returns: the address of the next page, if there is one."""
        check_address(url, allow_private=self._allow_private)
        start = file.tell()
        attempt = 0
        while True:
            attempt += 1
            file.seek(start)
            file.truncate()
            try:
                return await self._fetch(http, url, file)
            except (_RetryablePageError, *CONNECTION_ERRORS) as error:
                if isinstance(cause := _cause(error), PrivateAddressError):
                    raise InvalidInputError(
                        str(cause), hint="PROVISION_ALLOW_PRIVATE=true lets it be called"
                    ) from error
                if attempt >= ATTEMPTS:
                    raise InvalidInputError(
                        Text(
                            "{url} cannot be fetched: {reason}",
                            url=_shown(url),
                            reason=error or type(error).__name__,
                        ),
                        hint="nothing was begun; try again",
                    ) from error
                asked = error.after if isinstance(error, _RetryablePageError) else None
                wait = 0.5 * 2.0 ** (attempt - 1) if asked is None else asked
                await asyncio.sleep(min(wait, self._longest_wait))
            except aiohttp.ClientError as error:
                raise InvalidInputError(
                    Text("{url} cannot be fetched: it does not answer as HTTP has it", url=_shown(url)),
                    hint="nothing was begun; look at what is served there",
                ) from error

    async def _fetch(self, http: aiohttp.ClientSession, url: str, file: IO[bytes]) -> str | None:
        headers = {"Accept": _ACCEPT}
        if self._token and origin_of(url) == origin_of(self._url):
            headers["Authorization"] = f"Bearer {self._token}"
        async with http.get(url, headers=headers, allow_redirects=False) as answer:
            self._check(answer, url)
            if self._format is None or not file.tell():
                self._format, self._header = (
                    None,
                    None,
                )  # an earlier attempt at the first page may have set them
            chunks = answer.content.iter_chunked(CHUNK)
            kind = answer.content_type
            if kind == "application/json":
                await self._array(chunks, file)
            else:
                await self._lines(chunks, kind, url, file)
            return _next_of(answer.headers.getall("Link", []), url)

    def _check(self, answer: aiohttp.ClientResponse, url: str) -> None:
        status = answer.status
        if status == 200:
            return
        if status in _RETRYABLE:
            asked = answer.headers.get("Retry-After", "")
            raise _RetryablePageError(
                f"it answers {status}", float(asked) if is_whole_number(asked) else None
            )
        hints = {
            401: Text("PROVISION_PULL_TOKEN is sent as a bearer token"),
            403: Text("may the token see it?"),
        }
        if 300 <= status < 400:
            raise InvalidInputError(
                Text("{url} answers {status}: it leads elsewhere", url=_shown(url), status=status),
                hint="give the address it leads to",
            )
        raise InvalidInputError(
            Text("{url} answers {status}", url=_shown(url), status=status), hint=hints.get(status, "")
        )

    async def _array(self, chunks: AsyncIterator[bytes], file: IO[bytes]) -> None:
        page = bytearray()
        async for chunk in chunks:
            page += chunk
            if len(page) > MAX_ARRAY:
                raise InvalidInputError(
                    Text("a page has more than {max_array:,} bytes of JSON", max_array=MAX_ARRAY),
                    hint="ask for smaller pages, or for NDJSON",
                )
        try:
            rows = msgspec.json.decode(page, type=list[msgspec.Raw])
            lines = [msgspec.json.format(bytes(row), indent=-1) for row in rows]
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise InvalidInputError(
                "a page is not a JSON array", hint='such as [{"key": "tenant-1"}]'
            ) from error
        self._check_same_format(Format.JSONL)
        file.writelines(line + b"\n" for line in lines)

    async def _lines(self, chunks: AsyncIterator[bytes], kind: str, url: str, file: IO[bytes]) -> None:
        found = _TYPES.get(kind) or _SUFFIXES.get(Path(urlsplit(url).path).suffix.lower())
        if found is None:
            raise InvalidInputError(
                Text("{url} sends {kind}, which is not read", url=_shown(url), kind=kind),
                hint="CSV, NDJSON or a JSON array",
            )
        self._check_same_format(found)
        table = found is not Format.JSONL
        head: bytes | None = b"" if table else None
        last = b""
        async for chunk in chunks:
            text = chunk
            if head is not None:
                head += chunk
                if b"\n" not in head and len(head) < MAX_HEADER:
                    continue
                text, head = self._without_header(head), None
            file.write(text)
            last = text[-1:] or last
        if head:
            text = self._without_header(head)
            file.write(text)
            last = text[-1:]
        if last not in (b"", b"\n"):
            file.write(b"\n")

    def _without_header(self, text: bytes) -> bytes:
        """The page without its header, unless it is the first page."""
        header, newline, rest = text.partition(b"\n")
        plain = header.removeprefix(b"\xef\xbb\xbf").strip()
        if self._header is None:
            self._header = plain
            return text
        if plain != self._header:
            raise InvalidInputError("the pages do not have the same columns")
        return rest if newline else b""

    def _check_same_format(self, found: Format) -> None:
        if self._format not in (None, found):
            raise InvalidInputError("the pages are not all of one kind")
        self._format = found


def _next_of(links: list[str], base: str) -> str | None:
    """The URL of the `Link` with the relation `next`, resolved against `base`; None if there is none."""
    for link in links:
        for target, parameters in _NEXT.findall(link):
            for parameter in parameters.split(";"):
                name, _, value = parameter.partition("=")
                if name.strip().lower() == "rel" and "next" in value.strip().strip('"').lower().split():
                    try:
                        return str(urljoin(base, target))
                    except ValueError:
                        raise InvalidInputError(
                            Text("{url} names a next page that is no address", url=_shown(base))
                        ) from None
    return None


def _shown(url: str) -> str:
    """A URL without its query, which may contain a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def _cause(error: BaseException) -> BaseException | None:
    """The underlying error of an aiohttp error."""
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error.__cause__
