"""Carries bulk acts out, step by step; also those of a server that has died."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable

from provisioning.errors import NotFoundError, ProvisioningError
from provisioning.ledger import Ledger
from provisioning.ledger.bulk_acts import BulkAct
from provisioning.ledger.schema import BULK_END, BulkState
from provisioning.observability.log_events import BULK_ACT_STALLED, LEDGER_LOST
from provisioning.observability.logs import log_event

LOOK_EVERY = 1.0
"""Seconds between looks for acts that another server has recorded, or left."""

ASK_AGAIN = 0.03
"""Seconds until the next look at an act whose end somebody waits for."""

AT_ONCE = 4
"""Most acts at a time: each step takes Redis a few ms."""

NOTIFY_EVERY = 20
"""Steps of an act after which workers are notified again: they may have finished what was queued so far."""


class BulkActRunner:
    """
    Carries out the bulk acts of one ledger.

    Args:
        notify: tells workers that a batch has queued jobs.
    """

    def __init__(self, ledger: Ledger, notify: Callable[[str], object]) -> None:
        self._acts = ledger.bulk_acts
        self._notify = notify
        self._name = secrets.token_hex(8)
        self._woken = asyncio.Event()
        self._running: dict[str, asyncio.Task[bool]] = {}

    def wake(self) -> None:
        """Looks for acts at once: one was asked for."""
        self._woken.set()

    async def run(self, closing: asyncio.Event) -> None:
        """Carries acts out until `closing`; waits while Redis is unavailable."""
        ended = asyncio.create_task(closing.wait())
        while not closing.is_set():
            try:
                for id_ in random.sample(found := await self._acts.open(), len(found)):
                    self._begin(id_)  # in any order, so that those that cannot go on leave room for others
            except ProvisioningError as error:
                log_event(LEDGER_LOST, doing="bulk acts", delay_s=LOOK_EVERY, error=error)
            self._woken.clear()
            woken = asyncio.create_task(self._woken.wait())
            await asyncio.wait((ended, woken), timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
        ended.cancel()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wait(self, id_: str, seconds: float) -> BulkAct:
        """Waits until an act has ended, so long at most. Returns: the act as it is then."""
        for _ in range(round(seconds / ASK_AGAIN)):
            if (act := await self._acts.find(id_)).ended:
                return act
            await asyncio.sleep(ASK_AGAIN)
        return await self._acts.find(id_)

    def _begin(self, id_: str) -> None:
        if id_ not in self._running and len(self._running) < AT_ONCE:
            task = asyncio.create_task(self._carry_out(id_))
            self._running[id_] = task
            task.add_done_callback(lambda _: self._done(id_))

    def _done(self, id_: str) -> None:
        task = self._running.pop(id_)
        if not task.cancelled() and task.exception() is None and task.result():
            self.wake()  # there may be acts for which there was no room

    async def _carry_out(self, id_: str) -> bool:
        """Makes steps of an act until it has ended, or another server has it. Returns: if it ended."""
        try:
            steps = 0
            while await self._acts.take(id_, self._name):
                act = await self._acts.find(id_)
                if act.state is BulkState.RUNNING and act.cursor != BULK_END:
                    await self._acts.step(act)
                    if steps % NOTIFY_EVERY == 0:
                        self._notify(act.asked.batch)
                    steps += 1
                    continue
                self._notify(act.asked.batch)
                await self._acts.end(act)
                return True
        except NotFoundError:
            await self._acts.forget(id_)
        except Exception as error:  # noqa: BLE001 - it is made again, by whoever can
            log_event(BULK_ACT_STALLED, delay_s=LOOK_EVERY, error=error)
        return False
