"""
The engine: one asyncio loop a worker process, in which every job of that worker is executed.

The feed claims as many jobs as there is room for, the pool executes them under flow control, and periodic
tasks handle leases, lapsed jobs, rates and retention. A notification only saves time, because every engine
checks for work and for lapsed leases once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from provisioning.config.credentials import Credential
from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Ledger, WorkerSign
from provisioning.ledger.reaper import Reaper
from provisioning.ledger.server import clock_skew
from provisioning.observability import log_events
from provisioning.observability.logs import log_event
from worker.dispatch.feed import Feed
from worker.dispatch.ledger_guard import LedgerGuard
from worker.dispatch.periodic import TICK, BackgroundTasks, PeriodicTasks
from worker.dispatch.pool import ExecutorPool
from worker.dispatch.registry import UNSUPERVISED, Supervision, WorkerRegistry
from worker.dispatch.rescuer import Rescuer
from worker.events.telemetry import Listener, Telemetry
from worker.execution.api import Timeouts, WidgetApi
from worker.execution.brakes import Brakes
from worker.execution.executor import Dependencies, WorkerContext
from worker.execution.flow_control import FlowControl
from worker.execution.policy import RetryPolicy
from worker.execution.recorder import Recorder
from worker.execution.transport import AiohttpTransport
from worker.flow.concurrency_limit import ConcurrencyLimit
from worker.flow.credential_queue import ConcurrencySlots
from worker.flow.probing import Probing
from worker.flow.queues import CredentialQueues
from worker.flow.rate_learner import RateLearner

BROKER_TICK = 3.0
"""Seconds between counts of the messages that wait on a separate broker."""

REAPER_TICK = 5.0
"""Seconds between steps of the reaper: some 500 jobs of each of 20 batches, a few ms of Redis' time each."""

COMMON = ("api_url", "rate", "attempts", "lease", "on_in_doubt", "stop_loss", "redis_replicas")
"""Settings that should be equal on all workers of a ledger; each registers its own."""

GRACE = 7.0
"""Seconds that POSTs in flight have to be answered when the worker stops; a supervisor often kills at 10."""


