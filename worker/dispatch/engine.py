"""
The engine: one asyncio loop a worker process, in which every job of that worker is performed.

A drain feeds it: it claims what there is room for and returns at once. What could not be taken up is
claimed by the engine itself as room appears, batch after batch in turn; a ring is only the quick way
to be told of a batch, since once a second every engine looks for work and for lapsed leases.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, TypeVar

from provisioning.checks.finding import Level
from provisioning.checks.redis_server import judge_redis, may_lose_writes
from provisioning.config.credentials import Credential
from provisioning.config.settings import Settings
from provisioning.errors import LedgerUnavailableError, LedgerUnfitError
from provisioning.health.liveness import Liveness
from provisioning.ledger import Affirmation, Claim, Claims, Deferral, Ledger, WorkerSign, transitions
from provisioning.ledger.reaper import Reaper
from provisioning.ledger.server import clock_skew, read_facts
from provisioning.observability import log_events
from provisioning.observability.logs import log_event
from worker.dispatch.registry import WorkerRegistry
from worker.dispatch.rescuer import Rescuer
from worker.events.telemetry import Claimed, Listener, Telemetry
from worker.execution.api import Timeouts, WidgetApi
from worker.execution.brakes import Brakes
from worker.execution.executor import Dependencies, JobExecutor, WorkerContext
from worker.execution.flow_control import FlowControl
from worker.execution.policy import RetryPolicy
from worker.execution.recorder import Recorder
from worker.execution.transport import AiohttpTransport
from worker.flow.credential_queue import ConcurrencySlots
from worker.flow.limit import ConcurrencyLimit
from worker.flow.probing import Probing
from worker.flow.queues import CredentialQueues
from worker.flow.rate_learner import RateLearner

T = TypeVar("T")

SLICE = 100
"""Jobs that one claim takes at most: about a millisecond of Redis' time, a tenth of a second of POSTs."""

HELD_PER_SLOT = 20
"""Jobs in hand per slot, those in backoff included: 10 000 at 500 slots, some 30 MB."""

TICK = 1.0
"""Seconds between looks for unrung batches and lapsed leases: what a lost ring costs."""

BROKER_TICK = 3.0
"""Seconds between looks at how many messages wait on a broker of its own."""

REAPER_TICK = 5.0
"""Seconds between steps of the reaper: some 500 jobs of each of 20 batches, a few ms of Redis' time each."""

DURABILITY = ("redis.role", "redis.persistence")
"""Checks of a Redis that say what a failover and a power cut would cost."""

COMMON = ("api_url", "rate", "attempts", "lease", "on_in_doubt", "stop_loss", "redis_replicas")
"""Settings in which all workers of a ledger should agree; each shows its own with its signs."""

GRACE = 7.0
"""Seconds that POSTs in flight have to be answered when the worker stops; a supervisor often kills at 10."""


