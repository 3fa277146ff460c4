"""
Notifications: Celery messages with the id of a batch that has work, and nothing else.

| field | type | meaning                                  |
| ----- | ---- | ---------------------------------------- |
| v     | int  | version of the message; this is 1         |
| batch | str  | id of the batch to look at in the ledger  |

A lost message costs a second of delay, a duplicate nothing: the ledger decides. Producers and workers create
their Celery app here, so that their message formats are equal; tasks are named, never imported.

The broker is the ledger's Redis, another Redis, or RabbitMQ, where the queue is a quorum queue: a majority of
the nodes stores it, and every client that declares it must declare that type (`task_default_queue_type`).
"""

from __future__ import annotations

from typing import Any

from amqp.exceptions import PreconditionFailed
from celery import Celery
from kombu.exceptions import OperationalError

from provisioning.broker import redis_transport, sentinel_transport
from provisioning.broker.own_celery import own_celery
from provisioning.broker.redis_rights import rights
from provisioning.config import addresses
from provisioning.config.sentinel_address import SentinelAddress
from provisioning.config.settings import Settings
from provisioning.errors import ConfigurationError, LedgerUnavailableError
from provisioning.messages import DRAIN, QUEUE, UNACKNOWLEDGED, VERSION
from provisioning.text import Text

NOTIFY_TIMEOUT = 5.0
"""Seconds for RabbitMQ to accept a notification and to confirm that a majority of its nodes has it."""

COUNT_TIMEOUT = 2.0
"""Seconds for a broker to accept a connection, and to count the waiting messages."""

ONCE_MORE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
"""RabbitMQ closes connections that are idle for minutes: the second attempt uses a new one."""


def make_app(settings: Settings) -> Celery:
    """
    A Celery app with our settings: JSON only, no results, no prefetch beyond the slots.

    Raises: ConfigurationError if neither a broker nor a Redis is set.
    """
    if settings.broker is None:
        raise ConfigurationError(
            "no broker: PROVISION_REDIS_URL is not set",
            hint="set it to a Redis that all workers share, e.g. redis://127.0.0.1:6379/0",
        )
    broker, tls = settings.broker, None
    if addresses.is_of_redis(broker):
        broker, tls = addresses.parse(broker).for_celery()
    redis_transport.install()
    sentinel_transport.install()
    app = own_celery("provision", broker)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_soft_shutdown_on_idle=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_use_ssl=tls or False,
        broker_transport_options=_transport_options(settings.broker),
        task_default_delivery_mode="persistent",
        event_queue_expires=60,
        task_default_queue_type="quorum" if on_rabbitmq(settings.broker) else "classic",
    )
    return app


def on_rabbitmq(broker: str | None) -> bool:
    """Whether the address of a broker is that of a RabbitMQ."""
    return broker is not None and broker.startswith("amqp")


def _transport_options(broker: str) -> dict[str, object]:
    if on_rabbitmq(broker):
        # A message counts as sent once a majority of the nodes has it on disk.
        return {"confirm_publish": True}
    address = addresses.parse(broker)
    return {
        **(sentinel_transport.options(address) if isinstance(address, SentinelAddress) else {}),
        "visibility_timeout": redis_transport.VISIBILITY_TIMEOUT,
        "unacked_restore_interval": redis_transport.RENEWED_EVERY,
        "unacked_restore_throttle": 1,
        "socket_keepalive": True,
        "socket_connect_timeout": 5,
        "socket_timeout": 8,  # Celery's loop is blocked meanwhile: well below the watchdog's limit
        "health_check_interval": 15,
    }


def check_queue(app: Celery) -> None:
    """
    Declares the queue on RabbitMQ, as every consumer does, or tests the rights that Celery needs on Redis.
    Celery waits while the broker is unavailable.

    Raises: ConfigurationError if there is a queue of that name and of another type, or a right is missing.
    """
    if not on_rabbitmq(app.conf.broker_url):
        check_rights(app)
        return
    connection = _hasty_connection(app)
    try:
        app.amqp.queues[QUEUE](connection.default_channel).declare()
    except PreconditionFailed as error:
        raise ConfigurationError(
            Text(
                "the queue {queue!r} on RabbitMQ is of another kind than ours ({reply_text})",
                queue=QUEUE,
                reply_text=error.reply_text,
            ),
            hint="delete it when it is empty, and set task_default_queue_type='quorum' in the service that"
            " declares it: docs/how-to/several-hosts.md",
        ) from error
    except (OperationalError, *connection.connection_errors):
        return
    finally:
        connection.collect(socket_timeout=COUNT_TIMEOUT)