class Engine:
    """
    Executes jobs on the running loop.

    Args:
        name: the worker's, as in Celery; it is recorded in every attempt.
        notify: notifies other workers of a batch that has more jobs than this one claims. May block; called
            off the loop.
        supervision: the interface to the watchdog of its process.
        listeners: called with every telemetry event.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        credentials: Mapping[str, Credential],
        *,
        name: str,
        notify: Callable[[str], None],
        supervision: Supervision = UNSUPERVISED,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._ledger = ledger
        self._profile = WorkerSign(
            name=name,
            at=0.0,
            in_flight=0,
            limit=0,
            in_hand=0,
            credentials=sorted(credentials),
            settings={setting: str(getattr(settings, setting)) for setting in COMMON},
        )
        self._background = BackgroundTasks()
        self._periodic = PeriodicTasks()
        self._room = asyncio.Event()
        telemetry = Telemetry(listeners)
        self._deps = Dependencies(
            worker=WorkerContext(name, settings.api_url, settings.lease, stopping=asyncio.Event()),
            api=_api(settings),
            recorder=_recorder(settings, ledger, name),
            policies=_policies(settings),
            flow=self._flow_control(settings, telemetry),
            brakes=Brakes(ledger, telemetry, worker=name, target=settings.api_url),
            telemetry=telemetry,
        )
        self._pool = ExecutorPool(
            ledger,
            self._deps,
            credentials,
            most=settings.max_in_flight,
            background=self._background,
            on_idle=self._room.set,
        )
        self._guard = LedgerGuard(ledger, self._deps.recorder, self._pool.in_hand)
        self._feed = Feed(
            ledger,
            self._deps.worker,
            self._pool,
            self._deps.flow,
            background=self._background,
            notify=notify,
            make_sure=self._guard.make_sure,
            room=self._room,
        )
        self._registry = WorkerRegistry(ledger, name=name, supervision=supervision)
        self._rescuer = Rescuer(
            ledger, telemetry, on_in_doubt=settings.on_in_doubt, attempts=settings.attempts
        )
        self._reaper = Reaper(ledger, settings.retention_days)

    def _flow_control(self, settings: Settings, telemetry: Telemetry) -> FlowControl:
        slots = ConcurrencySlots(ConcurrencyLimit(settings.max_in_flight))
        return FlowControl(
            slots,
            CredentialQueues(self._ledger, slots, rate=settings.rate, on_room=self._room.set),
            Probing(slots, self, telemetry),
            RateLearner(self._ledger, worker=self._profile.name),
            retry_after_cap=settings.retry_after_cap,
            in_background=self._background.run_unless_lost,
        )

    async def start(self) -> None:
        """Starts to look for work."""
        flow = self._deps.flow
        await self._deps.api.__aenter__()
        self._ledger.primary.on_change.append(self._note_new_primary)
        self._deps.recorder.start()
        self._periodic.every(TICK, "look", self._look)
        self._periodic.every(self._deps.worker.lease / 4, "renew", self._pool.renew)
        self._periodic.every(0.0, "feed", self._feed.step)
        self._periodic.run("turn", self._registry.show_turns())
        self._periodic.every(REAPER_TICK, "reap", self._reap)
        self._periodic.every(0.0, "probe", flow.probing.step)
        self._periodic.every(TICK, "learn", flow.update_rates)
        if self._registry.has_own_broker:
            self._periodic.every(BROKER_TICK, "ask the broker", self._registry.ask_broker)

    async def stop(self) -> None:
        """
        Returns waiting jobs to the queue, waits for POSTs in flight and their records, and ends within
        `GRACE` s.

        A POST that is still without an answer then is recorded as in doubt.
        """
        self._deps.worker.stopping.set()
        await self._feed.end_claims(1.0)
        self._periodic.cancel("look", "feed", "probe")
        self._pool.call_off("shutdown", lambda each: not each.sending)
        await self._pool.wait(GRACE)
        self._pool.call_off("shutdown")
        await self._pool.wait(1.0)
        self._periodic.cancel()
        await self._deps.recorder.stop()
        await self._deps.api.__aexit__(None, None, None)
        with contextlib.suppress(LedgerUnavailableError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._registry.sign_off()
        await self._ledger.close()

    @property
    def in_hand(self) -> int:
        """Jobs under a lease of this worker, in any phase."""
        return len(self._pool)

    async def drain(self, batch: str) -> int:
        """
        Claims what this worker has room for of a batch and starts to execute it.

        Returns: how many jobs were claimed. What is left is claimed as room appears.
        """
        return await self._feed.drain(batch)

    def state(self) -> WorkerSign:
        """What this worker is doing now. Only counts are read, so any thread may call it."""
        flow, now = self._deps.flow, time.time()
        return msgspec.structs.replace(
            self._profile,
            at=now,
            in_flight=flow.slots.taken,
            limit=flow.limit.whole,
            in_hand=len(self._pool),
            refused=round(flow.limit.share, 3),
            outage=flow.probing.outage(now),
            rates=flow.learner.rates,
        )

    # --- What probing needs (`probing.Rows`) ---

    async def send_probes(self, count: int) -> int:
        """As `Feed.send_probes`, from all active batches, in any order."""
        batches = await self._ledger.queries.active()
        random.shuffle(batches)
        return await self._feed.send_probes(batches, count)

    async def hand_back(self, reason: str) -> int:
        """As `ExecutorPool.hand_back`."""
        return await self._pool.hand_back(reason)

    def go_on(self) -> None:
        """Continues to claim, now that the API is up."""
        self._room.set()
        self._background.run_unless_lost("look", self._look())

    # --- Periodic and background tasks ---

    async def _look(self) -> None:
        """Settles lapsed leases and claims from batches of which no notification arrived."""
        await self._guard.make_sure()
        await self._registry.sign(self.state())
        self._deps.recorder.to_restore.drop_old()
        active = await self._ledger.queries.active()
        self._feed.backlog.keep_only(set(active), time.monotonic())
        if not active:
            return
        async for batch in self._rescuer.run_once(active):
            await self._feed.drain(batch)

    async def _reap(self) -> None:
        """Deletes some data that is past its retention; any number of workers may do so at once."""
        skew = round(await clock_skew(self._ledger), 3)
        self._profile = msgspec.structs.replace(self._profile, skew=skew)
        gone = await self._reaper.run_once(time.time())
        if gone.total():
            log_event(log_events.BATCH_REAPED, **{str(kept): count for kept, count in gone.items()})

    def _note_new_primary(self) -> None:
        self._background.run(self._guard.restore())


def _api(settings: Settings) -> WidgetApi:
    return WidgetApi(
        settings.api_url,
        timeouts=Timeouts(
            connect=settings.connect_timeout, write=settings.write_timeout, read=settings.read_timeout
        ),
        transport=AiohttpTransport(ca_file=str(settings.ca_file) if settings.ca_file else None),
    )


def _recorder(settings: Settings, ledger: Ledger, worker: str) -> Recorder:
    return Recorder(
        ledger,
        worker=worker,
        lease=settings.lease,
        target=settings.api_url,
        stop_loss=settings.stop_loss,
    )


def _policies(settings: Settings) -> dict[str, RetryPolicy]:
    """The retry policy by what a batch chooses to do in doubt; "" where it chooses nothing."""
    usual = RetryPolicy(
        attempts=settings.attempts,
        backoff=settings.backoff_base,
        factor=settings.backoff_factor,
        cap=settings.backoff_cap,
        budget=settings.backoff_budget,
        retry_after_cap=settings.retry_after_cap,
        on_in_doubt=settings.on_in_doubt,
    )
    return {
        "": usual,
        "hold": replace(usual, on_in_doubt="hold"),
        "retry": replace(usual, on_in_doubt="retry"),
    }
