"""
Group commit: simultaneous ledger writes are sent as one pipeline.

While one pipeline is in flight the next one fills, so groups grow with the load and a single write does not
wait. While Redis is unavailable, writes are repeated, which every script allows. No answer of the API is lost
because the ledger was unavailable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from provisioning.errors import LedgerUnavailableError
from provisioning.ledger import Ledger
from provisioning.ledger.scripts import Call
from provisioning.observability.log_events import LEDGER_LOST, PERIODIC_TASK_FAILED
from provisioning.observability.logs import log_event

MOST = 200
"""Jobs in one script call: about a millisecond of Redis' time."""

RETRY_PAUSES = (0.05, 1.0)
"""First and longest pause, in seconds, before the next attempt while Redis is unavailable."""

Kind = Callable[[str, Sequence[Any]], Call[list[Any]]]
"""A transition of many jobs of one batch: the batch and a row for each → one call."""

_Entry = tuple[Any, "asyncio.Future[Any]"]
_Group = tuple[Kind, str, list[_Entry]]


class GroupCommit:
    """
    One writer, with one pipeline in flight at a time.

    Args:
        yields: lets everything else that is ready on the loop run first, other writers included.
        after: another writer; while that one is stuck, this one writes nothing, and afterwards only what a
            caller still waits for.
    """

    def __init__(self, ledger: Ledger, *, yields: bool = False, after: GroupCommit | None = None) -> None:
        self._ledger = ledger
        self._yields = yields
        self._after = after
        self._pending: dict[tuple[Kind, str], list[_Entry]] = {}
        self._leaving: list[_Group] = []
        self._filled = asyncio.Event()
        self._flows = asyncio.Event()  # unset while a write is refused or Redis is unavailable
        self._flows.set()
        self._writer: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Starts to write; call it on the loop that will use it."""
        self._writer = asyncio.create_task(self._write_for_ever(), name="group commit")

    async def stop(self) -> None:
        """Ends the writer. Callers that wait for a write are cancelled: leases cover the rest."""
        self._stopped = True
        if self._writer:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        for entries in (*self._pending.values(), *(entries for _, _, entries in self._leaving)):
            for _, done in entries:
                done.cancel()

    def write(self, kind: Kind, batch: str, what: Any) -> asyncio.Future[Any]:
        """Writes a row of a job. Returns: the ledger's reply."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._stopped:
            done.cancel()
        self._pending.setdefault((kind, batch), []).append((what, done))
        self._filled.set()
        return done

    async def _write_for_ever(self) -> None:
        while True:
            await self._filled.wait()
            if self._yields:
                await asyncio.sleep(0)
            if self._after:
                await self._after._flows.wait()
            self._filled.clear()
            self._leaving = groups = self._take()
            try:
                replies = await self._insist([_call(*group) for group in groups])
            except Exception as error:  # noqa: BLE001
                # One row that cannot be written must not block the others: each is written separately.
                log_event(PERIODIC_TASK_FAILED, doing="record", exception=error)
                for group in groups:
                    await self._write_alone(*group)
            else:
                for (_, _, entries), reply in zip(groups, replies, strict=True):
                    _settle(entries, reply)

    def _take(self) -> list[_Group]:
        pending, self._pending = self._pending, {}
        if self._after:
            for key, entries in pending.items():
                pending[key] = [entry for entry in entries if not entry[1].cancelled()]
        return [
            (kind, batch, entries[start : start + MOST])
            for (kind, batch), entries in pending.items()
            for start in range(0, len(entries), MOST)
        ]

    async def _write_alone(self, kind: Kind, batch: str, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            try:
                [reply] = await self._insist([_call(kind, batch, [entry])])
                _settle([entry], reply)
            except Exception as error:  # noqa: BLE001 - the caller that waits gets it
                if not entry[1].done():
                    entry[1].set_exception(error)

    async def _insist(self, calls: list[Call[list[Any]]]) -> list[list[Any]]:
        pause, longest = RETRY_PAUSES
        while True:
            try:
                replies = await self._ledger.do_all(calls)
            except LedgerUnavailableError as error:
                self._flows.clear()
                log_event(LEDGER_LOST, doing="record", delay_s=pause, error=error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
            else:
                self._flows.set()
                return replies


def _call(kind: Kind, batch: str, entries: Sequence[_Entry]) -> Call[list[Any]]:
    return kind(batch, [what for what, _ in entries])


def _settle(entries: Sequence[_Entry], words: Sequence[Any]) -> None:
    for (_, done), word in zip(entries, words, strict=True):
        if not done.done():
            done.set_result(word)
