"""
Webhooks: an address is notified when its batch settles or the program holds it, or when its single job ends;
that of an owner, when any of the owner's batches or single jobs does so.

The id is the same in every delivery of an event, so that a receiver recognises duplicates. The pending events
are in the ledger (`provisioning/ledger/webhooks.py`); this module delivers them, one POST at a time
(`api/webhook_post.py`).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec

from api.event_waiters import EventWaiters
from api.webhook_post import GONE, SECRET_PREFIX, Reaction, post
from producers.pull.addresses import check_address, session
from provisioning.errors import NotFoundError, ProvisioningError
from provisioning.job import split_job_id
from provisioning.ledger import Ledger
from provisioning.ledger.events import when
from provisioning.ledger.schema import Happened
from provisioning.ledger.webhooks import Came, Delivery, PastDelivery, Webhook, WebhookState
from provisioning.observability.log_events import (
    LEDGER_LOST,
    WEBHOOK_ABANDONED,
    WEBHOOK_DELIVERED,
    WEBHOOK_POSTPONED,
)
from provisioning.observability.logs import log_event

BACKOFF = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
"""Seconds between deliveries, some nineteen hours in all: a receiver may be down for a night."""

LOOK_EVERY = 1.0
"""Seconds between checks for due deliveries if no event triggers one earlier: a delay may have passed."""

LOOK_AGAIN = 5.0
"""Seconds until the next attempt while Redis is unavailable or refuses."""

BOTH_SECONDS = 86_400.0
"""Seconds for which a former secret signs as well: so long a receiver may take until it knows the new one."""

LEASE = 60.0
"""Seconds for which one server reserves a webhook: four times what one delivery takes."""

TEST = "webhook.test"
"""The event that a person asks for, to see whether the receiver answers."""

DELETED = "deleted"
"""The failure of an event of an owner's webhook whose batch or job was deleted before it was delivered."""

AT_ONCE = 50
"""Most deliveries at a time. If so many receivers hang, the others wait for `TIMEOUT`."""


