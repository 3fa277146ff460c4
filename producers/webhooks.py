"""
Webhooks: a batch's own address is told when it has settled, and when a stop-loss or brake holds it.

Signed as Standard Webhooks has it (standardwebhooks.com): `webhook-id`, `webhook-timestamp`, and in
`webhook-signature` `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`. The id stays the same
however often an event is said, so that whoever hears it twice can tell.
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
from redis.exceptions import RedisError
from yarl import URL

from producers.addresses import check_address, session
from producers.event_log import EventLog
from provisioning import keys
from provisioning.errors import NotFoundError, ProvisioningError
from provisioning.ledger import LOST, Ledger
from provisioning.ledger.sealing import WEBHOOKS
from provisioning.log_events import LEDGER_LOST, WEBHOOK_ABANDONED, WEBHOOK_DELIVERED, WEBHOOK_POSTPONED
from provisioning.logs import say

TOLD = frozenset(["batch.settled", "batch.stopped", "batch.braked"])
"""Events that are sent; the others are for those who watch."""

BACKOFF = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
"""Seconds between tries, some nineteen hours in all: a receiver may be down for a night."""

LOOK_EVERY = 0.5
"""Seconds between looks at the batches that have a webhook."""

LOOK_AGAIN = 5.0
"""Seconds until the next look where Redis is away or refuses."""

TIMEOUT = 15.0
"""Seconds for a receiver to answer; it should note the event and work later."""

LOCK = 60.0
"""Seconds for which one server has a batch's webhook to itself: four times what one try takes."""

UNREACHABLE = "unreachable"
"""
How a try without an answer failed, in one word for a refused port, a silent one, and a name that leads to a
private address: whoever may set an address could otherwise explore the network of the server.
"""

_SECRET = "whsec_"  # noqa: S105 - what every secret begins with
_GONE = 410


class Webhook(msgspec.Struct, frozen=True):
    """
    What is kept of a batch's webhook.

    Attributes:
        by: id of the token that set it; empty if a version set it that did not say.
        told: id of the last event that was dealt with.
        tries: failed tries of the event after it.
        next_at: Unix seconds before which it is not tried again.
        at_rest: the batch had settled and nothing was left to tell.
        settled_ms: when it had, then; a batch that goes on growing settles again.
        failure: how the last try failed, for people.
        given_up: events that were not taken in all tries.
    """

    url: str
    secret: str
    told: str = "0-0"
    tries: int = 0
    next_at: float = 0.0
    at_rest: bool = False
    failure: str = ""
    given_up: int = 0
    by: str = ""
    settled_ms: int = 0

    @property
    def address(self) -> str:
        """The address as others may see it: its path and query may be what lets one in."""
        url = URL(self.url)
        return f"{url.origin()}/…" if url.path_qs != "/" else str(url)


_decode = msgspec.json.Decoder(Webhook).decode


def new_secret() -> str:
    """A signing secret of 256 random bits, as receivers' libraries expect it."""
    return _SECRET + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(_SECRET))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


_SWAP = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


class NotYoursError(Exception):
    """Another token has set the webhook."""


