"""Requests of the HTTP API and their answers, as values: no connection, no waiting."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

TRIES = 6
"""Times that a request is sent at most."""

CEILING = 10.0
"""Longest wait between two tries, in seconds, whatever the server asks for."""

AGAIN = frozenset([429, 502, 503, 504])
"""Answers after which the same request is sent again."""

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
class Request:
    """One request, ready to be sent, as often as it takes."""

    method: str
    path: str
    params: Mapping[str, str | int | float | bool]
    headers: Mapping[str, str]
    json: Any = None
    content: bytes | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What `httpx` takes besides method and path."""
        options: dict[str, Any] = {"params": self.params, "headers": self.headers}
        if self.content is not None:
            options["content"] = self.content
        elif self.json is not None:
            options["json"] = self.json
        return options


def request(
    method: str, path: str, *, key: str | None = None, content_type: str = "", **rest: Any
) -> Request:
    """A request; a POST gets an Idempotency-Key, its own unless `key` is given."""
    params = {name: value for name, value in rest.pop("params", {}).items() if value is not None}
    headers = {"Content-Type": content_type} if content_type else {}
    if method == "POST":
        headers["Idempotency-Key"] = key or secrets.token_hex(16)
    return Request(method, path, params, headers, **rest)


def path_of(kind: str, name: str) -> str:
    """The path of one thing; a name may have any visible character in it."""
    return f"/v1/{kind}/{quote(name, safe='')}"


def job_request(
    job: Mapping[str, Any], *, key: str | None, new_bots: bool, as_is: Sequence[str] = ()
) -> Request:
    """Hands one job over."""
    params = {"new_bots": new_bots, "as_is": list(as_is) or None}
    return request("POST", "/v1/jobs", key=key, params=params, json=dict(job))


def batch_request(
    jobs: Sequence[Mapping[str, Any]],
    *,
    name: str | None,
    key: str | None,
    credential: str | None,
    as_is: Sequence[str] = (),
) -> Request:
    """Hands jobs over."""
    body = {"jobs": [dict(job) for job in jobs], "name": name, "credential": credential}
    return request("POST", "/v1/batches", key=key, params={"as_is": list(as_is) or None}, json=body)


def file_request(
    content: bytes, content_type: str, *, key: str | None, settings: Mapping[str, Any]
) -> Request:
    """Hands the rows of a file over."""
    return request(
        "POST", "/v1/batches", key=key, params=settings, content=content, content_type=content_type
    )


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


def is_final(answer: httpx.Response) -> bool:
    """Whether the same request again would be answered no differently."""
    if answer.status_code == 409:
        return not answer.headers.get("retry-after")  # the same request is being worked on
    return answer.status_code not in AGAIN
