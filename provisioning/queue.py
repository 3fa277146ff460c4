"""
The doorbell: Celery messages that say "there is work in batch B" and nothing else.

| field | type | meaning                                  |
| ----- | ---- | ---------------------------------------- |
| v     | int  | version of the message; this is 1         |
| batch | str  | id of the batch to look at in the ledger  |

A lost message costs a second of delay, a doubled one nothing: the ledger decides. Both sides build
their Celery app here, so that they agree on how messages look; tasks are named, never imported.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.transport import redis as kombu_redis

from provisioning.errors import ConfigurationError, LedgerUnavailableError
from provisioning.settings import Settings

DRAIN = "provision.drain"
VERSION = 1

QUEUE = "celery"
"""Celery's default queue: services that know only the broker's address reach it without a setting."""

VISIBILITY_TIMEOUT = 3600
"""Seconds after which Redis as broker hands out an unacknowledged ring again; harmless, and rare."""


def make_app(settings: Settings) -> Celery:
    """
    A Celery app that speaks our dialect: JSON only, no results, no prefetch beyond the slots.

    Raises: ConfigurationError if neither a broker nor a Redis is set.
    """
    if settings.broker is None:
        raise ConfigurationError(
            "no broker: PROVISION_REDIS_URL is not set",
            hint="set it to a Redis that all workers share, e.g. redis://127.0.0.1:6379/0",
        )
    app = Celery("provision", broker=settings.broker)
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
        broker_transport_options=_transport_options(settings.broker),
        task_default_delivery_mode="persistent",
        event_queue_expires=60,
    )
    return app


def _transport_options(broker: str) -> dict[str, object]:
    if broker.startswith("amqp"):
        return {}
    return {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "socket_keepalive": True,
        "socket_connect_timeout": 5,
        "socket_timeout": 30,
        "health_check_interval": 15,
    }


class Acknowledgements(kombu_redis.QoS):
    """
    kombu's imitation of acknowledgements on Redis, made to outlive a Redis that goes away.

    A task that ends after its connection was lost is acknowledged, and what was not acknowledged put back,
    through a channel that kombu 5.7 has closed already. That is an AttributeError, which Celery takes for
    unrecoverable: the worker ends. Such a message is left where it lies, and handed out again in time.
    """

    @property
    def _gone(self) -> bool:
        connection = self.channel.connection
        return connection is None or connection.client is None

    def ack(self, delivery_tag: str) -> None:
        if not self._gone:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if not self._gone:
            super().reject(delivery_tag, requeue=requeue)  # type: ignore[no-untyped-call]

    def restore_unacked(self, client: Any = None) -> None:
        if self._gone:
            self._delivered.clear()
        else:
            super().restore_unacked(client)  # type: ignore[no-untyped-call]


kombu_redis.Channel.QoS = Acknowledgements


class Doorbell:
    """Rings workers. Blocking, a fraction of a millisecond a ring; keep it off an event loop."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def ring(self, batch: str) -> None:
        """
        Says that a batch has work.

        Raises: LedgerUnavailableError if the broker cannot be reached. The jobs are safe in the ledger all
            the same: every worker looks for unrung batches by itself.
        """
        try:
            self._app.send_task(DRAIN, kwargs={"v": VERSION, "batch": batch}, retry=False)
        except Exception as error:  # kombu's transports each raise their own
            raise LedgerUnavailableError(
                f"the broker cannot be reached ({type(error).__name__}: {error})",
                hint="check PROVISION_BROKER_URL, or PROVISION_REDIS_URL where that is not set",
            ) from error