def check_rights(app: Celery) -> bool:
    """
    Tests the rights that Celery needs on Redis. Returns: whether Redis could be reached.

    Raises: ConfigurationError if this user of Redis lacks one, with the ACL rules that suffice.
    """
    connection = _hasty_connection(app)
    try:
        client = connection.default_channel.client
        kept = client.connection_pool.connection_kwargs
        database, user = int(kept.get("db") or 0), kept.get("username") or "default"
        missing = redis_transport.missing_rights(client, database, QUEUE)
    except (OperationalError, *connection.connection_errors):
        return False
    finally:
        connection.collect(socket_timeout=COUNT_TIMEOUT)
    if missing:
        raise ConfigurationError(
            Text(
                "the user {user!r} of Redis may not do what Celery needs: {missing}",
                user=user,
                missing=", ".join(missing),
            ),
            hint=Text("ACL SETUSER {user} {rights}", user=user, rights=rights(database)),
        )
    return True


def _hasty_connection(app: Celery) -> Any:
    """A separate connection that times out after `COUNT_TIMEOUT` s without a reply."""
    options: dict[str, object] = {"socket_connect_timeout": COUNT_TIMEOUT, "socket_timeout": COUNT_TIMEOUT}
    if on_rabbitmq(app.conf.broker_url):
        options = {"read_timeout": COUNT_TIMEOUT, "write_timeout": COUNT_TIMEOUT}
    return app.connection_for_read(transport_options=options, connect_timeout=COUNT_TIMEOUT)


class Notifier:
    """Notifies workers. Blocking, a fraction of a millisecond per call; do not call it on an event loop."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._options: dict[str, Any] = {"retry": False}
        if on_rabbitmq(app.conf.broker_url):
            self._options = {
                "retry": True,
                "retry_policy": ONCE_MORE,
                "timeout": NOTIFY_TIMEOUT,
                "confirm_timeout": NOTIFY_TIMEOUT,
            }

    def notify(self, batch: str) -> None:
        """
        Notifies workers that a batch has work.

        Raises: LedgerUnavailableError if the broker cannot be reached. The jobs are still safe in the ledger:
            every worker also checks for active batches by itself.
        """
        self.send(DRAIN, kwargs={"v": VERSION, "batch": batch})

    def send(self, task: str, **message: Any) -> None:
        """
        Sends any message; RabbitMQ has confirmed it when this returns.

        Raises: LedgerUnavailableError if the broker cannot be reached.
        """
        try:
            self._app.send_task(task, **message, **self._options)
        except Exception as error:  # kombu's transports each raise their own
            raise LedgerUnavailableError(
                Text(
                    "the broker cannot be reached ({name}: {error})", name=type(error).__name__, error=error
                ),
                hint="check PROVISION_BROKER_URL, or PROVISION_REDIS_URL where that is not set",
            ) from error


class Waiting:
    """
    Counts the messages that wait for workers, on the broker itself. Blocking, and for one thread.

    If the broker is the ledger's Redis, the length of a list is the same number and cheaper to read.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Any = None

    def count(self) -> int:
        """
        Messages that no worker has received.

        Raises: LedgerUnavailableError if the broker cannot be reached or does not answer.
        """
        try:
            if self._connection is None:
                self._connection = _hasty_connection(self._app)
            channel = self._connection.default_channel
            return int(channel.queue_declare(QUEUE, passive=True).message_count)
        except Exception as error:
            missing = self._connection is not None and isinstance(error, self._connection.channel_errors)
            self.close()
            if missing:
                return 0  # not declared yet; on Redis an empty queue does not exist
            raise LedgerUnavailableError(
                Text("the broker cannot be reached ({name}: {error})", name=type(error).__name__, error=error)
            ) from error

    def taken(self) -> int | None:
        """
        Messages that workers have received and not acknowledged, those of a dead one for a minute; None on
        RabbitMQ, which does not show this number to clients.

        Raises: LedgerUnavailableError if the broker cannot be reached or does not answer.
        """
        if on_rabbitmq(self._app.conf.broker_url):
            return None
        try:
            if self._connection is None:
                self._connection = _hasty_connection(self._app)
            return int(self._connection.default_channel.client.hlen(UNACKNOWLEDGED))
        except Exception as error:
            self.close()
            raise LedgerUnavailableError(
                Text("the broker cannot be reached ({name}: {error})", name=type(error).__name__, error=error)
            ) from error

    def close(self) -> None:
        """Closes the connection; the next count opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect(socket_timeout=1)
