"""
A client for services: hand widgets to be created over, and see what became of them.

    with Client("https://provision.internal", token) as client:
        taken = client.submit_job({"key": "tenant-42", "bot": {"id": "100200342"}})
        client.job(taken["job"])["state"]

`AsyncClient` is the same with `await`. Both say a request again that was not answered, or answered with 429
or 503; that is safe, for each carries an Idempotency-Key of its own. `send_message` is the other door, for
services that share the broker. It is all plain JSON: whoever speaks another language writes it in an hour.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from celery import Celery

TASK = "provision.submit"
"""Name of the task of the Celery door."""

TRIES = 6
"""Times that a request is said at most."""

CEILING = 10.0
"""Longest wait between two tries, in seconds, whatever the server asks for."""

_AGAIN = frozenset([429, 502, 503, 504])

Json = dict[str, Any]


class RefusedError(Exception):
    """
    The server said no.

    Attributes:
        status: of the answer.
        kind: last part of the problem's type, such as `bad-rows`; empty if it was no problem of ours.
        problem: the whole answer.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title') or 'refused'}")
        self.status = status
        self.kind = str(problem.get("type", "")).rpartition(":")[2]
        self.problem = dict(problem)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to be sent, as often as it takes."""

    method: str
    path: str
    params: Mapping[str, str | int | float | bool]
    headers: Mapping[str, str]
    json: Any = None
    content: bytes | None = None

    def send_with(self, client: httpx.Client) -> httpx.Response:
        return client.request(
            self.method, self.path, params=self.params, headers=self.headers, **self._body()
        )

    async def send_with_async(self, client: httpx.AsyncClient) -> httpx.Response:
        return await client.request(
            self.method, self.path, params=self.params, headers=self.headers, **self._body()
        )

    def _body(self) -> dict[str, Any]:
        if self.content is not None:
            return {"content": self.content}
        return {} if self.json is None else {"json": self.json}


def _call(method: str, path: str, *, key: str | None = None, content_type: str = "", **rest: Any) -> Call:
    params = {name: value for name, value in rest.pop("params", {}).items() if value is not None}
    headers = {"Content-Type": content_type} if content_type else {}
    if method == "POST":
        headers["Idempotency-Key"] = key or secrets.token_hex(16)
    return Call(method, path, params, headers, **rest)


def _of(kind: str, name: str) -> str:
    """The path of one thing; a name may have any visible character in it."""
    return f"/v1/{kind}/{quote(name, safe='')}"


def job_call(job: Mapping[str, Any], *, key: str | None, new_bots: bool, as_is: Sequence[str] = ()) -> Call:
    """Hands one job over."""
    params = {"new_bots": new_bots, "as_is": list(as_is) or None}
    return _call("POST", "/v1/jobs", key=key, params=params, json=dict(job))


def batch_call(
    jobs: Sequence[Mapping[str, Any]],
    *,
    name: str | None,
    key: str | None,
    credential: str | None,
    as_is: Sequence[str] = (),
) -> Call:
    """Hands jobs over."""
    body = {"jobs": [dict(job) for job in jobs], "name": name, "credential": credential}
    return _call("POST", "/v1/batches", key=key, params={"as_is": list(as_is) or None}, json=body)


def file_call(content: bytes, content_type: str, *, key: str | None, settings: Mapping[str, Any]) -> Call:
    """Hands the rows of a file over."""
    return _call("POST", "/v1/batches", key=key, params=settings, content=content, content_type=content_type)


def wait_before(attempt: int, answer: httpx.Response | None) -> float:
    """Seconds to wait after an attempt, the first being 1: as asked, else 0.2, 0.4, … with jitter."""
    asked = answer.headers.get("retry-after", "") if answer is not None else ""
    if asked.isascii() and asked.isdigit():
        return min(float(asked), CEILING)
    ceiling = min(0.2 * 2.0 ** (attempt - 1), CEILING)
    return random.uniform(0.5, 1.0) * ceiling  # noqa: S311 - to spread, not to hide


def read(answer: httpx.Response) -> Json:
    """The JSON of an answer. Raises: RefusedError."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    if answer.is_success:
        return body
    raise RefusedError(answer.status_code, body)


def _is_final(answer: httpx.Response) -> bool:
    if answer.status_code == 409:
        return not answer.headers.get("retry-after")  # the same request is being worked on
    return answer.status_code not in _AGAIN


