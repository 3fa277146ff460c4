"""What cannot be understood on the broker is kept with its reason, acknowledged, and stops no worker."""

from __future__ import annotations

import base64
import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from tests.support.commands import Desk, running_worker, until
from tests.support.http_server import job

NUMBERS = itertools.count()


def envelope(body: object, **changed: Any) -> bytes:
    """A message as kombu puts it on Redis; `changed` replaces fields of it, or headers by `headers`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    message: dict[str, Any] = {
        "body": base64.b64encode(raw).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "provision.submit", "id": f"m{next(NUMBERS)}", "retries": 0},
        "properties": {
            "correlation_id": "m1",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "tag",
        },
    }
    message["headers"] |= changed.pop("headers", {})
    return json.dumps(message | changed).encode()


def good(key: str) -> bytes:
    """A message that makes one widget."""
    return envelope([[], {"jobs": [job(key)], "batch": "good"}, {}], headers={"id": key})


UNREADABLE: dict[str, bytes] = {
    "an object as the body": envelope({"a": 1}),
    "two members": envelope([[], {}]),
    "a number": envelope(5),
    "kwargs that are a list": envelope([[], [1], {}]),
    "args that are a number": envelope([7, {}, {}]),
    "an embed that is a number": envelope([[], {"jobs": [job("x")]}, 7]),
    "no JSON in the body": envelope(b"\xff\xfe{"),
    "a deep body": envelope(b"[" * 100_000),
    "a number of many digits": envelope(b"9" * 10_000),
    "pickle": envelope(b"\x80\x04N.", **{"content-type": "application/x-python-serialize"}),
    "yaml": envelope(b"a: 1", **{"content-type": "application/x-yaml"}),
    "a content type that is a list": envelope([[], {}, {}], **{"content-type": ["application/json"]}),
    "an encoding that nobody knows": envelope([[], {}, {}], **{"content-encoding": "klingon"}),
    "a misspelt task": envelope([[], {}, {}], headers={"task": "provision.sumbit"}),
    "a task of Celery's own": envelope([[], {"x": 1}, {}], headers={"task": "celery.map"}),
    "a task that is a list": envelope([[], {}, {}], headers={"task": ["provision.submit"]}),
    "an id that is a number": envelope([[], {}, {}], headers={"id": 5}),
    "an id that is an object": envelope([[], {}, {}], headers={"id": {}}),
    "an ETA that is none": envelope([[], {"jobs": [job("x")]}, {}], headers={"eta": "soon"}),
    "expired": envelope([[], {"jobs": [job("x")]}, {}], headers={"expires": "2020-01-01T00:00:00+00:00"}),
    "an expiry that is none": envelope([[], {"jobs": [job("x")]}, {}], headers={"expires": {"a": 1}}),
    "a time limit that is none": envelope([[], {}, {}], headers={"timelimit": 5}),
    "an unknown compression": envelope([[], {}, {}], headers={"compression": "none-such"}),
    "headers that are a list": envelope([[], {}, {}])
    .replace(b'"headers": {', b'"h": {', 1)
    .replace(b'"properties"', b'"headers": [1], "properties"', 1),
    "no properties": json.dumps({"body": "", "headers": {}}).encode(),
    "properties that are a number": json.dumps({"body": "", "properties": 5}).encode(),
    "a body that is no base64": envelope([[], {}, {}]).replace(b'"body": "', b'"body": "=', 1),
    "a body encoding that nobody knows": envelope([[], {}, {}]).replace(
        b'"body_encoding": "base64"', b'"body_encoding": "rot13"', 1
    ),
    "no envelope": b"hello",
    "an empty entry": b"",
    "bytes": bytes(range(256)),
    "a list for an envelope": b"[1,2]",
    "null": b"null",
    "a ring of a later version": envelope(
        [[], {"v": 99, "batch": "b1"}, {}], headers={"task": "provision.drain"}
    ),
    "a ring for a number": envelope([[], {"v": 1, "batch": 5}, {}], headers={"task": "provision.drain"}),
    "a ring with arguments": envelope([[1, 2, 3], {}, {}], headers={"task": "provision.drain"}),
    "protocol 1 without a task": envelope({"id": "x", "args": []}, headers={"task": None}),
}
"""Messages of all kinds that no worker can carry out, by what is wrong with them."""


def noise(draw: random.Random) -> bytes:
    """Arbitrary bytes, and readable messages with some of theirs changed."""
    if draw.random() < 0.5:
        return draw.randbytes(draw.randrange(40))
    message = bytearray(draw.choice(sorted(UNREADABLE.values(), key=len)[1:-2]))
    for _ in range(draw.randrange(1, 4)):
        message[draw.randrange(len(message))] = draw.randrange(256)
    return bytes(message)


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Any]:
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
        yield redis


def refused(redis: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in redis.lrange("pv:intake:dead", 0, -1)]


def nothing_is_left(redis: Any) -> bool:
    return not redis.exists("celery", "unacked", "unacked_index")


def succeeded(desk: Desk, url: str, count: int) -> bool:
    shown = desk.run("status", "good", "--json", REDIS_URL=url)
    return shown.code == 0 and shown.last["states"]["succeeded"] == count


def test_whatever_cannot_be_understood_is_kept_with_its_reason_and_the_worker_goes_on(
    desk: Desk, redis: Any, valkey_url: str
) -> None:
    with running_worker(desk, valkey_url) as worker:
        for number, message in enumerate(UNREADABLE.values()):
            redis.lpush("celery", message)
            redis.lpush("celery", good(f"g{number}"))
        until(lambda: nothing_is_left(redis), "each message is acknowledged")
        until(lambda: succeeded(desk, valkey_url, len(UNREADABLE)), "the good ones are done")
        assert worker.process.poll() is None
    kept = refused(redis)
    reasons = [each["reason"] for each in kept]
    assert all(reasons)
    assert len(kept) == len(UNREADABLE)
    assert "the body is a list of 2 and not [args, kwargs, embed]" in reasons
    assert "no task is named 'provision.sumbit'; did you mean provision.submit?" in reasons
    assert "its content type is 'application/x-python-serialize': only JSON is read" in reasons
    assert "it expired at 2020-01-01T00:00:00+00:00, before a worker took it" in reasons


def test_no_bytes_stop_a_worker(desk: Desk, redis: Any, valkey_url: str) -> None:
    draw = random.Random(0)
    with running_worker(desk, valkey_url) as worker:
        for _ in range(900):
            redis.lpush("celery", noise(draw))
        redis.lpush("celery", good("last"))
        for channel in ("/0.celery.pidbox", "/0.celeryev"):
            for _ in range(150):
                redis.publish(channel, noise(draw))
        until(lambda: nothing_is_left(redis), "each message is acknowledged")
        until(lambda: succeeded(desk, valkey_url, 1), "the good one is done")
        assert worker.process.poll() is None
        assert "Unrecoverable" not in worker.said
