"""
Redis as Celery's broker, without the moments in which kombu loses a message.

kombu takes a message off its list (BRPOP) and notes it as unacknowledged in a second step, on another
connection. What breaks in between takes the message with it: a connection that is reset, or that a firewall
has forgotten, a server or worker that is killed. Here a worker waits by looking at the end of the list
(BLMOVE onto itself), and one script takes the message and notes it. A worker renews the notes of what it
holds; what it has let lapse goes back to its list (docs/decisions/0010).

kombu's keys and formats stay (`unacked`, `unacked_index`): workers of both kinds may share a queue, and
services send as they always did.
"""

# mypy: disallow-untyped-calls=False
# kombu says that it is typed, and its transports are not.

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty
from time import monotonic
from typing import Any

import redis
from kombu.log import get_logger
from kombu.transport import TRANSPORT_ALIASES, _transport_cache, get_transport_cls, virtual
from kombu.transport import redis as kombu_redis
from kombu.utils.json import loads

from provisioning.broker.redis_rights import channels
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger.client import refused
from provisioning.ledger.refusals import leads_elsewhere

logger = get_logger(__name__)

UNREADABLE = "application/x-unreadable"
"""Content type of what lay in the queue and was no message: its body is all that there was."""

VISIBILITY_TIMEOUT = 60.0
"""Seconds after which the message of a worker that stopped responding is delivered again."""

RENEWED_EVERY = 10.0
"""Seconds between renewals of what this worker holds, and between looks for what others have let lapse."""

MOST_PUT_BACK = 100
"""Lapsed messages that one look puts back."""

_PUT_BACK = """
-- Takes a note apart: the message as it lay in its list, and the name of that list; nil for a strange note.
local function parts(note)
  local raw, _, list = string.match(note, '^%[(.*), ?"([^"]*)", ?"([^"]*)"%]$')
  if list == '' then list = nil end
  return raw, list
end
-- Puts a noted message back; one without a readable note goes to the default list, to be refused there.
local function put_back(tag, push, default)
  local note = redis.call('HGET', KEYS[2], tag)
  if note then
    local raw, list = parts(note)
    redis.call(push, list or default, raw or note)
    redis.call('HDEL', KEYS[2], tag)
  end
  redis.call('ZREM', KEYS[1], tag)
end
"""

TAKE = (
    _PUT_BACK
    + """
-- Takes the next message of the first list that has one and notes it. The same tag again brings the same.
-- KEYS: index of notes, notes, lists. ARGV: tag, then of each list the queue it belongs to.
-- Returns: the queue and the message; false if there is none.
local held = redis.call('HGET', KEYS[2], ARGV[1])
if held then
  local raw, list = parts(held)
  return {list or ARGV[2], raw or held}
end
local now = redis.call('TIME')
for i = 3, #KEYS do
  local raw = redis.call('LINDEX', KEYS[i], -1)
  if raw then
    redis.call('HSET', KEYS[2], ARGV[1], '[' .. raw .. ', "", "' .. ARGV[i - 1] .. '"]')
    redis.call('ZADD', KEYS[1], string.format('%d.%06d', now[1], now[2]), ARGV[1])
    redis.call('RPOP', KEYS[i])
    return {ARGV[i - 1], raw}
  end
end
return false
"""
)

GIVE_BACK = (
    _PUT_BACK
    + """
-- KEYS: index of notes, notes, the default list. ARGV: RPUSH for next in turn or LPUSH for last, tags.
for i = 2, #ARGV do put_back(ARGV[i], ARGV[1], KEYS[3]) end
"""
)

RENEW = (
    _PUT_BACK
    + """
-- Renews the notes of a worker and puts back what others have let lapse, by the clock of this server.
-- KEYS: index of notes, notes, the default list. ARGV: seconds that a note lasts, the most to put back, tags.
local now = tonumber(redis.call('TIME')[1])
for i = 3, #ARGV do redis.call('ZADD', KEYS[1], 'XX', now, ARGV[i]) end
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1], 'LIMIT', 0, ARGV[2])
for _, tag in ipairs(lapsed) do put_back(tag, 'RPUSH', KEYS[3]) end
return #lapsed
"""
)


@dataclass(frozen=True, slots=True)
class Taken:
    """
    A message as it lay in the queue.

    Attributes:
        tag: under which it is noted as taken.
    """

    raw: bytes
    tag: str
    queue: str


