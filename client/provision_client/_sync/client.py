"""The client for blocking code, made of `_async/client.py` by script/make-client."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

import httpx

from provision_client.pauses import sleep
from provision_client.requests import (
    TRIES,
    Json,
    Request,
    batch_request,
    file_request,
    is_final,
    job_request,
    path_of,
    read,
    request,
    wait_before,
)


class Client:
    """
    The HTTP API of `provision serve`.

    A request that was not answered, or answered with 429, 502, 503 or 504, is sent again. That is safe: each
    carries an Idempotency-Key of its own.

    Args:
        url: base address of the server.
        token: as `provision token create` printed it.
        timeout: seconds for each step of a request.
        tries: times that a request is sent at most.
    """

    def __init__(self, url: str, token: str, *, timeout: float = 60.0, tries: int = TRIES) -> None:
        self._tries = tries
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=timeout
        )

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
        job: Mapping[str, object],
        *,
        idempotency_key: str | None = None,
        new_bots: bool = False,
        as_is: Sequence[str] = (),
    ) -> Json:
        """
        Hands one job over; when this returns it is in the ledger.

        Args:
            new_bots: whether a job without a bot id makes a new bot.
            as_is: paths whose ids are meant as they stand, such as "bot.id".
        Raises: RefusedError.
        """
        return self._send(job_request(job, key=idempotency_key, new_bots=new_bots, as_is=as_is))

    def submit_batch(
        self,
        jobs: Sequence[Mapping[str, object]],
        *,
        name: str | None = None,
        credential: str | None = None,
        idempotency_key: str | None = None,
        as_is: Sequence[str] = (),
    ) -> Json:
        """Hands jobs over; the answer has a line for every row. Raises: RefusedError."""
        return self._send(
            batch_request(jobs, name=name, key=idempotency_key, credential=credential, as_is=as_is)
        )

    def submit_file(
        self,
        content: bytes,
        content_type: str = "text/csv",
        *,
        idempotency_key: str | None = None,
        **settings: str | int | bool,
    ) -> Json:
        """Hands a CSV, NDJSON or .xlsx file over; settings are those of the route. Raises: RefusedError."""
        return self._send(file_request(content, content_type, key=idempotency_key, settings=settings))

    def batch(self, batch: str) -> Json:
        """How a batch stands, by id or name. Raises: RefusedError."""
        return self._send(request("GET", path_of("batches", batch)))

    def job(self, job: str) -> Json:
        """One job with its story. Raises: RefusedError."""
        return self._send(request("GET", path_of("jobs", job)))

    def jobs(self, batch: str, **filters: str | float) -> Iterator[Json]:
        """The jobs of a batch; filters are `state`, `reason`, `key` and `since`. Raises: RefusedError."""
        cursor = None
        while True:
            params = {**filters, "cursor": cursor}
            page = self._send(request("GET", path_of("batches", batch) + "/jobs", params=params))
            for job in page["jobs"]:
                yield job
            cursor = page["next"]
            if cursor is None:
                return

    def wait(self, batch: str, *, timeout: float = 3600.0, poll: float = 0.5) -> Json:
        """
        The batch as soon as it has settled: all jobs have ended, or wait for a person.

        Other batches that have jobs of the upload, because they were known, are waited for as well.

        Raises: TimeoutError after `timeout` seconds; RefusedError.
        """
        deadline = time.monotonic() + timeout
        found = self._settled(batch, deadline, poll)
        for other in found.get("elsewhere", {}):
            self._settled(other, deadline, poll)
        return found

    def _settled(self, batch: str, deadline: float, poll: float) -> Json:
        while not (found := self.batch(batch))["settled"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{batch} has not settled in time")
            sleep(poll)
        return found

    def _send(self, wanted: Request) -> Json:
        attempt = 0
        while True:
            attempt += 1
            answer: httpx.Response | None = None
            try:
                answer = self._http.request(wanted.method, wanted.path, **wanted.options)
                if is_final(answer) or attempt >= self._tries:
                    return read(answer)
            except httpx.TransportError:
                if attempt >= self._tries:
                    raise
            sleep(wait_before(attempt, answer))
