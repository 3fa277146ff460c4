"""
Migrates a ledger that an earlier version has written.

Jobs, batches and identities stay unchanged.

- Format 3 had no owners: all its data belongs to `default`. An earlier version would show the batches of one
  owner to another, and delete identities in the wrong place, so it must not write here any more.
- In format 2, servers compared statuses for webhooks and wrote the changes into a stream of each batch
  (`pv:{B}:events`); the record of a webhook had its position in the stream. Now there is an outbox. The
  migration copies undelivered events into it, with their ids. The streams expire on their own.
"""

from __future__ import annotations

from typing import Any

import msgspec
from redis.asyncio import Redis

from provisioning.errors import ContractError, LedgerUnavailableError
from provisioning.ledger import keys
from provisioning.ledger.encryption import Encryption, KeylessError, SealedError
from provisioning.ledger.events import when
from provisioning.ledger.queries import Queries
from provisioning.ledger.schema import FORMAT, WEBHOOK_EVENTS, Happened
from provisioning.ledger.webhooks import WebhookState

MIGRATED = (b"2", b"3")
"""Earlier formats that can be migrated."""

_LOCK = f"{keys.FORMAT}:taken-over"
_LOCKED_FOR = 120


class _Webhook(msgspec.Struct, frozen=True):
    """A webhook in format 2: the members that the migration needs."""

    told: str = "0-0"
    tries: int = 0
    at_rest: bool = False
    failure: str = ""
    given_up: int = 0
    settled_ms: int = 0


async def migrate(redis: Redis, queries: Queries, encryption: Encryption) -> None:
    """
    Migrates a ledger of an earlier format to this one. If it is interrupted at any point, call it again.

    Raises: ContractError if workers of the earlier version are running; LedgerUnavailableError while another
        process migrates; KeylessError if this process lacks a master key for the webhooks.
    """
    client: Any = redis
    if not await client.set(_LOCK, "1", nx=True, ex=_LOCKED_FOR):
        raise LedgerUnavailableError(
            "another process is taking the ledger over from the former version",
            hint="it takes seconds; where that process has died, two minutes",
        )
    try:
        former = await client.get(keys.FORMAT)
        if former not in MIGRATED:
            return  # another process has migrated it meanwhile
        if workers := await queries.workers():
            names = ", ".join(sorted(worker.name for worker in workers)[:5])
            raise ContractError(
                f"the jobs in this Redis are kept in format {former.decode()}, and workers are running"
                f" ({names})",
                hint="stop all workers and servers of the former version, then start those of this one;"
                " the first of them takes the ledger over",
            )
        webhooks = await client.hgetall(keys.WEBHOOKS) if former == b"2" else {}
        for on, value in webhooks.items():
            if webhook := await _read(encryption, value):
                await _fill_outbox(client, on.decode(), webhook)
        await client.set(keys.FORMAT, FORMAT)
    finally:
        await client.delete(_LOCK)


async def _read(encryption: Encryption, value: bytes) -> _Webhook | None:
    """A webhook; None if it cannot be decrypted or decoded by anyone: it must not block the migration."""
    try:
        return msgspec.json.decode(await encryption.open(value), type=_Webhook)
    except KeylessError:
        raise
    except (SealedError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


async def _fill_outbox(client: Any, batch: str, webhook: _Webhook) -> None:
    noted = await client.xrange(f"{keys.batch(batch)}:events", min=f"({webhook.told}")
    undelivered = [
        _entry(id_.decode(), entry[b"event"].decode(), entry[b"data"])
        for id_, entry in noted
        if entry[b"event"].decode() in WEBHOOK_EVENTS
    ]
    settled = int(await client.hget(keys.batch(batch), "settled_at") or 0)
    known = any(entry[b"event"] == b"batch.settled" for _, entry in noted)
    if settled and not known and not (webhook.at_rest and webhook.settled_ms == settled):
        undelivered.append(f"{settled}-0 {Happened.BATCH_SETTLED}".encode())  # no server has written it yet
    pipeline = client.pipeline(transaction=True)
    pipeline.delete(keys.outbox(batch))  # of an interrupted migration
    if undelivered:
        pipeline.rpush(keys.outbox(batch), *undelivered)
        pipeline.zadd(keys.WEBHOOKS_DUE, {batch: 0})
    state = WebhookState(webhook.tries, webhook.failure, webhook.given_up)
    pipeline.hset(keys.WEBHOOK_STATES, batch, msgspec.json.encode(state))
    await pipeline.execute()


def _entry(id_: str, event: str, data: bytes) -> bytes:
    """A line of an outbox, with the body that the earlier version would have sent."""
    body = {"type": event, "timestamp": when(id_), "data": msgspec.Raw(data)}
    return f"{id_} {event} ".encode() + msgspec.json.encode(body)
