"""
Webhooks of batches and single jobs: their addresses, and an outbox for each.

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

from provisioning.ledger import keys, schema
from provisioning.ledger.encryption import WEBHOOKS, Encryption
from provisioning.ledger.schema import Happened
from provisioning.ledger.scripts import Call

Do = Callable[[Call[Any]], Awaitable[Any]]


class Webhook(msgspec.Struct, frozen=True):
    """
    An address to notify.

    Attributes:
        by: id of the token that set it; empty if a version set it that did not say.
    """

    url: str
    secret: str
    by: str = ""

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
        given_up: events that no delivery succeeded for.
    """

    tries: int = 0
    failure: str = ""
    given_up: int = 0


class Delivery(msgspec.Struct, frozen=True):
    """
    An event to deliver.

    Attributes:
        on: id of the batch or job.
        kept: the webhook as stored, to detect whether another has replaced it.
        entry: id of the event in the stream; the same in each delivery.
        body: as in the first delivery; empty before.
    """

    on: str
    webhook: Webhook
    kept: bytes
    state: WebhookState
    entry: str
    happened: Happened
    body: bytes = b""


class NotYoursError(Exception):
    """Another token has set the webhook."""


_decode = msgspec.json.Decoder(Webhook).decode
_decode_state = msgspec.json.Decoder(WebhookState).decode
_encode = msgspec.json.encode


class WebhookStore:
    """The webhooks of one ledger, by the id of their batch or job."""

    def __init__(self, redis: Redis, do: Do, encryption: Encryption) -> None:
        self._redis: Any = redis
        self._do = do
        self._encryption = encryption

    async def set(self, on: str, webhook: Webhook, *, may_replace: bool = True) -> None:
        """
        Sets the webhook of a batch or job; events that have happened already are delivered too.

        Args:
            may_replace: whether it may replace a webhook that another token has set.
        Raises: NotYoursError; KeylessError if the ledger is encrypted and there are no master keys here.
        """
        new = await self._encryption.seal_for(WEBHOOKS, _encode(webhook))
        while True:
            kept = await self._redis.hget(keys.WEBHOOKS, on)
            if kept is not None and not may_replace and (await self._read(kept)).by != webhook.by:
                raise NotYoursError
            head = schema.SetWebhook(on, kept or b"", new)
            if await self._do(Call("set_webhook", keys.WEBHOOKS, bool, head)):
                return

    async def get(self, on: str) -> tuple[Webhook, WebhookState] | None:
        """The webhook of a batch or job, and its status; None if it has none."""
        value = await self._redis.hget(keys.WEBHOOKS, on)
        if value is None:
            return None
        state = await self._redis.hget(keys.WEBHOOK_STATES, on)
        return await self._read(value), _decode_state(state) if state else WebhookState()

    async def remove(self, on: str, kept: bytes = b"") -> bool:
        """Removes the webhook, or only `kept`. Returns: whether there was one."""
        head = schema.RemoveWebhook(on, kept)
        return bool(await self._do(Call("remove_webhook", keys.WEBHOOKS, bool, head)))

    async def due(self, most: int) -> list[str]:
        """Batches and jobs with due events, the longest due first."""
        call = Call("due_webhooks", keys.WEBHOOKS_DUE, list, schema.DueWebhooks(most))
        return [on.decode() for on in await self._do(call)]

    async def take(self, on: str, *, lease: float) -> Delivery | None:
        """The next event, if it is due; no other server delivers it for `lease` seconds."""
        head = schema.TakeWebhook(on, lease)
        reply = await self._do(Call("take_webhook", keys.WEBHOOKS_DUE, list, head))
        if not reply:
            return None
        webhook, state, first = reply
        entry, happened, *body = first.split(b" ", 2)
        return Delivery(
            on=on,
            webhook=await self._read(webhook),
            kept=webhook,
            state=_decode_state(state) if state else WebhookState(),
            entry=entry.decode(),
            happened=Happened(happened.decode()),
            body=body[0] if body else b"",
        )

    async def write(self, delivery: Delivery, body: bytes) -> bool:
        """Stores the body to send. Returns: whether this server may still deliver it to this address."""
        head = schema.WriteWebhook(delivery.on, delivery.entry, delivery.kept, body)
        return bool(await self._do(Call("write_webhook", keys.WEBHOOKS, bool, head)))

    async def finish(self, delivery: Delivery) -> None:
        """Records that the event was accepted."""
        await self._settle(delivery, msgspec.structs.replace(delivery.state, tries=0, failure=""))

    async def give_up(self, delivery: Delivery, failure: str) -> None:
        """Records that the event is not delivered again."""
        given_up = delivery.state.given_up + 1
        await self._settle(delivery, WebhookState(0, failure, given_up))

    async def try_again(self, delivery: Delivery, failure: str, delay: float) -> None:
        """Records a failed delivery; the event is delivered again after `delay` seconds."""
        tries = delivery.state.tries + 1
        state = msgspec.structs.replace(delivery.state, tries=tries, failure=failure)
        await self._settle(delivery, state, done=False, delay=delay)

    async def _settle(
        self, delivery: Delivery, state: WebhookState, *, done: bool = True, delay: float = 0.0
    ) -> None:
        head = schema.RecordDelivery(delivery.on, delivery.entry, delivery.kept, done, delay, _encode(state))
        await self._do(Call("record_delivery", keys.WEBHOOKS_DUE, bool, head))

    async def _read(self, value: bytes) -> Webhook:
        """Raises: SealedError if the keys for it are not here."""
        return _decode(await self._encryption.open(value))
