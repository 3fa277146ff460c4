"""The pool of executors: the jobs that this worker has claimed, each under a lease."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from provisioning.config.credentials import Credential
from provisioning.ledger import Claim, Deferral, Ledger, transitions
from provisioning.observability import log_events
from provisioning.observability.logs import log_event
from worker.dispatch.periodic import BackgroundTasks
from worker.events.telemetry import Claimed
from worker.execution.executor import Dependencies, JobExecutor

HELD_PER_SLOT = 20
"""Claimed jobs per slot, those in backoff included: 10 000 at 500 slots, some 30 MB."""

RENEWED = 1000
"""Most leases that one call renews."""


class ExecutorPool:
    """
    Runs one executor per job, from its claim to its record.

    Args:
        most: slots; up to `HELD_PER_SLOT` jobs each may be claimed.
        on_idle: called when the last claimed job has ended.
    """

    def __init__(
        self,
        ledger: Ledger,
        deps: Dependencies,
        credentials: Mapping[str, Credential],
        *,
        most: int,
        background: BackgroundTasks,
        on_idle: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._deps = deps
        self._credentials = credentials
        self._most = most * HELD_PER_SLOT
        self._background = background
        self._on_idle = on_idle
        self._executors: dict[JobExecutor, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._executors)

    @property
    def room(self) -> int:
        """Jobs that may be claimed now."""
        return self._most - len(self._executors)

    def in_hand(self) -> list[tuple[Claim, int]]:
        """The claimed jobs, each with the number of the attempt in progress, or 0."""
        return [(each.job, each.granted) for each in self._executors]

    def take_up(self, job: Claim, *, probe: bool = False) -> None:
        """Starts to execute a claimed job, or returns it to the queue if this worker lacks its credential."""
        credential = self._credentials.get(job.credential)
        if credential is None:
            if probe:
                self._deps.flow.probing.probe_ended(failed=False)
            self._background.run(self._hand_back_without_credential(job))
            return
        queue = self._deps.flow.queues[job.credential]
        executor = JobExecutor(job, credential, queue, self._deps, probe=probe)
        self._deps.telemetry.publish(Claimed(job))
        task = asyncio.get_running_loop().create_task(executor.run())
        self._executors[executor] = task
        task.add_done_callback(lambda _: self._remove(executor))

    def hand_back_sealed(self, batch: str, jobs: Sequence[Claim]) -> None:
        """Returns claimed jobs whose bodies this worker cannot decrypt to the queue."""
        if jobs:
            self._background.run(self._hand_back_sealed(batch, jobs))

    def call_off(
        self, reason: str, which: Callable[[JobExecutor], bool] = lambda _: True
    ) -> list[asyncio.Task[None]]:
        """Makes these jobs return to the queue. Returns: their tasks."""
        chosen = {each: task for each, task in self._executors.items() if which(each)}
        for executor, task in chosen.items():
            executor.called_off = reason
            task.cancel()
        return list(chosen.values())

    async def hand_back(self, reason: str) -> int:
        """Returns all jobs that are not being sent to the queue. Returns: how many."""
        await asyncio.sleep(0)  # a job that is cancelled before its first step could not return itself
        called_off = self.call_off(reason, lambda each: not (each.sending or each.probe))
        if called_off:
            await asyncio.wait(called_off)
        return len(called_off)

    async def wait(self, seconds: float) -> None:
        """Waits until no job is claimed here, for at most so long."""
        if self._executors:
            await asyncio.wait(list(self._executors.values()), timeout=seconds)

    async def renew(self) -> None:
        """Renews the leases of all claimed jobs."""
        by_batch: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for executor in self._executors:
            by_batch[executor.job.batch].append((executor.job.number, executor.job.token))
        lease = self._deps.worker.lease
        calls = [
            transitions.renew(batch, pairs[start : start + RENEWED], lease=lease)
            for batch, pairs in by_batch.items()
            for start in range(0, len(pairs), RENEWED)
        ]
        if calls:
            await self._ledger.do_all(calls)

    def _remove(self, executor: JobExecutor) -> None:
        task = self._executors.pop(executor)
        if not task.cancelled() and task.exception() is not None:
            # A bug in this program: the lease will lapse, and the rescuer settles the job by its state.
            job = executor.job
            log_event(
                log_events.JOB_ABANDONED, job_id=job.job_id, batch_id=job.batch, exception=task.exception()
            )
        if not self._executors:
            self._on_idle()

    async def _hand_back_without_credential(self, job: Claim) -> None:
        await self._deps.brakes.halt_missing_credential(job.credential)
        deferral = Deferral(job.number, job.token, 0.0, "no_credential")
        await self._deps.recorder.deferred(job.batch, deferral)

    async def _hand_back_sealed(self, batch: str, jobs: Sequence[Claim]) -> None:
        # The brake first: a job that is queued again before it would be claimed again at once.
        await self._deps.brakes.halt_sealed(batch)
        deferrals = (Deferral(job.number, job.token, 0.0, "sealed") for job in jobs)
        await asyncio.gather(*(self._deps.recorder.deferred(batch, each) for each in deferrals))