def new_secret() -> str:
    """A signing secret of 256 random bits, as receivers' libraries expect it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


class Webhooks:
    """Sets, removes and delivers the webhooks of one ledger."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        allow_private: bool,
        backoff: Sequence[float] = BACKOFF,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._store = ledger.webhooks
        self._allow_private = allow_private
        self._backoff = backoff
        self._clock = clock
        self._deliveries: dict[str, asyncio.Task[int]] = {}

    async def set(
        self,
        on: str,
        url: str,
        *,
        actor: str = "",
        may_replace: bool = True,
        events: Sequence[Happened] = (),
    ) -> Webhook:
        """
        Sets a webhook; of a batch or single job, events that have happened already are delivered too.

        Args:
            on: id of the batch or job, or `owner:NAME`.
            events: of an owner's, what to notify of; empty for all.
            actor: id of the token that sets it.
            may_replace: whether it may replace a webhook that another token has set.
        Raises: InvalidInputError if the address is not allowed; NotYoursError.
        """
        check_address(url, allow_private=self._allow_private)
        webhook = Webhook(url, new_secret(), actor, events=tuple(events))
        await self._store.set(on, webhook, may_replace=may_replace)
        return webhook

    async def rotate(self, on: str, webhook: Webhook) -> Webhook | None:
        """
        Gives a webhook a new secret; the present one signs as well for `BOTH_SECONDS`.

        Args:
            webhook: as it was read.
        Returns: None if it was replaced or removed meanwhile.
        """
        now = self._clock()
        rotated = webhook.rotated(new_secret(), now=now, until=now + BOTH_SECONDS)
        return rotated if await self._store.rotate(on, webhook, rotated) else None

    async def test(self, webhook: Webhook, data: Mapping[str, str]) -> tuple[str, Reaction]:
        """
        Delivers an event `webhook.test` once, at once; the outbox stays as it is.

        Args:
            data: of the event.
        Returns: the id of the message, and how the receiver reacted.
        """
        now = self._clock()
        message_id = f"msg_test_{secrets.token_hex(12)}"
        event = {"type": TEST, "timestamp": when(f"{int(now * 1000)}-0"), "data": data}
        async with session(allow_private=self._allow_private) as http:
            reaction = await post(
                http,
                webhook.url,
                webhook.secrets(now),
                message_id=message_id,
                body=msgspec.json.encode(event),
                now=int(now),
                allow_private=self._allow_private,
            )
        return message_id, reaction

    async def deliveries(self, on: str) -> list[PastDelivery]:
        """The last deliveries of a webhook that were tried, the newest first."""
        return await self._store.deliveries(on, self._clock())

    async def redeliver(self, on: str, delivery_id: str) -> bool:
        """Delivers an event again, under its id. Returns: whether there is such a delivery."""
        return await self._store.redeliver(on, delivery_id)

    async def get(self, on: str) -> tuple[Webhook, WebhookState] | None:
        """The webhook of a batch, job or owner, and its status; None if it has none."""
        return await self._store.get(on)

    async def remove(self, on: str) -> bool:
        """Removes a webhook. Returns: whether there was one."""
        return await self._store.remove(on)

    async def run(self, closing: asyncio.Event, event_waiters: EventWaiters) -> None:
        """Delivers due events until `closing`; waits while Redis is unavailable."""
        async with session(allow_private=self._allow_private) as http:
            while not closing.is_set():
                try:
                    for on in await self._store.due(AT_ONCE):
                        self._begin(http, on)
                except ProvisioningError as error:
                    log_event(LEDGER_LOST, doing="webhooks", delay_s=LOOK_AGAIN, error=error)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(closing.wait(), LOOK_AGAIN)
                    continue
                await event_waiters.wait("", LOOK_EVERY)
            for task in self._deliveries.values():
                task.cancel()
            await asyncio.gather(*self._deliveries.values(), return_exceptions=True)

    def _begin(self, http: aiohttp.ClientSession, on: str) -> None:
        if on not in self._deliveries and len(self._deliveries) < AT_ONCE:
            task = asyncio.create_task(self._deliver(http, on))
            self._deliveries[on] = task
            task.add_done_callback(lambda _: self._deliveries.pop(on, None))

    async def run_once(self, http: aiohttp.ClientSession) -> int:
        """Delivers what is due now. Returns: how many events were accepted by their receivers."""
        due = await self._store.due(AT_ONCE)
        return sum(await asyncio.gather(*(self._deliver(http, on) for on in due)))

    async def _deliver(self, http: aiohttp.ClientSession, on: str) -> int:
        """
        Delivers the due events of a webhook in order, until one is not accepted or others may be waiting.

        Returns: how many were accepted.
        """
        delivered = 0
        try:
            while delivery := await self._store.take(on, lease=LEASE):
                body = delivery.body or await self._written(delivery)
                if not body:
                    continue  # the next one; or nothing, as long as another server is at it
                if not await self._try(http, delivery, body):
                    break
                delivered += 1
                if len(self._deliveries) >= AT_ONCE:
                    break
        except ProvisioningError as error:  # its lease expires, and it is delivered then
            log_event(LEDGER_LOST, doing="webhooks", delay_s=LEASE, error=error)
        return delivered

    async def _written(self, delivery: Delivery) -> bytes:
        """The body of a first delivery, which is stored; empty if there is nothing to deliver any more."""
        try:
            body = await self._body(delivery)
        except NotFoundError:
            if delivery.subject == delivery.on:
                await self._store.end(delivery)
            else:
                await self._store.give_up(delivery, Came(DELETED))
            return b""
        return body if await self._store.write(delivery, body) else b""

    async def _try(self, http: aiohttp.ClientSession, delivery: Delivery, body: bytes) -> bool:
        """Delivers an event once. Returns: whether it was accepted."""
        reaction = await self._post(http, delivery, body)
        tries = delivery.state.tries
        gone = reaction.status == GONE
        self._log(delivery, reaction, abandoned=gone or tries >= len(self._backoff))
        if reaction.accepted:
            await self._store.finish(delivery, reaction.came)
        elif gone:
            await self._store.end(delivery)
        elif tries >= len(self._backoff):
            await self._store.give_up(delivery, reaction.came)
        else:
            await self._store.try_again(delivery, reaction.came, self._backoff[tries])
        return reaction.accepted

    async def _body(self, delivery: Delivery) -> bytes:
        """The body: the current status of the batch or job. Raises: NotFoundError if it was deleted."""
        data = await self._data(delivery.subject)
        return msgspec.json.encode(
            {"type": delivery.happened, "timestamp": when(delivery.entry), "data": data}
        )

    async def _data(self, subject: str) -> dict[str, Any]:
        if "." in subject:
            return (await self._ledger.queries.job(subject)).public()
        return (await self._ledger.queries.status(subject)).public()

    def _log(self, delivery: Delivery, reaction: Reaction, *, abandoned: bool) -> None:
        # The address is left out: it may be enough to send requests to the receiver.
        subject = delivery.subject
        batch = split_job_id(subject)[0] if "." in subject else subject
        tries = delivery.state.tries
        facts = {"batch_id": batch, "told": str(delivery.happened), "attempt": tries + 1}
        if reaction.accepted:
            log_event(WEBHOOK_DELIVERED, **facts)
        elif abandoned:
            log_event(WEBHOOK_ABANDONED, **facts, cause=reaction.logged)
        else:
            log_event(WEBHOOK_POSTPONED, **facts, cause=reaction.logged, delay_s=self._backoff[tries])

    async def _post(self, http: aiohttp.ClientSession, delivery: Delivery, body: bytes) -> Reaction:
        """Sends it once."""
        now = self._clock()
        return await post(
            http,
            delivery.webhook.url,
            delivery.webhook.secrets(now),
            message_id=delivery.message_id,
            body=body,
            now=int(now),
            allow_private=self._allow_private,
        )