class Message(virtual.Message):
    """
    A message out of whatever lay in the queue; what is no message is one with `UNREADABLE` content.

    A broadcast of remote control comes as kombu has read it, and is noted nowhere.
    """

    def __init__(self, payload: Taken | dict[str, Any], channel: Any = None, **options: Any) -> None:
        if not isinstance(payload, Taken):
            super().__init__(payload, channel=channel, **options)
            return
        ours = {
            "delivery_tag": payload.tag,
            "delivery_info": {"exchange": "", "routing_key": payload.queue},
        }
        try:
            envelope = loads(payload.raw.decode())
            envelope["properties"] |= ours
            super().__init__(envelope, channel=channel)
        except Exception:  # noqa: BLE001 - there is no end to what a queue may hold
            envelope = {
                "body": base64.b64encode(payload.raw).decode(),
                "content-type": UNREADABLE,
                "content-encoding": "binary",
                "properties": {"body_encoding": "base64", **ours},
            }
            super().__init__(envelope, channel=channel)


class Acknowledgements(kombu_redis.QoS):
    """
    What a channel holds: noted when it was taken, renewed while this worker lives.

    A task that ends after its connection was lost is acknowledged, and what was not acknowledged put back,
    through a channel that kombu 5.7 has closed already. That is an AttributeError, which Celery takes for
    unrecoverable: the worker ends. Such a message is left where it lies, and handed out again in time.
    """

    @property
    def _gone(self) -> bool:
        connection = self.channel.connection
        return connection is None or connection.client is None

    def append(self, message: Any, delivery_tag: str) -> None:
        virtual.QoS.append(self, message, delivery_tag)  # it is noted already

    def ack(self, delivery_tag: str) -> None:
        if not self._gone:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if not self._gone:
            super().reject(delivery_tag, requeue=requeue)

    def restore_unacked(self, client: Any = None) -> None:
        if self._gone:
            self._delivered.clear()
        else:
            super().restore_unacked(client)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        with self.channel.conn_or_acquire(client) as client:
            client.eval(GIVE_BACK, 3, *self._keys, "LPUSH" if leftmost else "RPUSH", tag)

    def restore_visible(self, start: int = 0, num: int = 10, interval: int = 10) -> None:  # noqa: ARG002
        """Renews what is held here and puts back what others let lapse; kombu calls it every few seconds."""
        held = [tag for tag in tuple(self._delivered) if tag not in self._dirty]
        with self.channel.conn_or_acquire() as client:
            client.eval(RENEW, 3, *self._keys, self.visibility_timeout, MOST_PUT_BACK, *held)

    @property
    def _keys(self) -> tuple[str, str, str]:
        queues = self.channel.active_queues
        return self.unacked_index_key, self.unacked_key, queues[0] if queues else "celery"


class _SoundConnection:
    """A connection that is given up once an answer proves that it does not lead to the primary."""

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc] # of the class it is mixed into
        except redis.RedisError as error:
            if leads_elsewhere(error):
                self.mark_for_reconnect()  # type: ignore[attr-defined]
            raise


class Tcp(_SoundConnection, redis.Connection):
    """Such a connection, in clear."""


class Tls(_SoundConnection, redis.SSLConnection):
    """Such a connection, over TLS."""


