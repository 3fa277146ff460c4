"""
Webhooks: an address is told when its batch has settled or the program holds it, or its single job has ended.

Signed as Standard Webhooks has it (standardwebhooks.com): `webhook-id`, `webhook-timestamp`, and in
`webhook-signature` `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`. The id stays the same
however often an event is said, so that whoever hears it twice can tell. What is to be told lies in the ledger
(`provisioning/ledger/webhooks.py`); this is who carries it there.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import msgspec

from api.event_feed import Followers
from producers.pull.addresses import check_address, session
from provisioning.errors import NotFoundError, ProvisioningError
from provisioning.job import split_job_id
from provisioning.ledger import Ledger
from provisioning.ledger.events import when
from provisioning.ledger.webhooks import Delivery, Webhook, WebhookState
from provisioning.observability.log_events import (
    LEDGER_LOST,
    WEBHOOK_ABANDONED,
    WEBHOOK_DELIVERED,
    WEBHOOK_POSTPONED,
)
from provisioning.observability.logs import log_event

BACKOFF = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
"""Seconds between tries, some nineteen hours in all: a receiver may be down for a night."""

LOOK_EVERY = 1.0
"""Seconds between looks for what is due, where no event calls for one before: a delay may have passed."""

LOOK_AGAIN = 5.0
"""Seconds until the next look where Redis is away or refuses."""

TIMEOUT = 15.0
"""Seconds for a receiver to answer; it should note the event and work later."""

LEASE = 60.0
"""Seconds for which one server has a webhook to itself: four times what one try takes."""

AT_ONCE = 50
"""Webhooks that are told at once. As many receivers that hang keep the others waiting for `TIMEOUT`."""

UNREACHABLE = "unreachable"
"""
How a try without an answer failed, in one word for a refused port, a silent one, and a name that leads to a
private address: whoever may set an address could otherwise explore the network of the server.
"""

_SECRET = "whsec_"  # noqa: S105 - what every secret begins with
_GONE = 410


def new_secret() -> str:
    """A signing secret of 256 random bits, as receivers' libraries expect it."""
    return _SECRET + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(_SECRET))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Webhooks:
    """The webhooks of one ledger, and who tells them."""

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

    async def set(self, on: str, url: str, *, actor: str = "", may_replace: bool = True) -> Webhook:
        """
        Has a batch or single job tell this address, what it has come to already included.

        Args:
            on: id of the batch or job.
            actor: id of the token that sets it.
            may_replace: whether it takes the place of one that another token has set.
        Raises: InvalidInputError if it may not be called; NotYoursError.
        """
        check_address(url, allow_private=self._allow_private)
        webhook = Webhook(url, new_secret(), actor)
        await self._store.set(on, webhook, may_replace=may_replace)
        return webhook

    async def get(self, on: str) -> tuple[Webhook, WebhookState] | None:
        """The webhook of a batch or job, and how it goes; None if it has none."""
        return await self._store.get(on)

    async def remove(self, on: str) -> bool:
        """Has nobody told any more. Returns: whether somebody was."""
        return await self._store.remove(on)

    async def run(self, closing: asyncio.Event, followers: Followers) -> None:
        """Tells whoever is to be told, until `closing`; a Redis that is away is waited for."""
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
                await followers.wait("", LOOK_EVERY)
            for task in self._deliveries.values():
                task.cancel()
            await asyncio.gather(*self._deliveries.values(), return_exceptions=True)

    def _begin(self, http: aiohttp.ClientSession, on: str) -> None:
        if on not in self._deliveries and len(self._deliveries) < AT_ONCE:
            task = asyncio.create_task(self._deliver(http, on))
            self._deliveries[on] = task
            task.add_done_callback(lambda _: self._deliveries.pop(on, None))

    async def run_once(self, http: aiohttp.ClientSession) -> int:
        """Tells what is due now. Returns: how many events were taken by their receivers."""
        due = await self._store.due(AT_ONCE)
        return sum(await asyncio.gather(*(self._deliver(http, on) for on in due)))

    async def _deliver(self, http: aiohttp.ClientSession, on: str) -> int:
        """
        Tells a webhook what is due, in its order, until something is not taken or others may be waiting.

        Returns: how much was taken.
        """
        delivered = 0
        try:
            while (delivery := await self._store.take(on, lease=LEASE)) and await self._try(http, delivery):
                delivered += 1
                if len(self._deliveries) >= AT_ONCE:
                    break
        except ProvisioningError as error:  # its lease ends, and it is told then
            log_event(LEDGER_LOST, doing="webhooks", delay_s=LEASE, error=error)
        return delivered

    async def _try(self, http: aiohttp.ClientSession, delivery: Delivery) -> bool:
        """Tells an event once. Returns: whether it was taken."""
        body = delivery.body
        if not body:
            try:
                body = await self._body(delivery)
            except NotFoundError:
                await self._store.remove(delivery.on, delivery.kept)
                return False
            if not await self._store.write(delivery, body):
                return False
        failure, cause = await self._send(http, delivery, body)
        tries = delivery.state.tries
        gone = failure == str(_GONE)
        self._log(delivery, failure, cause, abandoned=gone or tries >= len(self._backoff))
        if not failure:
            await self._store.finish(delivery)
        elif gone:
            await self._store.remove(delivery.on, delivery.kept)
        elif tries >= len(self._backoff):
            await self._store.give_up(delivery, failure)
        else:
            await self._store.try_again(delivery, failure, self._backoff[tries])
        return not failure

    async def _body(self, delivery: Delivery) -> bytes:
        """What is told: the batch, or job, as it stands. Raises: NotFoundError if it is gone."""
        data = await self._data(delivery.on)
        return msgspec.json.encode(
            {"type": delivery.happened, "timestamp": when(delivery.entry), "data": data}
        )

    async def _data(self, on: str) -> dict[str, Any]:
        if "." in on:
            return (await self._ledger.queries.job(on)).public()
        return (await self._ledger.queries.status(on)).public()

    def _log(self, delivery: Delivery, failure: str, cause: str, *, abandoned: bool) -> None:
        # The address is left out: whoever knows a receiver's may be able to speak to it.
        batch = split_job_id(delivery.on)[0] if "." in delivery.on else delivery.on
        tries = delivery.state.tries
        facts = {"batch_id": batch, "told": str(delivery.happened), "attempt": tries + 1}
        if not failure:
            log_event(WEBHOOK_DELIVERED, **facts)
        elif abandoned:
            log_event(WEBHOOK_ABANDONED, **facts, cause=cause)
        else:
            log_event(WEBHOOK_POSTPONED, **facts, cause=cause, delay_s=self._backoff[tries])

    async def _send(self, http: aiohttp.ClientSession, delivery: Delivery, body: bytes) -> tuple[str, str]:
        """
        Sends it once.

        Returns: what went wrong, for whoever set the address, empty if it was taken; the cause, for the log.
        """
        message_id, now = f"msg_{delivery.on}_{delivery.entry}", int(self._clock())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(delivery.webhook.secret, message_id, now, body),
        }
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        try:
            check_address(delivery.webhook.url, allow_private=self._allow_private)
            async with http.post(
                delivery.webhook.url, data=body, headers=headers, allow_redirects=False, timeout=timeout
            ) as answer:
                taken = 200 <= answer.status < 300
                return ("", "") if taken else (str(answer.status), f"http_{answer.status}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ProvisioningError) as error:
            return UNREACHABLE, type(error).__name__.lower()
