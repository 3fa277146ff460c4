"""
Webhooks of batches, single jobs and owners: their addresses, and an outbox for each.

A script that changes something appends the event to the outbox in the same call, so that each event belongs
to a change and none is lost, also if a server dies. An outbox is delivered in order, by one server at a time;
an event that is delivered twice has the same id and body (decision 0033).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from redis.asyncio import Redis
from yarl import URL

from provisioning import scopes
from provisioning.ledger import keys, schema
from provisioning.ledger.encryption import WEBHOOKS, Encryption
from provisioning.ledger.schema import DELIVERIES_KEPT_MS, Delivered, Happened
from provisioning.ledger.scripts import Call

Do = Callable[[Call[Any]], Awaitable[Any]]


FORMERS = 8
"""Most former secrets that sign beside the new one, so that the header stays short."""


class Former(msgspec.Struct, frozen=True):
    """A secret that a new one has taken the place of; it signs as well until then, Unix seconds."""

    secret: str
    until: float


class Webhook(msgspec.Struct, frozen=True):
    """
    An address to notify.

    Attributes:
        by: id of the token that set it; empty if a version set it that did not say.
        former: secrets before this one, the newest first.
        events: of an owner's, what it is told of; empty for all that webhooks are told of.
    """

    url: str
    secret: str
    by: str = ""
    former: tuple[Former, ...] = ()
    events: tuple[Happened, ...] = ()

    def secrets(self, now: float) -> list[str]:
        """The secrets that sign at this time, the newest first."""
        return [self.secret, *(each.secret for each in self.former if now < each.until)]

    def former_until(self, now: float) -> float | None:
        """Until when the last former secret signs as well; None if there is none at this time."""
        return max((each.until for each in self.former if now < each.until), default=None)

    def rotated(self, secret: str, *, now: float, until: float) -> Webhook:
        """The same with a new secret; the present one signs as well until then."""
        former = (Former(self.secret, until), *(each for each in self.former if now < each.until))
        return msgspec.structs.replace(self, secret=secret, former=former[:FORMERS])

    def became(self, later: Webhook) -> bool:
        """Whether `later` is this webhook after nothing but rotations."""
        known = (later.secret, *(each.secret for each in later.former))
        return (later.url, later.by) == (self.url, self.by) and self.secret in known

    @property
    def address(self) -> str:
        """The address for display, without path and query: those may authorise requests."""
        url = URL(self.url)
        return f"{url.origin()}/…" if url.path_qs != "/" else str(url)


class WebhookState(msgspec.Struct, frozen=True):
    """
    The status of a webhook.

    Attributes:
        tries: failed deliveries of the next event.
        failure: of the last delivery, for people; empty if it succeeded.
        given_up: events that no delivery succeeded for, or that a full outbox had no room for.
    """

    tries: int = 0
    failure: str = ""
    given_up: int = 0


class Came(msgspec.Struct, frozen=True):
    """
    What came of an attempt, as the owner of the webhook may see it.

    Attributes:
        failure: empty if it was accepted.
        status: of the answer; None if there was none.
        milliseconds: until the answer.
    """

    failure: str = ""
    status: int | None = None
    milliseconds: int | None = None


class PastDelivery(Came, frozen=True, kw_only=True):
    """
    A delivery that was tried, with what came of the last attempt.

    Attributes:
        id: of the message, the same in each attempt.
        event: what has happened.
        at, last_at: the first and the last attempt, Unix seconds.
    """

    id: str
    event: str
    outcome: Delivered
    attempts: int = 0
    at: float = 0.0
    last_at: float = 0.0


class Delivery(msgspec.Struct, frozen=True):
    """
    An event to deliver.

    Attributes:
        on: id of the batch or job, or `owner:NAME`.
        subject: id of the batch or job that it has happened to.
        kept: the webhook as stored, to detect whether another has replaced it.
        entry: id of the event in the stream; the same in each delivery.
        body: as in the first delivery; empty before.
    """

    on: str
    subject: str
    webhook: Webhook
    kept: bytes
    state: WebhookState
    entry: str
    happened: Happened
    body: bytes = b""

    @property
    def message_id(self) -> str:
        """The id by which a receiver recognises the event."""
        return f"msg_{self.subject}_{self.entry}"


class NotYoursError(Exception):
    """Another token has set the webhook."""


_decode = msgspec.json.Decoder(Webhook).decode
_decode_state = msgspec.json.Decoder(WebhookState).decode
_decode_past = msgspec.json.Decoder(PastDelivery).decode
_encode = msgspec.json.encode


class WebhookStore:
    """The webhooks of one ledger, by the id of their batch or job, or by `owner:NAME`."""

    def __init__(self, redis: Redis, do: Do, encryption: Encryption) -> None:
        self._redis: Any = redis
        self._do = do
        self._encryption = encryption

    async def set(self, on: str, webhook: Webhook, *, may_replace: bool = True) -> None:
        """
        Sets a webhook; of a batch or job, events that have happened already are delivered too.

        Args:
            may_replace: whether it may replace a webhook that another token has set.
        Raises: NotYoursError; KeylessError if the ledger is encrypted and there are no master keys here.
        """
        new = await self._encryption.seal_for(WEBHOOKS, _encode(webhook))
        events = ""
        if on.startswith(scopes.OWNER):
            events = f" {' '.join(webhook.events)} " if webhook.events else "*"
        while True:
            kept = await self._redis.hget(keys.WEBHOOKS, on)
            if kept is not None and not may_replace and (await self._read(kept)).by != webhook.by:
                raise NotYoursError
            head = schema.SetWebhook(on, kept or b"", new, events)
            if await self._do(Call("set_webhook", keys.WEBHOOKS, bool, head)):
                return

    async def get(self, on: str) -> tuple[Webhook, WebhookState] | None:
        """The webhook of a batch, job or owner, and its status; None if it has none."""
        value = await self._redis.hget(keys.WEBHOOKS, on)
        if value is None:
            return None
        kept, dropped = await self._redis.hmget(keys.WEBHOOK_STATES, on, f"{on}:dropped")
        state = _decode_state(kept) if kept else WebhookState()
        given_up = state.given_up + int(dropped or 0)
        return await self._read(value), msgspec.structs.replace(state, given_up=given_up)

    async def rotate(self, on: str, before: Webhook, after: Webhook) -> bool:
        """
        Gives a webhook another secret; undelivered events stay.

        Returns: whether it was `before` until now; otherwise nothing was done.
        Raises: KeylessError as `set` does.
        """
        new = await self._encryption.seal_for(WEBHOOKS, _encode(after))
        kept = await self._redis.hget(keys.WEBHOOKS, on)
        if kept is None or await self._read(kept) != before:
            return False
        head = schema.RotateWebhook(on, kept, new)
        return bool(await self._do(Call("rotate_webhook", keys.WEBHOOKS, bool, head)))

    async def remove(self, on: str) -> bool:
        """Removes the webhook. Returns: whether there was one."""
        head = schema.RemoveWebhook(on, b"")
        return bool(await self._do(Call("remove_webhook", keys.WEBHOOKS, bool, head)))

    async def end(self, delivery: Delivery) -> None:
        """Removes the webhook of a delivery, unless another has replaced it."""
        await self._do_of(
            delivery,
            lambda kept: Call("remove_webhook", keys.WEBHOOKS, bool, schema.RemoveWebhook(delivery.on, kept)),
        )

    async def due(self, most: int) -> list[str]:
        """Batches, jobs and owners with due events, the longest due first."""
        call = Call("due_webhooks", keys.WEBHOOKS_DUE, list, schema.DueWebhooks(most))
        return [on.decode() for on in await self._do(call)]

    async def take(self, on: str, *, lease: float) -> Delivery | None:
        """The next event, if it is due; no other server delivers it for `lease` seconds."""
        head = schema.TakeWebhook(on, lease)
        reply = await self._do(Call("take_webhook", keys.WEBHOOKS_DUE, list, head))
        if not reply:
            return None
        webhook, state, first = reply
        entry, what, *body = first.split(b" ", 2)
        happened, _, subject = what.decode().partition("@")
        return Delivery(
            on=on,
            subject=subject or on,
            webhook=await self._read(webhook),
            kept=webhook,
            state=_decode_state(state) if state else WebhookState(),
            entry=entry.decode(),
            happened=Happened(happened),
            body=body[0] if body else b"",
        )

    async def write(self, delivery: Delivery, body: bytes) -> bool:
        """Stores the body to send. Returns: whether this server may still deliver it to this address."""

        def call(kept: bytes) -> Call[bool]:
            head = schema.WriteWebhook(delivery.on, delivery.entry, kept, body)
            return Call("write_webhook", keys.WEBHOOKS, bool, head)

        return await self._do_of(delivery, call)

    async def finish(self, delivery: Delivery, came: Came) -> None:
        """Records that the event was accepted."""
        state = msgspec.structs.replace(delivery.state, tries=0, failure="")
        await self._settle(delivery, came, state, Delivered.ACCEPTED)

    async def give_up(self, delivery: Delivery, came: Came) -> None:
        """Records that the event is not delivered again."""
        given_up = delivery.state.given_up + 1
        await self._settle(delivery, came, WebhookState(0, came.failure, given_up), Delivered.GIVEN_UP)

    async def try_again(self, delivery: Delivery, came: Came, delay: float) -> None:
        """Records a failed delivery; the event is delivered again after `delay` seconds."""
        tries = delivery.state.tries + 1
        state = msgspec.structs.replace(delivery.state, tries=tries, failure=came.failure)
        await self._settle(delivery, came, state, Delivered.WAITING, delay)

    async def deliveries(self, on: str, now: float) -> list[PastDelivery]:
        """The last deliveries of a webhook that were tried, the newest first."""
        lines = await self._redis.lrange(keys.deliveries(on), 0, -1)
        found = [_decode_past(line) for line in lines]
        return [each for each in found if each.last_at >= now - DELIVERIES_KEPT_MS / 1000]

    async def redeliver(self, on: str, delivery_id: str) -> bool:
        """
        Puts an event into the outbox once more, with its id and body, unless it is there.

        Returns: whether there is such a delivery.
        """
        head = schema.Redeliver(on, delivery_id)
        return bool(await self._do(Call("redeliver", keys.WEBHOOKS, bool, head)))

    async def _settle(
        self, delivery: Delivery, came: Came, state: WebhookState, outcome: Delivered, delay: float = 0.0
    ) -> None:
        facts = msgspec.structs.asdict(came)
        past = PastDelivery(**facts, id=delivery.message_id, event=delivery.happened, outcome=outcome)
        done = outcome is not Delivered.WAITING

        def call(kept: bytes) -> Call[bool]:
            head = schema.RecordDelivery(
                delivery.on, delivery.entry, kept, done, delay, _encode(state), _encode(past)
            )
            return Call("record_delivery", keys.WEBHOOKS_DUE, bool, head)

        await self._do_of(delivery, call)

    async def _do_of(self, delivery: Delivery, call: Callable[[bytes], Call[bool]]) -> bool:
        """
        Does something with the webhook of a delivery, unless another has replaced it.

        It is the same webhook after a rotation during the delivery. Returns: whether it was done.
        """
        kept = delivery.kept
        while not await self._do(call(kept)):
            now = await self._redis.hget(keys.WEBHOOKS, delivery.on)
            if now is None or now == kept or not delivery.webhook.became(await self._read(now)):
                return False
            kept = now
        return True

    async def _read(self, value: bytes) -> Webhook:
        """Raises: SealedError if the keys for it are not here."""
        return _decode(await self._encryption.open(value))