class Channel(kombu_redis.Channel):
    """kombu's channel, which takes a message and notes it in one step."""

    Message = Message
    QoS = Acknowledgements
    connection_class: type[redis.Connection] = Tcp
    connection_class_ssl: type[redis.SSLConnection] = Tls

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        connection = self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()  # type: ignore[assignment]
        # It moves the message onto the place where it lies: a look that waits until there is one. The other
        # lists (further queues, other priorities) are looked at when it comes back, a second later at most.
        list_ = self._q_for_pri(queues[0], self.priority_steps[0])
        wait = self.brpop_timeout if timeout is None else timeout
        connection.send_command("BLMOVE", list_, list_, "RIGHT", "RIGHT", wait or 0)

    def _brpop_read(self, **options: Any) -> bool:
        try:
            if self._closing:
                raise Empty  # it has looked, and taken nothing
            connection = self.client.connection
            try:
                self.client.parse_response(connection, "BLMOVE", **options)
                connection.send_command("EVAL", TAKE, *self._to_take(self.active_queues))
                taken = self.client.parse_response(connection, "EVAL")
            except self.connection_errors:
                connection.disconnect()
                raise
        finally:
            self._in_poll = False
            self._flush_brpop_reauth()
        if not taken:
            raise Empty
        queue = taken[0].decode()
        self._queue_cycle.rotate(queue)
        self.connection._deliver(Taken(taken[1], self._tag, queue), queue)
        return True

    def _get(self, queue: str, timeout: float | None = None) -> Taken:  # noqa: ARG002
        with self.conn_or_acquire() as client:
            taken = client.eval(TAKE, *self._to_take([queue]))
        if not taken:
            raise Empty
        return Taken(taken[1], self._tag, queue)

    def _to_take(self, queues: Sequence[str]) -> list[str | int]:
        # A tag of our own: senders may give the same one twice, and the second note would replace the first.
        self._tag = uuid.uuid4().hex
        lists = [(self._q_for_pri(queue, step), queue) for step in self.priority_steps for queue in queues]
        keys = [self.unacked_index_key, self.unacked_key, *(list_ for list_, _ in lists)]
        return [len(keys), *keys, self._tag, *(queue for _, queue in lists)]

    def _receive_one(self, c: Any) -> Any:
        """Reads one broadcast, for remote control; one that cannot be read is let go of."""
        try:
            return super()._receive_one(c)
        except (Empty, OSError, redis.RedisError):
            raise
        except Exception as error:
            logger.warning("a broadcast that cannot be read: %r", error)
            raise Empty from error


class Transport(kombu_redis.Transport):
    """
    kombu's transport, for which a Redis that refuses is as one that is away.

    Celery reconnects after a connection error and ends its worker after any other. What a replica, a full
    disk or a full memory answers passes like an absence, and after a failover only a new connection helps.
    """

    Channel = Channel
    connection_errors = (*kombu_redis.Transport.connection_errors, redis.ResponseError)


def install() -> None:
    """Has kombu take this transport for `redis://` and `rediss://`, in this process."""
    for scheme in ("redis", "rediss"):
        take_for(scheme, f"{__name__}:Transport", Transport)


def take_for(scheme: str, name: str, transport: type[Transport]) -> None:
    """Has kombu take a transport of ours, found by its name, for a scheme, in this process."""
    TRANSPORT_ALIASES[scheme] = name
    if get_transport_cls(scheme) is not transport:  # somebody has asked before; kombu remembers its answer
        _transport_cache[scheme] = transport


def refusal(error: BaseException) -> LedgerUnavailableError | None:
    """Our error for a broker that lets us in and refuses; None for any other, such as one that is away."""
    return refused(error) if isinstance(error, redis.ResponseError) else None


def missing_rights(client: Any, database: int, queue: str) -> list[str]:
    """
    What Celery does on Redis and this user may not, as `COMMAND key`.

    Its keys hold messages, so nothing is tried that could move one: a command that takes something away is
    given what nobody has put there.

    Args:
        client: a blocking client of redis-py, connected as Celery is.
        queue: the name of Celery's queue.
    Raises: the client's errors for anything but a lack of permission.
    """
    nobody = secrets.token_hex(8)
    tries: tuple[tuple[str | int | float, ...], ...] = (
        ("LREM", queue, 0, nobody),
        ("BRPOP", f"{queue}\x06\x16{nobody}", 0.01),  # as the queue of another priority is called
        ("HDEL", "unacked", nobody),
        ("ZREM", "unacked_index", nobody),
        ("GET", "unacked_mutex"),
        ("SREM", f"_kombu.binding.{queue}", nobody),
        ("SREM", f"_kombu.binding_permanent.{queue}", nobody),
        ("LLEN", f"{nobody}.celery.pidbox"),
        ("EVAL", "return 1", 0),
    )
    missing = []
    for command in tries:
        try:
            client.execute_command(*command)
        except redis.exceptions.NoPermissionError:
            name = str(command[1]).partition("\x06")[0].replace(nobody, "*") if command[0] != "EVAL" else ""
            missing.append(f"{command[0]} {name}".rstrip())
    for channel in channels(database):
        with client.pubsub() as subscription:
            try:
                subscription.psubscribe(channel)
                subscription.parse_response(timeout=2)
            except redis.exceptions.NoPermissionError:
                missing.append(f"PSUBSCRIBE {channel}")
    return missing
