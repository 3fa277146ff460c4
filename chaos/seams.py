"""
Where the checkpoints lie: the seams of the real program, wrapped from outside.

Only what every job must come by is wrapped: `Pipelined.say` for chunks, `Ledger.do_all` for all else, the
evidence of a `Wire`, aiohttp's own hook for new connections, `Notifier.ring`. Nothing in production code
knows of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp

from chaos.fuse import Fuse
from chaos.gauge import Gauge
from provisioning.attempt import Evidence
from provisioning.broker.queue import Notifier
from provisioning.ledger import Intent, Ledger
from provisioning.ledger.pipelined import Pipelined
from provisioning.ledger.schema import Answer
from provisioning.ledger.scripts import Call

AT_WORK = 0.03
"""Seconds after the first byte by which a request on loopback has arrived whole; the sandbox takes longer."""

ON_ITS_WAY = 0.002
"""Seconds after which a chunk has left for Redis, which takes some more to record it."""

_Post = tuple[str, Any, Any]
"""Batch, number and token of a job: one POST at a time bears them."""


def watch_ledger(fuse: Fuse, gauge: Gauge) -> None:
    """Passes the checkpoints around the calls of `Ledger.do_all`, and keeps count of what is in flight."""
    real = Ledger.do_all
    in_flight: set[_Post] = set()

    async def do_all(self: Ledger, calls: Sequence[Call[Any]]) -> list[Any]:
        if any(call.script == "answered" for call in calls):
            fuse.burn("before-result-written")
        for call in calls:
            in_flight.update(_intents(call))
        gauge.show(in_flight=len(in_flight))
        replies = await real(self, calls)
        for call, reply in zip(calls, replies, strict=True):
            in_flight.difference_update(_refused(call, reply), _answers(call))
        gauge.show(in_flight=len(in_flight))
        for call, reply in zip(calls, replies, strict=True):
            if call.script == "claim" and reply.jobs:
                fuse.burn("after-claim")
            elif call.script == "sending" and any(grant.go for grant in reply):
                fuse.burn("after-intent")
            elif call.script == "answered":
                fuse.burn("after-result-written")
        return replies

    Ledger.do_all = do_all  # type: ignore[method-assign]


def watch_chunks(fuse: Fuse) -> None:
    """Passes a checkpoint whenever a chunk of a submission is on its way."""
    real = Pipelined.send

    async def send(self: Pipelined, call: Call[Any]) -> list[Any]:
        asyncio.get_running_loop().call_later(ON_ITS_WAY, fuse.burn, "inside-a-chunk")
        return await real(self, call)

    Pipelined.send = send  # type: ignore[method-assign]


def _intents(call: Call[Any]) -> list[_Post]:
    if call.script != "sending":
        return []
    return [(call.key, row.number, row.token) for row in call.rows if isinstance(row, Intent)]


def _refused(call: Call[Any], reply: Any) -> list[_Post]:
    intents = _intents(call)
    return [post for post, grant in zip(intents, reply, strict=True) if not grant.go] if intents else []


def _answers(call: Call[Any]) -> list[_Post]:
    if call.script != "answered":
        return []
    answers = [row.said for row in call.rows if isinstance(row, Answer)]
    return [(call.key, each.number, each.token) for each in answers]


def watch_wire(fuse: Fuse) -> None:
    """Passes a checkpoint whenever the evidence of a POST grows."""
    from worker.execution import executor, transport

    class WatchedWire(transport.Wire):
        __slots__ = ()

        def __setattr__(self, name: str, value: Any) -> None:
            before = getattr(self, name, None)
            super().__setattr__(name, value)
            if name != "evidence":
                return
            if before is Evidence.NOTHING_SENT and value is Evidence.SENT:
                asyncio.get_running_loop().call_later(AT_WORK, self._burn_if_unanswered)
            elif value is Evidence.STATUS_SEEN:
                fuse.burn("after-status")
            elif value is Evidence.ANSWERED:
                fuse.burn("after-answer")

        def _burn_if_unanswered(self) -> None:
            if self.evidence is Evidence.SENT and not self.cause:
                fuse.burn("after-request-sent")

    executor.Wire = WatchedWire  # type: ignore[attr-defined]


def watch_connecting(fuse: Fuse) -> None:
    """Passes a checkpoint whenever aiohttp begins to make a connection."""
    from worker.execution import transport

    real = transport._trace_config

    async def connecting(_session: Any, _wire: Any, _params: Any) -> None:
        asyncio.get_running_loop().call_soon(fuse.burn, "while-connecting")

    def trace_config() -> aiohttp.TraceConfig:
        config = real()
        config.on_connection_create_start.append(connecting)
        return config

    transport._trace_config = trace_config


def watch_doorbell(fuse: Fuse) -> None:
    """Passes a checkpoint before every ring; a worker's and a submission's are told apart by name."""
    real = Notifier.notify

    def notify(self: Notifier, batch: str) -> None:
        fuse.burn("before-ring")
        fuse.burn("before-first-ring")
        real(self, batch)

    Notifier.notify = notify  # type: ignore[method-assign]
