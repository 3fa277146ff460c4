"""Flower as a process, and what a browser or a script gets to see of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

from redis import Redis

from tests.support.commands import Desk, Running, until
from tests.support.sandbox_process import Reply, basic

AUTH = ("ana", "s3cret-of-flower")
TASK = "provision.create_widget"

PAGES = (
    "/",
    "/workers?json=1",
    "/workers?refresh=1",
    "/tasks",
    "/tasks/datatable?draw=1&start=0&length=1000&order[0][column]=0&columns[0][data]=name",
    "/broker",
    "/api/workers",
    "/api/workers?refresh=1",
    "/api/workers?status=1",
    "/api/tasks",
    "/api/task/types",
    "/api/queues/length",
    "/metrics",
)
"""Every page and answer of Flower's that is about no single worker or task."""

ABOUT_TASK = ("/task/{}", "/api/task/info/{}", "/api/task/result/{}")
ABOUT_WORKER = ("/worker/{}", "/api/workers?workername={}")

CONTROLS = (
    "/api/worker/shutdown/{worker}",
    "/api/worker/pool/restart/{worker}",
    "/api/worker/pool/grow/{worker}?n=2",
    "/api/worker/pool/shrink/{worker}?n=2",
    "/api/worker/pool/autoscale/{worker}?min=1&max=9",
    "/api/worker/queue/add-consumer/{worker}?queue=other",
    "/api/worker/queue/cancel-consumer/{worker}?queue=celery",
    "/api/task/apply/provision.drain",
    "/api/task/async-apply/provision.drain",
    "/api/task/send-task/provision.submit",
    "/api/task/abort/b1.1",
    "/api/task/revoke/b1.1?terminate=true",
    "/api/task/timeout/provision.drain?workername={worker}&soft=1",
    "/api/task/rate-limit/provision.drain?workername={worker}&ratelimit=1",
)
"""Everything of Flower's that changes something."""


class FlowerSite:
    """A running Flower."""

    def __init__(self, running: Running, url: str) -> None:
        self.running = running
        self.url = url

    def ask(self, path: str, method: str = "GET", auth: tuple[str, str] | None = AUTH) -> Reply:
        """One request; `auth` is user and password, or None to come without."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            headers = {"Authorization": basic(*auth)} if auth else {}
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def tasks(self, name: str = TASK) -> dict[str, dict[str, Any]]:
        """The tasks of that name by their id, as the API has them."""
        reply = self.ask("/api/tasks")
        assert reply.status == 200, reply.body
        return {uuid: task for uuid, task in reply.json().items() if task["name"] == name}

    def worker(self) -> str:
        """The name of the one worker that it knows, once it has inspected it."""
        known: dict[str, Any] = {}

        def inspected() -> bool:
            known.update(self.ask("/api/workers?refresh=1").json())
            return any("stats" in facts for facts in known.values())

        until(inspected, "Flower knows the worker")
        [name] = known
        return name

    def everything(self) -> bytes:
        """Every page and answer, about all and about each worker and task that it knows."""
        workers = [quote(name) for name in self.ask("/api/workers?refresh=1").json()]
        tasks = self.ask("/api/tasks").json()
        paths = [*PAGES, "/no/such/page", "/task/none", "/worker/none"]
        paths += [path.format(worker) for worker in workers for path in ABOUT_WORKER]
        paths += [path.format(task) for task in tasks for path in ABOUT_TASK]
        return b"\n".join(self.ask(path).body for path in paths)


def _embedded(desk: Desk) -> str:
    server = json.loads((desk.folder / ".provision" / "valkey.json").read_text())
    return f"unix://{server['socket']}"


@contextmanager
def running_flower(desk: Desk, redis_url: str | None, *options: str, **settings: str) -> Iterator[FlowerSite]:
    """
    A Flower that hears the events of this Redis, ended in good order when the block ends.

    Args:
        redis_url: None for the embedded Valkey.
    """
    where = {"REDIS_URL": redis_url} if redis_url else {}
    running = desk.start(
        "flower", "--port", "0", *options, **{"FLOWER_AUTH": ":".join(AUTH), **where, **settings}
    )
    until(lambda: "\n" in running.said or running.process.poll() is not None, "Flower is up")
    found = re.search(r"at (http://\S+)", running.said)
    assert found, running.said
    with Redis.from_url(redis_url or _embedded(desk)) as redis:
        until(lambda: redis.pubsub_numpat() > 0, "Flower listens")
    try:
        yield FlowerSite(running, found[1])
    finally:
        if running.process.poll() is None:
            ended = running.end(15)
            assert ended.code == 0, ended.err
