"""
The documented endpoint, and the state behind it.

The steps of a POST, in the order of `Sandbox._conduct`: the credential's rate limit, the latency, the faults
of stage `door`, the credential itself, the body, the magic bot ids, the faults of stage `work`; then the
widget is created, and the faults of stage `made` may still lose its answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakSet

from aiohttp import web

from sandbox import contract, wire
from sandbox.conduct import Conduct, Whole, status_of
from sandbox.contract import Answer, Order
from sandbox.draws import digest, draw
from sandbox.faults import ActiveFaults, Case, Chance, Stage
from sandbox.pace import Bucket, Latency, Limit
from sandbox.register import Register
from sandbox.scenarios import SCENARIOS, Scenario
from sandbox.traffic import Last, Traffic

DEFAULT_CLIENTS: Mapping[str, str] = {"sandbox": "sandbox"}


@dataclass(frozen=True)
class Options:
    """
    Options of a sandbox.

    Attributes:
        seed: random seed; the same seed and the same bodies give the same run.
        clients: secret by client id.
        faults: added to the scenario's; one of the same name replaces it.
        latency: None for that of the scenario.
        limit: per credential; None is no limit.
    """

    seed: int = 1
    scenario: Scenario = SCENARIOS["calm"]
    faults: tuple[Chance, ...] = ()
    latency: Latency | None = None
    limit: Limit | None = None
    clients: Mapping[str, str] = field(default_factory=lambda: DEFAULT_CLIENTS)


class Sandbox:
    """A simulated API: creates widgets, records them, and applies faults."""

    def __init__(self, options: Options) -> None:
        self.seed = options.seed
        self.clients = options.clients
        self._forget(in_flight=0)
        self.misbehave(
            options.scenario.name,
            [*options.scenario.chances(), *options.faults],
            options.latency or options.scenario.pace(),
            options.limit,
        )

    def misbehave(self, scenario: str, chances: list[Chance], latency: Latency, limit: Limit | None) -> None:
        """Apply these faults, latency and limit from the next request on."""
        self.scenario = scenario
        self.active_faults = ActiveFaults(self.seed, chances)
        self.latency = latency
        self.limit = limit
        self._buckets: dict[str, Bucket] = {}

    def reset(self) -> None:
        """Delete all widgets and counts; faults are kept, requests in flight continue."""
        self._forget(self.traffic.in_flight)

    def _forget(self, in_flight: int) -> None:
        self.register = Register(self.seed)
        self.traffic = Traffic(in_flight=in_flight, peak_in_flight=in_flight)
        self.last: Last | None = None
        self._connections: WeakSet[asyncio.Task[None]] = WeakSet()

    async def create_widget(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/widget/create`."""
        self.traffic.entered()
        try:
            conduct = await self._conduct(request)
            self.traffic.statuses[status_of(conduct)] += 1
            return await wire.deliver(request, conduct)
        finally:
            self.traffic.left()

    async def _conduct(self, request: web.Request) -> Conduct:
        authorization = request.headers.get("Authorization")
        client = contract.identify(authorization, self.clients)
        self._note_arrival(request, client, authorization)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return Whole(contract.too_large())
        except (OSError, web.RequestPayloadError):
            return Whole(contract.bad_request("The body could not be read"))
        self.last = Last(list(request.headers.items()), body)
        body_digest = digest(body)
        nth = self.register.see(body_digest)

        # A limit answers at once, as gateways do, and only proven credentials have a bucket.
        if isinstance(client, str) and (wait := self._over_limit(client)) is not None:
            return Whole(contract.too_many(wait))
        if self.latency.most:
            await asyncio.sleep(self.latency.seconds(draw(self.seed, "latency", body_digest, nth)))

        if befallen := self._befallen(Stage.DOOR, body_digest, nth):
            return befallen
        order = self._order(client, request.headers.get("Content-Type"), body, body_digest)
        if isinstance(order, Answer):
            return Whole(order)
        if befallen := self._befallen(Stage.WORK, body_digest, nth):
            return befallen
        widget = self.register.create(order, body_digest, time.time())
        due = contract.created(order, widget)
        return self._befallen(Stage.MADE, body_digest, nth, due) or Whole(due)

    def _order(
        self, client: str | Answer, content_type: str | None, body: bytes, body_digest: bytes
    ) -> Order | Answer:
        """The requested widget, or the refusal by the contract."""
        if isinstance(client, Answer):
            return client
        form = body_digest[0]
        if client.startswith(contract.MAGIC_CLIENT):
            return contract.no_company(form)
        order = contract.read(content_type, body)
        if isinstance(order, Answer):
            return order
        if order.misspelt:
            self.traffic.misspelt_lists += 1
        return contract.magic(order.bot_id, form) or order

    def _befallen(
        self, stage: Stage, body_digest: bytes, nth: int, due: Answer | None = None
    ) -> Conduct | None:
        """The conduct by a fault of this stage; None if none applies."""
        chance = self.active_faults.drawn(stage, body_digest, nth)
        if chance is None:
            return None
        self.traffic.faults[chance.fault.name] += 1
        form = body_digest[0] + nth  # so that repeats of one body meet the other spellings too
        case = Case(argument=chance.argument, form=form) if due is None else Case(due, chance.argument, form)
        return chance.fault.play(case)

    def _note_arrival(self, request: web.Request, client: str | Answer, authorization: str | None) -> None:
        claimed = client if isinstance(client, str) else contract.basic_pair(authorization or "")[0]
        self.traffic.arrived(claimed, time.time())
        # One task serves one connection for as long as it lives; sockets' ports come round again.
        if request.task not in self._connections:
            self._connections.add(request.task)
            self.traffic.connections += 1

    def _over_limit(self, client: str) -> int | None:
        """Seconds to wait if the credential has used up its rate; None if it has not."""
        if self.limit is None:
            return None
        now = time.monotonic()
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = Bucket(self.limit, now)
        return bucket.take(now)
