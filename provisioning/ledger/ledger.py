"""
The ledger: one Redis with transitions (to change it) and queries (to read it).

`check` refuses a Redis that is not fit for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from typing import Any, Self, TypeVar, cast

import msgspec
from redis.asyncio import Redis

from provisioning.config.settings import Settings
from provisioning.errors import ContractError
from provisioning.ledger import keys
from provisioning.ledger.bulk_acts import BulkActs
from provisioning.ledger.client import connect
from provisioning.ledger.drafts import Drafts
from provisioning.ledger.encryption import Encryption, KeylessError, SealedError, load_masters
from provisioning.ledger.events import Events
from provisioning.ledger.fitness import check_eviction, check_version
from provisioning.ledger.idempotency import Idempotency
from provisioning.ledger.migration import MIGRATED, migrate
from provisioning.ledger.operations import Operations
from provisioning.ledger.pipelined import Pipelined
from provisioning.ledger.primary import Primary
from provisioning.ledger.queries import Queries
from provisioning.ledger.records import Claims
from provisioning.ledger.schema import FORMAT, Elsewhere
from provisioning.ledger.scripts import Call, Clock, Scripts
from provisioning.ledger.sessions import Sessions
from provisioning.ledger.sign_in_attempts import SignInAttempts
from provisioning.ledger.tokens import AccessTokens
from provisioning.ledger.users import Users
from provisioning.ledger.webhooks import WebhookStore
from provisioning.observability.log_events import BODY_UNOPENED
from provisioning.observability.logs import log_event

T = TypeVar("T")


class Ledger:
    """
    The record of every job, stored in Redis.

    Attributes:
        queries: batches and jobs, as they are now.
        operations: actions of people: pause, resume, cancel, redrive, resolve.
        bulk_acts: actions on many jobs, which a server carries out in the background.
        drafts: files under way in the console.
        idempotency: requests that were answered under a key.
        tokens: access tokens of the HTTP API.
        users: people who sign in to the web console with a password.
        sign_in_attempts: how often that went wrong.
        events: events of batches and single jobs, and actions of people.
        webhooks: addresses that are notified of them.
        replicas: number that must have confirmed an intent, an answer or an acceptance before it counts.
        primary: the Redis to which its connections lead.
    """

    def __init__(
        self,
        redis: Redis,
        clock: Clock | None = None,
        *,
        masters: str = "",
        replicas: int = 0,
        primary: Primary | None = None,
    ) -> None:
        self.redis = redis
        self.primary = primary or Primary()
        self.encryption = Encryption(redis, load_masters(masters))
        self.replicas = replicas
        self._scripts = Scripts(redis, clock, replicas=replicas)
        self.queries = Queries(redis, self.do, self.encryption)
        self.operations = Operations(redis, self.do, self.encryption)
        self.bulk_acts = BulkActs(redis, self.do, self.encryption, self.operations)
        self.drafts = Drafts(redis, self.encryption)
        self.idempotency = Idempotency(redis)
        self.sessions = Sessions(redis)
        self.tokens = AccessTokens(redis, self.do)
        self.users = Users(redis, self.tokens)
        self.sign_in_attempts = SignInAttempts(redis)
        self.events = Events(redis)
        self.webhooks = WebhookStore(redis, self.do, self.encryption)

    @classmethod
    def at(cls, url: str, *, connections: int = 16, masters: str = "", replicas: int = 0) -> Self:
        """
        A ledger in the Redis at `url`; nothing is connected until it is used.

        Args:
            masters: `Settings.masters`; empty for a ledger that is not encrypted.
            replicas: `Settings.redis_replicas`.
        Raises: ConfigurationError if these are no keys.
        """
        primary = Primary()
        redis = connect(url, connections, prepare=primary.check)
        return cls(redis, masters=masters, replicas=replicas, primary=primary)

    @classmethod
    def of(cls, settings: Settings, *, connections: int = 16) -> Self:
        """
        The ledger of these settings; nothing is connected until it is used.

        Raises: ConfigurationError if the master keys are invalid.
        """
        return cls.at(
            settings.redis or "",
            connections=connections,
            masters=settings.masters,
            replicas=settings.redis_replicas,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self.redis.aclose()

    async def do(self, call: Call[T]) -> T:
        """Executes one transition. Raises: LedgerUnavailableError."""
        [reply] = await self.do_all([call])
        return cast(T, reply)

    async def do_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """
        Executes transitions in one pipeline, each atomic by itself; replies in order.

        Raises: LedgerUnavailableError; it is then unknown which were executed, and each may be repeated.
        """
        replies = await self._scripts.run(await self.encryption.outgoing(calls))
        return [await self._completed(call, reply) for call, reply in zip(calls, replies, strict=True)]

    async def do_pipelined(self, calls: AsyncIterable[Call[T]]) -> AsyncGenerator[T, None]:
        """
        Executes one transition after the other, without waiting for each reply; replies in order.

        Raises: as `do_all`.
        """
        async with Pipelined(self.redis, self._scripts) as turns:
            sent: deque[Call[T]] = deque()
            async for call in calls:
                [outgoing] = await self.encryption.outgoing([call])
                sent.append(call)
                for reply in await turns.send(outgoing):
                    yield await self._completed(sent.popleft(), reply)
            for reply in await turns.rest():
                yield await self._completed(sent.popleft(), reply)

    async def _completed(self, call: Call[T], reply: Any) -> T:
        """A reply after the steps that need keys: bodies of claims decrypted, jobs given to their batches."""
        if isinstance(reply, Claims):
            return cast(T, await self._opened(reply))
        if call.again:
            for which in range(len(reply)):
                while isinstance(word := reply[which], Elsewhere):
                    [[reply[which]]] = await self._scripts.run(
                        await self.encryption.outgoing([call.again(which, word.batch)])
                    )
        return cast(T, reply)

    async def _opened(self, claims: Claims) -> Claims:
        """
        The claims with decrypted bodies, and those that need other keys. A body that is missing or damaged is
        in neither list: its job keeps its lease, and is queued again when that lapses. It must not block the
        jobs that were claimed with it.
        """
        jobs, sealed = [], []
        for job in claims.jobs:
            try:
                body = await self.encryption.open(job.body)
            except KeylessError:
                sealed.append(job)
                continue
            except SealedError as error:
                log_event(BODY_UNOPENED, job_id=job.job_id, batch_id=job.batch, error=error)
                continue
            if not body:
                log_event(BODY_UNOPENED, job_id=job.job_id, batch_id=job.batch)
                continue
            jobs.append(job if body is job.body else msgspec.structs.replace(job, body=body))
        return msgspec.structs.replace(claims, jobs=jobs, sealed=sealed)

    async def expose(self, exposed: bool) -> None:
        """Records whether this Redis may lose acknowledged writes: in a power cut, or in a failover."""
        await self.primary.expose(self.redis, exposed)

    async def check(self) -> None:
        """
        Checks that this Redis answers and does not evict keys, and converts the data of a former version of
        this program.

        Raises: LedgerUnavailableError if it is unavailable; LedgerUnfitError if it is too old, or evicts keys
            when memory is full; ContractError if another version of this program has its jobs there, or
            workers of the former one are running.
        """
        server = await self.redis.info("server")
        memory = await self.redis.info("memory")
        client: Any = self.redis
        kept = await client.get(keys.FORMAT)
        used = kept is not None or await client.exists(keys.BATCHES)
        if used and kept not in (FORMAT, *MIGRATED):
            raise ContractError(
                f"the jobs in this Redis are kept in format {(kept or b'1').decode()}, and this program"
                f" knows {FORMAT.decode()}",
                hint="use the version of the program that wrote them, or another Redis",
            )
        check_version(str(server["redis_version"]))
        check_eviction(memory.get("maxmemory_policy", "noeviction"))
        if kept in MIGRATED:
            await migrate(self.redis, self.queries, self.encryption)
