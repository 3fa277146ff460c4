"""A queue in which batches take turns: ten jobs after a hundred thousand wait for ten, not for all."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """
    Items by group; the groups take turns, each first come first served, urgent groups before all others.

    Every operation takes constant time.
    """

    def __init__(self) -> None:
        self._urgent: dict[str, deque[T]] = {}
        self._others: dict[str, deque[T]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def urgent(self) -> int:
        """Items that wait in urgent groups."""
        return sum(len(items) for items in self._urgent.values())

    def add(self, group: str, item: T, *, urgent: bool = False) -> None:
        """Puts an item at the end of its group."""
        groups = self._urgent if urgent else self._others
        groups.setdefault(group, deque()).append(item)
        self._count += 1

    def first(self) -> T:
        """The item whose turn it is. Raises: IndexError if the queue is empty."""
        for groups in (self._urgent, self._others):
            for items in groups.values():
                return items[0]
        raise IndexError("nobody waits")

    def take(self) -> T:
        """Removes the item whose turn it is; its group moves to the end. Raises: IndexError if empty."""
        groups = self._urgent or self._others
        for group in groups:
            items = groups.pop(group)
            item = items.popleft()
            if items:
                groups[group] = items  # dicts keep insertion order: this is the end
            self._count -= 1
            return item
        raise IndexError("nobody waits")