class Webhooks:
    """The webhooks of one ledger."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        allow_private: bool,
        backoff: Sequence[float] = BACKOFF,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._redis: Any = ledger.redis
        self._allow_private = allow_private
        self._backoff = backoff
        self._clock = clock
        self._opened: dict[bytes, Webhook] = {}

    async def set(self, batch: str, url: str, *, by: str = "", may_replace: bool = True) -> Webhook:
        """
        Has a batch tell this address, from how it stands now on.

        Args:
            by: id of the token that sets it.
            may_replace: whether it takes the place of one that another token has set.
        Raises: InvalidInputError if it may not be called; NotYoursError.
        """
        check_address(url, allow_private=self._allow_private)
        webhook = Webhook(url, new_secret(), by=by)
        while True:
            kept = await self._redis.hget(keys.WEBHOOKS, batch)
            if kept is not None and not may_replace and (await self._read(kept)).by != by:
                raise NotYoursError
            if await self._swap(batch, kept, webhook):
                return webhook

    async def get(self, batch: str) -> Webhook | None:
        """The webhook of a batch, if it has one."""
        value = await self._redis.hget(keys.WEBHOOKS, batch)
        return None if value is None else await self._read(value)

    async def remove(self, batch: str) -> bool:
        """Has a batch tell nobody. Returns: whether it told somebody."""
        return bool(await self._redis.hdel(keys.WEBHOOKS, batch))

    async def _read(self, value: bytes) -> Webhook:
        """Raises: SealedError if the keys for it are not here."""
        return _decode(await self._ledger.sealer.open(value))

    async def _swap(self, batch: str, kept: bytes | None, webhook: Webhook) -> bool:
        """Puts one in the place of another, if that is still there. Returns: whether it was."""
        new = await self._ledger.sealer.seal_for(WEBHOOKS, msgspec.json.encode(webhook))
        return bool(await self._redis.eval(_SWAP, 1, keys.WEBHOOKS, batch, kept or b"", new))

    async def run(self, closing: asyncio.Event) -> None:
        """Tells whoever is to be told, until `closing`; a Redis that is away is waited for."""
        async with session(allow_private=self._allow_private) as http:
            while not closing.is_set():
                pause = LOOK_EVERY
                try:
                    await self.run_once(http)
                except (*LOST, RedisError, ProvisioningError) as error:
                    pause = LOOK_AGAIN
                    say(LEDGER_LOST, doing="webhooks", delay_s=pause, error=error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(closing.wait(), pause)

    async def run_once(self, http: aiohttp.ClientSession) -> int:
        """Looks at every batch that has a webhook. Returns: how many events were taken by their receivers."""
        kept = await self._redis.hgetall(keys.WEBHOOKS)
        self._opened = {value: self._opened.get(value) or await self._read(value) for value in kept.values()}
        if not kept:
            return 0
        active = set(await self._ledger.view.active())
        settled = await self._settled([name.decode() for name in kept])
        due = [
            batch
            for batch, webhook in zip(settled, map(self._opened.__getitem__, kept.values()), strict=True)
            if webhook.next_at <= self._clock()
            and (batch in active or not webhook.at_rest or settled[batch] != webhook.settled_ms)
        ]
        return sum(await asyncio.gather(*(self._tell(http, batch) for batch in due)))

    async def _settled(self, batches: Sequence[str]) -> dict[str, int]:
        """When each batch settled, in ms; 0 of one that has not."""
        pipeline = self._redis.pipeline(transaction=False)
        for batch in batches:
            pipeline.hget(keys.batch(batch), "settled_at")
        return {batch: int(at or 0) for batch, at in zip(batches, await pipeline.execute(), strict=True)}

    async def _tell(self, http: aiohttp.ClientSession, batch: str) -> int:
        lock, owner = keys.webhook_lock(batch), secrets.token_hex(8)
        if not await self._redis.set(lock, owner, px=int(LOCK * 1000), nx=True):
            return 0
        try:
            return await self._tell_alone(http, batch)
        except NotFoundError:
            await self.remove(batch)
            return 0
        finally:
            if await self._redis.get(lock) == owner.encode():
                await self._redis.delete(lock)

    async def _tell_alone(self, http: aiohttp.ClientSession, batch: str) -> int:
        webhook = await self.get(batch)
        if webhook is None or webhook.next_at > self._clock():
            return 0
        log = EventLog(self._ledger, batch)
        status = await log.look()
        for id_, name, data in await log.after(webhook.told):
            if name not in TOLD:
                webhook = msgspec.structs.replace(webhook, told=id_)
                continue
            failure, cause = await self._send(http, webhook, batch, id_, name, data)
            self._say(webhook, batch, name, failure, cause)
            if failure == str(_GONE):
                await self.remove(batch)
                return 0
            # One try a look: the lock is held for no longer than that.
            await self._keep(batch, self._after_try(webhook, id_, failure))
            return not failure
        settled_ms = round((status.settled_at or 0.0) * 1000)
        await self._keep(
            batch, msgspec.structs.replace(webhook, at_rest=status.settled, settled_ms=settled_ms)
        )
        return 0

    def _say(self, webhook: Webhook, batch: str, name: str, failure: str, cause: str) -> None:
        # The address is left out: whoever knows a receiver's may be able to speak to it.
        facts = {"batch_id": batch, "told": name, "attempt": webhook.tries + 1}
        if not failure:
            say(WEBHOOK_DELIVERED, **facts)
        elif failure == str(_GONE) or webhook.tries >= len(self._backoff):
            say(WEBHOOK_ABANDONED, **facts, cause=cause)
        else:
            say(WEBHOOK_POSTPONED, **facts, cause=cause, delay_s=self._backoff[webhook.tries])

    def _after_try(self, webhook: Webhook, id_: str, failure: str) -> Webhook:
        replace = msgspec.structs.replace
        if not failure:
            return replace(webhook, told=id_, tries=0, next_at=0.0, failure="", at_rest=False)
        if webhook.tries >= len(self._backoff):
            return replace(webhook, told=id_, tries=0, failure=failure, given_up=webhook.given_up + 1)
        next_at = self._clock() + self._backoff[webhook.tries]
        return replace(webhook, tries=webhook.tries + 1, next_at=next_at, failure=failure, at_rest=False)

    async def _keep(self, batch: str, webhook: Webhook) -> None:
        # It may be taken away, or another put in its place, while we call.
        kept = await self._redis.hget(keys.WEBHOOKS, batch)
        now = None if kept is None else await self._read(kept)
        if now is not None and now.secret == webhook.secret and now != webhook:
            await self._swap(batch, kept, webhook)

    async def _send(
        self, http: aiohttp.ClientSession, webhook: Webhook, batch: str, id_: str, name: str, data: str
    ) -> tuple[str, str]:
        """
        Tells an event once.

        Returns: what went wrong, for whoever set the address, empty if it was taken; the cause, for the log.
        """
        milliseconds = int(id_.partition("-")[0])
        happened = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1000))
        body = msgspec.json.encode({"type": name, "timestamp": happened, "data": msgspec.Raw(data.encode())})
        message_id, now = f"msg_{batch}_{id_}", int(self._clock())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(webhook.secret, message_id, now, body),
        }
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        try:
            check_address(webhook.url, allow_private=self._allow_private)
            async with http.post(
                webhook.url, data=body, headers=headers, allow_redirects=False, timeout=timeout
            ) as answer:
                taken = 200 <= answer.status < 300
                return ("", "") if taken else (str(answer.status), f"http_{answer.status}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ProvisioningError) as error:
            return UNREACHABLE, type(error).__name__.lower()