class Client:
    """The HTTP door, for code that may wait. Arguments as of `AsyncClient`."""

    def __init__(self, url: str, token: str, *, timeout: float = 60.0, tries: int = TRIES) -> None:
        self._tries = tries
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def submit_job(
        self,
        job: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        new_bots: bool = False,
        as_is: Sequence[str] = (),
    ) -> Json:
        """
        Hands one job over; when this returns it is in the ledger. Raises: RefusedError.

        Args:
            new_bots: whether a job without a bot id makes a new bot.
            as_is: paths whose ids are meant as they stand, such as "bot.id".
        """
        return self._do(job_call(job, key=idempotency_key, new_bots=new_bots, as_is=as_is))

    def submit_batch(
        self,
        jobs: Sequence[Mapping[str, Any]],
        *,
        name: str | None = None,
        credential: str | None = None,
        idempotency_key: str | None = None,
        as_is: Sequence[str] = (),
    ) -> Json:
        """Hands jobs over; the answer tells of every row. Raises: RefusedError."""
        return self._do(batch_call(jobs, name=name, key=idempotency_key, credential=credential, as_is=as_is))

    def submit_file(
        self,
        content: bytes,
        content_type: str = "text/csv",
        *,
        idempotency_key: str | None = None,
        **settings: str | int | bool,
    ) -> Json:
        """Hands a CSV or NDJSON file over; settings are those of the route. Raises: RefusedError."""
        return self._do(file_call(content, content_type, key=idempotency_key, settings=settings))

    def batch(self, batch: str) -> Json:
        """How a batch stands, by id or name. Raises: RefusedError."""
        return self._do(_call("GET", _of("batches", batch)))

    def job(self, job: str) -> Json:
        """One job with its story. Raises: RefusedError."""
        return self._do(_call("GET", _of("jobs", job)))

    def jobs(self, batch: str, **filters: str | float) -> Iterator[Json]:
        """The jobs of a batch; filters are `state`, `reason`, `key` and `since`. Raises: RefusedError."""
        cursor = None
        while True:
            page = self._do(
                _call("GET", _of("batches", batch) + "/jobs", params={**filters, "cursor": cursor})
            )
            yield from page["jobs"]
            cursor = page["next"]
            if cursor is None:
                return

    def wait(self, batch: str, *, timeout: float = 3600.0, poll: float = 0.5) -> Json:
        """
        The batch as soon as it has settled: all jobs have ended, or wait for a person.

        Raises: TimeoutError after `timeout` seconds; RefusedError.
        """
        deadline = time.monotonic() + timeout
        while not (found := self.batch(batch))["settled"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{batch} has not settled in {timeout:g} s")
            time.sleep(poll)
        return found

    def _do(self, call: Call) -> Json:
        attempt = 0
        while True:
            attempt += 1
            answer: httpx.Response | None = None
            try:
                answer = call.send_with(self._http)
                if _is_final(answer) or attempt >= self._tries:
                    return read(answer)
            except httpx.TransportError:
                if attempt >= self._tries:
                    raise
            time.sleep(wait_before(attempt, answer))


class AsyncClient:
    """
    The HTTP door, for asyncio.

    Args:
        url: base address of `provision serve`.
        token: as `provision token create` printed it.
        timeout: seconds for each step of a request.
        tries: times that a request is said at most.
    """

    def __init__(self, url: str, token: str, *, timeout: float = 60.0, tries: int = TRIES) -> None:
        self._tries = tries
        self._http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=timeout
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def submit_job(
        self,
        job: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        new_bots: bool = False,
        as_is: Sequence[str] = (),
    ) -> Json:
        """As `Client.submit_job`."""
        return await self._do(job_call(job, key=idempotency_key, new_bots=new_bots, as_is=as_is))

    async def submit_batch(
        self,
        jobs: Sequence[Mapping[str, Any]],
        *,
        name: str | None = None,
        credential: str | None = None,
        idempotency_key: str | None = None,
        as_is: Sequence[str] = (),
    ) -> Json:
        """As `Client.submit_batch`."""
        return await self._do(
            batch_call(jobs, name=name, key=idempotency_key, credential=credential, as_is=as_is)
        )

    async def submit_file(
        self,
        content: bytes,
        content_type: str = "text/csv",
        *,
        idempotency_key: str | None = None,
        **settings: str | int | bool,
    ) -> Json:
        """As `Client.submit_file`."""
        return await self._do(file_call(content, content_type, key=idempotency_key, settings=settings))

    async def batch(self, batch: str) -> Json:
        """As `Client.batch`."""
        return await self._do(_call("GET", _of("batches", batch)))

    async def job(self, job: str) -> Json:
        """As `Client.job`."""
        return await self._do(_call("GET", _of("jobs", job)))

    async def jobs(self, batch: str, **filters: str | float) -> AsyncIterator[Json]:
        """As `Client.jobs`."""
        cursor = None
        while True:
            params = {**filters, "cursor": cursor}
            page = await self._do(_call("GET", _of("batches", batch) + "/jobs", params=params))
            for job in page["jobs"]:
                yield job
            cursor = page["next"]
            if cursor is None:
                return

    async def wait(self, batch: str, *, timeout: float = 3600.0, poll: float = 0.5) -> Json:
        """As `Client.wait`."""
        async with asyncio.timeout(timeout):
            # What is waited for is on another host: there is no event to wait for here.
            while not (found := await self.batch(batch))["settled"]:  # noqa: ASYNC110
                await asyncio.sleep(poll)
        return found

    async def _do(self, call: Call) -> Json:
        attempt = 0
        while True:
            attempt += 1
            answer: httpx.Response | None = None
            try:
                answer = await call.send_with_async(self._http)
                if _is_final(answer) or attempt >= self._tries:
                    return read(answer)
            except httpx.TransportError:
                if attempt >= self._tries:
                    raise
            await asyncio.sleep(wait_before(attempt, answer))


def send_message(
    app: Celery,
    jobs: Sequence[Mapping[str, Any]],
    *,
    batch: str | None = None,
    idempotency_key: str | None = None,
    new_bots: bool = False,
    as_is: Sequence[str] = (),
) -> None:
    """
    Hands jobs over through the broker, from any Celery app that knows it.

    Args:
        new_bots: whether a job without a bot id makes a new bot.
        as_is: paths whose ids are meant as they stand, such as "bot.id".

    The broker has them when this returns; a worker brings them into the ledger. What it refuses is listed by
    `provision refused-messages`.
    """
    message: dict[str, Any] = {
        "jobs": [dict(job) for job in jobs],
        "batch": batch,
        "idempotency_key": idempotency_key or secrets.token_hex(16),
        "new_bots": new_bots,
    }
    if as_is:  # workers of an older version do not know it
        message["as_is"] = list(as_is)
    app.send_task(TASK, kwargs=message, ignore_result=True)
