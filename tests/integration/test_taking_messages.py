"""Whatever breaks between taking a message and noting it, the message survives: on a real Redis."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py
from pydantic import SecretStr
from redis import Redis

from provisioning.broker import redis_transport
from provisioning.broker.queue import Notifier, Waiting, make_app
from provisioning.config.settings import Settings
from provisioning.messages import QUEUE


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Any]:
    with Redis.from_url(valkey_url, decode_responses=True) as redis:
        redis.flushall()
        yield redis


@pytest.fixture
def connection(redis: Any, valkey_url: str) -> Iterator[Any]:
    """A consumer's connection; what it was given is in `connection.given`."""
    app = make_app(Settings(redis_url=SecretStr(valkey_url)))
    with app.connection_for_read() as connection:
        consumer = connection.Consumer([app.amqp.queues[QUEUE]], on_message=lambda it: given.append(it))
        given: list[Any] = []
        connection.given, connection.consuming = given, consumer.channel
        consumer.consume()
        yield connection


def notify(valkey_url: str, *batches: str) -> None:
    notifier = Notifier(make_app(Settings(redis_url=SecretStr(valkey_url))))
    for batch in batches:
        notifier.notify(batch)


def batches(messages: list[Any]) -> list[str]:
    return [message.payload[1]["batch"] for message in messages]


def noted(redis: Any) -> set[str]:
    """Batches in the notes; each note is in the index too."""
    notes = redis.hgetall("unacked")
    assert set(notes) == set(redis.zrange("unacked_index", 0, -1))
    return {json.loads(note)[0]["headers"]["id"] for note in notes.values()}


def test_messages_come_in_turn_and_are_noted_until_they_are_acknowledged(
    connection: Any, redis: Any, valkey_url: str
) -> None:
    notify(valkey_url, "b1", "b2")
    for _ in range(2):
        connection.drain_events(timeout=5)
    assert batches(connection.given) == ["b1", "b2"]
    assert len(noted(redis)) == 2
    waiting = Waiting(make_app(Settings(redis_url=SecretStr(valkey_url))))
    assert (waiting.count(), waiting.taken()) == (0, 2)
    waiting.close()
    for message in connection.given:
        message.ack()
    assert not redis.exists("unacked", "unacked_index", QUEUE)


@pytest.mark.parametrize("lost", range(6))
def test_a_reply_that_is_lost_loses_no_message(
    connection: Any, redis: Any, valkey_url: str, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """The n-th reply of Redis never comes: the connection is gone when its command has been carried out."""
    notify(valkey_url, "b1")
    read, replies = redis_transport.Tcp.read_response, iter(range(100))

    def cut(self: Any, *args: Any, **kwargs: Any) -> Any:
        reply = read(self, *args, **kwargs)
        if next(replies) == lost:
            raise redis_py.ConnectionError("cut")
        return reply

    monkeypatch.setattr(redis_transport.Tcp, "read_response", cut)
    with contextlib.suppress(connection.connection_errors):
        connection.drain_events(timeout=2)
    assert redis.llen(QUEUE) + redis.hlen("unacked") == 1


def test_what_a_dead_worker_held_is_handed_out_again_and_what_a_living_one_holds_is_not(
    connection: Any, redis: Any, valkey_url: str
) -> None:
    notify(valkey_url, "b1")
    connection.drain_events(timeout=5)
    [tag] = redis.zrange("unacked_index", 0, -1)
    channel = connection.consuming
    long_ago = time.time() - redis_transport.VISIBILITY_TIMEOUT - 1
    redis.zadd("unacked_index", {tag: long_ago})
    channel.qos.restore_visible()
    assert (redis.llen(QUEUE), redis.zscore("unacked_index", tag) > long_ago) == (0, True)
    channel.qos._delivered.clear()  # as it is when its worker is dead
    redis.zadd("unacked_index", {tag: long_ago})
    channel.qos.restore_visible()
    assert (redis.llen(QUEUE), redis.exists("unacked", "unacked_index")) == (1, 0)
    connection.drain_events(timeout=5)
    assert batches(connection.given) == ["b1", "b1"]


def test_notes_of_kombus_own_workers_are_put_back_too(connection: Any, redis: Any, valkey_url: str) -> None:
    """Workers of the version before may have died with messages in hand."""
    notify(valkey_url, "b1", "b2")
    for number, tag in enumerate(("t1", "t2")):
        message = json.loads(redis.rpop(QUEUE))
        exchange = ("", "celery")[number]
        redis.hset("unacked", tag, json.dumps([message, exchange, "celery"]))
        redis.zadd("unacked_index", {tag: 1.0})
    redis.hset("unacked", "t3", "no note")
    redis.zadd("unacked_index", {"t3": 1.0, "t4": 1.0})
    connection.consuming.qos.restore_visible()
    for _ in range(3):
        connection.drain_events(timeout=5)
    readable = [each for each in connection.given if each.content_type != redis_transport.UNREADABLE]
    assert set(batches(readable)) == {"b1", "b2"}
    assert [each.body for each in connection.given if each not in readable] == [b"no note"]


def test_two_messages_of_one_tag_are_both_kept(connection: Any, redis: Any, valkey_url: str) -> None:
    notify(valkey_url, "b1")
    message = redis.lindex(QUEUE, 0)
    redis.lpush(QUEUE, message)
    for _ in range(2):
        connection.drain_events(timeout=5)
    assert redis.hlen("unacked") == 2


def test_a_message_of_another_priority_comes_too(connection: Any, redis: Any, valkey_url: str) -> None:
    notify(valkey_url, "b1")
    redis.lmove(QUEUE, QUEUE + "\x06\x169", "LEFT", "LEFT")
    connection.drain_events(timeout=5)
    assert batches(connection.given) == ["b1"]
    connection.given[0].requeue()
    assert redis.llen(QUEUE) == 1


def test_a_message_that_was_taken_twice_under_one_tag_is_the_same(redis: Any) -> None:
    redis.lpush(QUEUE, "first", "second")
    taken = [
        redis.eval(redis_transport.TAKE, 3, "unacked_index", "unacked", QUEUE, "tag", QUEUE) for _ in range(2)
    ]
    assert taken == [[QUEUE, "first"], [QUEUE, "first"]]
    assert redis.lrange(QUEUE, 0, -1) == ["second"]