class Engine:
    """
    Performs jobs on the running loop.

    Args:
        name: the worker's, as Celery has it; it stands in every attempt.
        ring: tells other workers of a batch that has more than this one takes up. May block; called
            off the loop.
        signs: where it shows the watchdog that it is alive.
        beat: called once a second by the loop, after its sign.
        waiting: asks the broker how many messages wait, where that is not the ledger's Redis. May block;
            called off the loop.
        listeners: who is told of what happens to its jobs.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        credentials: dict[str, Credential],
        *,
        name: str,
        ring: Callable[[str], None],
        signs: Liveness | None = None,
        beat: Callable[[], None] = lambda: None,
        waiting: Callable[[], int] | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._credentials = credentials
        self._name = name
        self._ring = ring
        self._signs = signs
        self._beat = beat
        self._waiting = waiting
        self._common = {name: str(getattr(settings, name)) for name in COMMON}
        self._skew = 0.0
        self._ledger_is_fit = False
        self._telemetry = Telemetry(listeners)
        self._presence = WorkerRegistry(ledger, name=name, signs=signs, waiting=waiting)
        self._brakes = Brakes(ledger, self._telemetry, worker=name, target=settings.api_url)
        self._rescuer = Rescuer(
            ledger, self._telemetry, on_in_doubt=settings.on_in_doubt, attempts=settings.attempts
        )
        self._room = asyncio.Event()
        self._limit = ConcurrencyLimit(settings.max_in_flight)
        self._slots = ConcurrencySlots(self._limit)
        self._probing = Probing(self._slots, self, self._telemetry)
        self._lines = CredentialQueues(ledger, self._slots, rate=settings.rate, on_room=self._room.set)
        self._flow = FlowControl(
            self._slots,
            self._lines,
            self._probing,
            RateLearner(ledger, worker=name),
            retry_after_cap=settings.retry_after_cap,
            in_background=lambda doing, task: self._in_background(self._unless_lost(doing, task)),
        )
        self._most_held = settings.max_in_flight * HELD_PER_SLOT
        self._held: dict[JobExecutor, asyncio.Task[None]] = {}
        self._backlog: dict[str, None] = {}  # batches with more than we could take up, in turn
        self._credentials_of: dict[str, set[str]] = defaultdict(set)  # of the hungry batches, as far as seen
        self._draining: set[str] = set()
        self._shared: dict[str, float] = {}  # batch → when we last rang for it, monotonic
        self._due: dict[str, asyncio.TimerHandle] = {}
        self._periodic: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[Any]] = set()
        self._telling = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._recorder = Recorder(
            ledger,
            worker=name,
            lease=settings.lease,
            target=settings.api_url,
            stop_loss=settings.stop_loss,
        )
        self._api = WidgetApi(
            settings.api_url,
            timeouts=Timeouts(
                connect=settings.connect_timeout,
                write=settings.write_timeout,
                read=settings.read_timeout,
            ),
            transport=AiohttpTransport(ca_file=str(settings.ca_file) if settings.ca_file else None),
        )
        self._reaper = Reaper(ledger, settings.retention_days)
        self._equipment = Dependencies(
            api=self._api,
            recorder=self._recorder,
            policies={
                "": _policy(settings, settings.on_in_doubt),
                "hold": _policy(settings, "hold"),
                "retry": _policy(settings, "retry"),
            },
            worker=WorkerContext(name, settings.api_url, settings.lease, self._stopping),
            flow=self._flow,
            brakes=self._brakes,
            telemetry=self._telemetry,
        )

    async def start(self) -> None:
        """Begins to look for work."""
        await self._api.__aenter__()
        self._ledger.primary.on_change.append(self._note_new_primary)
        self._recorder.start()
        self._periodic = [
            asyncio.create_task(self._for_ever("look", TICK, self._look), name="look"),
            asyncio.create_task(self._for_ever("renew", self._settings.lease / 4, self._renew), name="renew"),
            asyncio.create_task(self._feed(), name="feed"),
            asyncio.create_task(self._turn(), name="turn"),
            asyncio.create_task(self._for_ever("reap", REAPER_TICK, self._reap), name="reap"),
            asyncio.create_task(self._for_ever("probe", 0.0, self._probing.step), name="probe"),
            asyncio.create_task(self._for_ever("learn", TICK, self._flow.update_rates), name="learn"),
        ]
        if self._waiting is not None:
            asking = self._for_ever("ask the broker", BROKER_TICK, self._presence.ask_broker)
            self._periodic.append(asyncio.create_task(asking, name="ask the broker"))

    async def stop(self) -> None:
        """
        Hands back what waits, lets what is in flight be answered and recorded, and ends within `GRACE` s.

        A POST that is still without an answer by then is recorded as in doubt.
        """
        self._stopping.set()
        await self._end_claims()
        for task in self._periodic:
            if task.get_name() in ("look", "feed", "probe"):
                task.cancel()
        self._call_off("shutdown", lambda each: not each.sending)
        await self._settle(GRACE)
        self._call_off("shutdown")
        await self._settle(1.0)
        for task in self._periodic:
            task.cancel()
        await self._recorder.stop()
        await self._api.__aexit__(None, None, None)
        with contextlib.suppress(LedgerUnavailableError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._presence.sign_off()
        await self._ledger.close()

    async def _end_claims(self) -> None:
        """Lets a claim under way come back: what it brings is to be handed back, not left to its lease."""
        deadline = time.monotonic() + 1.0
        while True:
            # At least once: a job that is called off before its first step could not hand itself back.
            await asyncio.sleep(0.01)
            if not self._draining or time.monotonic() > deadline:
                return

    async def _settle(self, seconds: float) -> None:
        if self._held:
            await asyncio.wait(list(self._held.values()), timeout=seconds)

    def _call_off(
        self, reason: str, which: Callable[[JobExecutor], bool] = lambda _: True
    ) -> list[asyncio.Task[None]]:
        """Has those jobs hand themselves back."""
        chosen = {each: task for each, task in self._held.items() if which(each)}
        for performance, task in chosen.items():
            performance.called_off = reason
            task.cancel()
        return list(chosen.values())

    @property
    def in_hand(self) -> int:
        """Jobs held under a lease, in whatever phase."""
        return len(self._held)

    async def drain(self, batch: str) -> int:
        """
        Claims what this worker has room for of a batch and begins to perform it.

        Returns: how many jobs were claimed. What is left is claimed as room appears.
        """
        if batch in self._draining or self._stopping.is_set():
            return 0
        self._draining.add(batch)
        try:
            return await self._claim(batch)
        finally:
            self._draining.discard(batch)

    async def _make_sure(self) -> None:
        """
        Looks at the ledger once before anything is done to it: this worker may have begun without a Redis.

        Raises: LedgerUnavailableError, LedgerUnfitError, ContractError.
        """
        if not self._ledger_is_fit:
            await self._ledger.check()
            await self._look_what_may_be_lost()
            self._ledger_is_fit = True

    async def _look_what_may_be_lost(self) -> None:
        facts = await read_facts(self._ledger)
        self._recorder.journal.on = may_lose_writes(facts)
        await self._ledger.expose(self._recorder.journal.on)
        for finding in judge_redis(facts):
            if finding.check in DURABILITY and finding.level is Level.WARNING:
                log_event(
                    log_events.LEDGER_EXPOSED, error=LedgerUnfitError(finding.said, hint=finding.advice)
                )

    def _note_new_primary(self) -> None:
        self._in_background(self._tell_new_primary())

    async def _tell_new_primary(self) -> None:
        """Tells a Redis that was restarted, or has taken over, what it may have lost of ours."""
        if self._recorder.journal.on:
            async with self._telling:
                held = [(each.job, each.granted) for each in self._held]
                words = await self._recorder.affirm(held)
            log_event(log_events.PRIMARY_CHANGED, **{str(word): words[word] for word in Affirmation})

    async def _claim(self, batch: str) -> int:
        await self._make_sure()
        claimed = 0
        while not self._stopping.is_set():
            most = min(SLICE, self._most_held - len(self._held))
            if most <= 0 or self._slots.closed:  # closed: only probes are claimed
                self._backlog[batch] = None
                break
            rooms = self._rooms(batch)
            claims = await self._ledger.do(
                transitions.claim(
                    batch,
                    worker=self._name,
                    lease=self._settings.lease,
                    target=self._settings.api_url,
                    most=most,
                    rooms=rooms,
                    usual_room=self._lines.usual_room,
                )
            )
            self._take_up_all(batch, claims)
            claimed += len(claims.jobs)
            if claims.next_due is not None:
                self._wake_at(batch, claims.next_due)
            if not claims.more:
                self._backlog.pop(batch, None)
                self._credentials_of.pop(batch, None)
                break
            self._backlog[batch] = None
            if len(claims.jobs) < most:
                if len(self._held) >= self._limit.whole:  # as much as can be on the wire
                    self._share(batch)
                break  # what is left wants room
        return claimed

    def _take_up_all(self, batch: str, claims: Claims, *, probe: bool = False) -> None:
        for job in claims.jobs:
            self._credentials_of[batch].add(job.credential)
            self._take_up(job, probe=probe)
        if claims.sealed:
            self._in_background(self._hand_back_sealed(batch, claims.sealed))

    async def send_probes(self, count: int) -> int:
        """
        Sends up to `count` rows that were never sent, from anywhere in any batch, while all others wait.

        Where there are such, one that was sent before goes with them: an API that answers each row with a
        failure at first, and then well, would never be found at work otherwise.

        Returns: how many were sent; 0 if none is left that was never sent.
        """
        batches = await self._ledger.queries.active()
        random.shuffle(batches)
        found = await self._claim_probes(batches, count, fresh=True)
        return found and found + await self._claim_probes(batches, 1, fresh=False)

    async def _claim_probes(self, batches: Sequence[str], count: int, *, fresh: bool) -> int:
        found = 0
        for batch in batches:
            if found == count or self._stopping.is_set():
                break
            draw = random.randrange(1 << 30) if fresh else transitions.SENT_BEFORE  # noqa: S311 - no secret
            claims = await self._ledger.do(
                transitions.claim(
                    batch,
                    worker=self._name,
                    lease=self._settings.lease,
                    target=self._settings.api_url,
                    most=count - found,
                    rooms={},
                    draw=draw,
                )
            )
            self._take_up_all(batch, claims, probe=True)
            found += len(claims.jobs)
        return found

    async def hand_back(self, reason: str) -> int:
        """Gives what is not being sent back to the ledger. Returns: how many rows that were."""
        await asyncio.sleep(0)  # a job that is called off before its first step could not hand itself back
        called_off = self._call_off(reason, lambda each: not (each.sending or each.probe))
        if called_off:
            await asyncio.wait(called_off)
        return len(called_off)

    def go_on(self) -> None:
        """Takes work up again, now that the API is up."""
        self._room.set()
        self._in_background(self._unless_lost("look", self._look()))

    async def _unless_lost(self, doing: str, errand: Coroutine[Any, Any, None]) -> None:
        """Does what is done again in time, should the ledger be away now."""
        try:
            await errand
        except LedgerUnavailableError as error:
            log_event(log_events.LEDGER_LOST, doing=doing, error=error)

    def _share(self, batch: str) -> None:
        """Tells other workers, now and then, of a batch that has more than we can take up."""
        now = time.monotonic()
        if now - self._shared.get(batch, 0.0) < TICK:
            return
        self._shared = {each: at for each, at in self._shared.items() if now - at < TICK} | {batch: now}
        self._in_background(self._ring_for(batch))

    async def _ring_for(self, batch: str) -> None:
        try:
            await asyncio.to_thread(self._ring, batch)
        except LedgerUnavailableError as error:
            log_event(log_events.RING_LOST, batch_id=batch, error=error)

    def _rooms(self, batch: str) -> dict[str, tuple[int, int]]:
        """
        Jobs to claim of each credential that has a line here, and how many if the batch is urgent.

        Batches that want the same line share its room; each has at least one place in a line that moves.
        """
        others = [self._credentials_of.get(each) for each in self._backlog if each != batch]
        rooms = {}
        for name, line in self._lines.items():
            sharers = 1 + sum(not wanted or name in wanted for wanted in others)
            rooms[name] = (-(-line.room // sharers), line.urgent_room)
        return rooms

    def _take_up(self, job: Claim, *, probe: bool = False) -> None:
        credential = self._credentials.get(job.credential)
        if credential is None:
            if probe:
                self._probing.probe_ended(failed=False)
            self._in_background(self._refuse(job))
            return
        performance = JobExecutor(job, credential, self._lines[job.credential], self._equipment, probe=probe)
        self._telemetry.publish(Claimed(job))
        task = asyncio.get_running_loop().create_task(performance.run())
        self._held[performance] = task
        task.add_done_callback(lambda _: self._let_go(performance))

    def _let_go(self, performance: JobExecutor) -> None:
        task = self._held.pop(performance)
        if not task.cancelled() and task.exception() is not None:
            # A bug, ours: the lease will lapse and the rescuer settle the job as its state demands.
            job = performance.job
            log_event(
                log_events.JOB_ABANDONED, job_id=job.job_id, batch_id=job.batch, exception=task.exception()
            )
        if self._backlog and not self._held:
            self._room.set()

    async def _refuse(self, job: Claim) -> None:
        await self._brakes.halt_missing_credential(job.credential)
        deferral = Deferral(job.number, job.token, 0.0, "no_credential")
        await self._recorder.deferred(job.batch, deferral)

    async def _hand_back_sealed(self, batch: str, jobs: Sequence[Claim]) -> None:
        # The brake first: what is queued again before it would be claimed again at once.
        await self._brakes.halt_sealed(batch)
        deferrals = (Deferral(job.number, job.token, 0.0, "sealed") for job in jobs)
        await asyncio.gather(*(self._recorder.deferred(batch, each) for each in deferrals))

    async def _turn(self) -> None:
        """Shows the watchdog that this loop turns."""
        while self._signs:
            self._signs.engine = time.monotonic()
            self._beat()
            await asyncio.sleep(TICK)

    async def _feed(self) -> None:
        """Claims for the batches we left something of, as room appears."""
        while True:
            await self._room.wait()
            self._room.clear()
            for batch in list(self._backlog):
                if not self._wants(batch):
                    continue
                # To the back first, so that another batch is the first to find room next time.
                self._backlog.pop(batch, None)
                self._backlog[batch] = None
                try:
                    await self.drain(batch)
                except LedgerUnavailableError as error:
                    log_event(log_events.LEDGER_LOST, doing="feed", error=error)
                    break
                except Exception as error:  # noqa: BLE001 - one batch must not keep the others from being fed
                    log_event(log_events.CHORE_FAILED, doing="feed", exception=error)

    def _wants(self, batch: str) -> bool:
        """Whether a line that a hungry batch has stood in has room again."""
        wanted = (
            self._credentials_of.get(batch) or self._lines
        )  # it found no room yet: any line may be its own
        return any(self._lines[name].room for name in wanted if name in self._lines)

    async def _look(self) -> None:
        """Settles lapsed leases and takes up what nobody rang for."""
        await self._make_sure()
        await self._presence.sign(self.state())
        self._recorder.journal.forget()
        active = await self._ledger.queries.active()
        for batch in self._backlog.keys() - set(active):  # cancelled, or finished by others
            self._backlog.pop(batch)
            self._credentials_of.pop(batch, None)
        if not active:
            return
        async for batch in self._rescuer.run_once(active):
            await self.drain(batch)

    async def _reap(self) -> None:
        """Lets go of a little of what is past its retention; any number of workers may do so at once."""
        self._skew = round(await clock_skew(self._ledger), 3)
        gone = await self._reaper.run_once(time.time())
        if gone.total():
            log_event(log_events.BATCH_REAPED, **{str(kept): count for kept, count in gone.items()})

    def state(self) -> WorkerSign:
        """What this worker is doing now. Only counts are read, so any thread may ask."""
        return WorkerSign(
            name=self._name,
            at=time.time(),
            in_flight=self._slots.taken,
            limit=self._limit.whole,
            in_hand=len(self._held),
            refused=round(self._limit.share, 3),
            outage=self._probing.outage(time.time()),
            rates=self._flow.learner.rates,
            credentials=sorted(self._credentials),
            settings=self._common,
            skew=self._skew,
        )

    async def _renew(self) -> None:
        by_batch: dict[str, list[JobExecutor]] = defaultdict(list)
        for performance in self._held:
            by_batch[performance.job.batch].append(performance)
        calls = []
        for batch, held in by_batch.items():
            pairs = [(each.job.number, each.job.token) for each in held]
            calls += [
                transitions.renew(batch, pairs[start : start + 1000], lease=self._settings.lease)
                for start in range(0, len(pairs), 1000)
            ]
        if calls:
            await self._ledger.do_all(calls)

    def _wake_at(self, batch: str, due: float) -> None:
        """Drains a batch when the first of its waiting jobs comes due."""
        delay = max(0.0, due - time.time())
        if batch in self._due or delay > 2 * TICK:
            return  # the next look comes first

        def wake() -> None:
            self._due.pop(batch, None)
            self._in_background(self.drain(batch))

        self._due[batch] = asyncio.get_running_loop().call_later(delay, wake)

    def _in_background(self, errand: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(errand)
        self._background.add(task)
        task.add_done_callback(self._end_background)

    def _end_background(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, LedgerUnavailableError):
            log_event(log_events.CHORE_FAILED, doing="errand", exception=error)

    async def _for_ever(
        self, doing: str, pause: float, chore: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        while True:
            try:
                await chore()
            except LedgerUnavailableError as error:
                log_event(log_events.LEDGER_LOST, doing=doing, delay_s=pause, error=error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next round may do
                log_event(log_events.CHORE_FAILED, doing=doing, exception=error)
            await asyncio.sleep(pause)


def _policy(settings: Settings, on_in_doubt: Literal["hold", "retry"]) -> RetryPolicy:
    return RetryPolicy(
        attempts=settings.attempts,
        backoff=settings.backoff_base,
        factor=settings.backoff_factor,
        cap=settings.backoff_cap,
        budget=settings.backoff_budget,
        retry_after_cap=settings.retry_after_cap,
        on_in_doubt=on_in_doubt,
    )
