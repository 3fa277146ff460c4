"""A Redis under Sentinels as Celery's broker: our transport, whose connections ask them for the primary."""

# mypy: disallow-untyped-calls=False
# kombu says that it is typed, and its transports are not.

from __future__ import annotations

import contextlib
from typing import Any

from redis.exceptions import NoPermissionError

from provisioning.broker import redis_transport
from provisioning.config.sentinel_address import Place, SentinelAddress
from provisioning.ledger.sentinels import WHAT_IT_IS, Finder, check_role, own_options


class _Found:
    """To whom the Sentinels call the primary, who must say that it is one."""

    def __init__(self, *, finder: Finder, **options: Any) -> None:
        self._finder = finder
        self._place: Place | None = None
        super().__init__(**options)

    def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        """As the client has it; a connection to another than they named last is given up."""
        connection: Any = self
        if connection.is_connected and self._place != self._finder.last:
            connection.disconnect()
        if not connection.is_connected:
            self._place = self._finder.primary_by_blocking()
            connection.host, connection.port = self._place.host, self._place.port
        super().connect_check_health(check_health, retry_socket_connect)  # type: ignore[misc]

    def on_connect_check_health(self, check_health: bool = True) -> None:
        """As the client has it, and a look at who is there."""
        connection: Any = self
        super().on_connect_check_health(check_health=check_health)  # type: ignore[misc]
        connection.send_command(*WHAT_IT_IS, check_health=False)
        # What a user who may not ask that writes to a replica is refused all the same.
        with contextlib.suppress(NoPermissionError):
            check_role(str(self._place), connection.read_response())


class _Tcp(_Found, redis_transport.Tcp):
    pass


class _Tls(_Found, redis_transport.Tls):
    pass


class Channel(redis_transport.Channel):
    """Our channel, which asks `finder` for its Redis; kombu's for Sentinel takes messages as kombu does."""

    from_transport_options: tuple[str, ...] = (*redis_transport.Channel.from_transport_options, "finder")  # type: ignore[assignment] # of kombu's
    connection_class = _Tcp
    connection_class_ssl = _Tls
    finder: Finder

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        return {**super()._connparams(asynchronous), "finder": self.finder}


class Transport(redis_transport.Transport):
    """Our transport over such channels."""

    Channel = Channel


def options(address: SentinelAddress) -> dict[str, Any]:
    """
    What the transport must know of an address beside Celery's `broker_url`.

    Flower, which looks at the lengths of queues by itself, goes by `master_name` and `sentinel_kwargs`.
    """
    return {
        "finder": Finder(address),
        "master_name": address.name,
        "sentinel_kwargs": own_options(address),
    }


def install() -> None:
    """Has kombu take this transport for `sentinel://`, in this process."""
    redis_transport.take_for("sentinel", f"{__name__}:Transport", Transport)
