"""What becomes of a ring whose connection is gone before it was acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from provisioning.broker.queue import Notifier, make_app
from provisioning.config.settings import Settings
from provisioning.messages import QUEUE


@pytest.fixture
def channel(valkey_url: str) -> Iterator[Any]:
    """A channel of our dialect, with a ring in the queue."""
    app = make_app(Settings(redis_url=SecretStr(valkey_url)))
    Notifier(app).notify("b1")
    with app.connection_for_read() as connection:
        yield connection.channel()


def test_a_ring_is_acknowledged_through_a_closed_channel_without_ending_the_worker(channel: Any) -> None:
    notify = channel.basic_get(QUEUE)
    channel.close()
    channel._disconnect_pools()
    channel.qos.ack(notify.delivery_tag)


def test_unacknowledged_rings_are_let_go_when_the_connection_is_gone(channel: Any) -> None:
    channel.basic_get(QUEUE)
    channel.connection.client = None  # so Celery leaves it when it gives a broken connection up
    channel._disconnect_pools()
    channel.qos.restore_unacked_once()
