"""
Group commit: ledger writes made in the same instant leave as one pipeline.

While one pipeline is on its way the next one fills, so batches grow with the load and a lone write
waits for nobody. A Redis that is away is waited for: what was said before is said again, which every
script allows. No answer of the API is dropped because the ledger was not there to hear it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Answered, Deferral, Grant, Intent, Ledger, transitions
from provisioning.ledger.scripts import Call
from provisioning.log_events import CHORE_FAILED, LEDGER_LOST
from provisioning.logs import say

T = TypeVar("T")

MOST = 200
"""Jobs in one script call: about a millisecond of Redis' time."""

PATIENCE = (0.05, 1.0)
"""First and longest pause, in seconds, before a Redis that is away is tried again."""

_Entry = tuple[Any, "asyncio.Future[Any]"]
_Kind = Callable[[str, Sequence[Any]], Call[list[Any]]]


class Recorder:
    """
    Writes intents, answers and deferrals, many at a time; each caller waits for its own.

    Args:
        lease: seconds that an intent renews the job's lease by.
        target: base address of the API; an intent is refused while its brake is on.
        stop_loss: first jobs of a batch dead of one cause that hold it back; 0 for never.
    """

    def __init__(self, ledger: Ledger, *, lease: float, target: str, stop_loss: int) -> None:
        self._ledger = ledger
        self._kinds: dict[str, _Kind] = {
            "sending": lambda batch, jobs: transitions.sending(batch, jobs, lease=lease, target=target),
            "answered": lambda batch, jobs: transitions.answered(batch, jobs, stop_loss=stop_loss),
            "deferred": transitions.deferred,
        }
        self._pending: dict[tuple[str, str], list[_Entry]] = {}
        self._filled = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Begins to write; call it on the loop that will use it."""
        self._writer = asyncio.create_task(self._write_for_ever(), name="recorder")

    async def stop(self) -> None:
        """Ends the writer. Who waits for a write, or asks for one now, is cancelled: leases tell the rest."""
        self._stopped = True
        if self._writer:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        for entries in self._pending.values():
            for _, done in entries:
                done.cancel()

    async def sending(self, batch: str, intent: Intent) -> Grant:
        """Records the intent to POST; only on its grant may a byte leave."""
        grant: Grant = await self._say("sending", batch, intent)
        return grant

    async def answered(self, batch: str, answer: Answered) -> bool:
        """Records what came of a POST. Returns: whether the job was still the caller's."""
        recorded: bool = await self._say("answered", batch, answer)
        return recorded

    async def deferred(self, batch: str, deferral: Deferral) -> bool:
        """Hands a claimed job back. Returns: whether the job was still the caller's."""
        handed_back: bool = await self._say("deferred", batch, deferral)
        return handed_back

    def _say(self, kind: str, batch: str, what: Any) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._stopped:
            done.cancel()
        self._pending.setdefault((kind, batch), []).append((what, done))
        self._filled.set()
        return done

    async def _write_for_ever(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            pending, self._pending = self._pending, {}
            groups = [
                (kind, batch, entries[start : start + MOST])
                for (kind, batch), entries in pending.items()
                for start in range(0, len(entries), MOST)
            ]
            try:
                replies = await self._insist([self._call(*group) for group in groups])
            except Exception as error:  # noqa: BLE001
                # What cannot be written must not keep what can: each for itself.
                say(CHORE_FAILED, doing="record", exception=error)
                for group in groups:
                    await self._write_alone(*group)
            else:
                for (_, _, entries), reply in zip(groups, replies, strict=True):
                    _tell(entries, reply)

    def _call(self, kind: str, batch: str, entries: Sequence[_Entry]) -> Call[list[Any]]:
        return self._kinds[kind](batch, [what for what, _ in entries])

    async def _write_alone(self, kind: str, batch: str, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            try:
                [reply] = await self._insist([self._call(kind, batch, [entry])])
                _tell([entry], reply)
            except Exception as error:  # noqa: BLE001 - whoever waits for it is told
                if not entry[1].done():
                    entry[1].set_exception(error)

    async def _insist(self, calls: list[Call[list[Any]]]) -> list[list[Any]]:
        pause, longest = PATIENCE
        while True:
            try:
                return await self._ledger.do_all(calls)
            except LedgerUnavailableError as error:
                say(LEDGER_LOST, doing="record", delay_s=pause, error=error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)


def _tell(entries: Sequence[_Entry], words: Sequence[Any]) -> None:
    for (_, done), word in zip(entries, words, strict=True):
        if not done.done():
            done.set_result(word)
