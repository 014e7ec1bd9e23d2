"""How much records may take up in memory: a worker's budget, shared out among its tasks, and what a task pauses to keep to it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from streamhouse_connect.records import TopicPartition

__all__ = ["MemoryBudget", "Throttle"]


class MemoryBudget:
    """Shares so many bytes evenly among the tasks that run; may be used from any thread."""

    def __init__(self, nbytes: int) -> None:
        self._nbytes = nbytes
        self._tasks = 0
        self._guard = threading.Lock()

    @property
    def share(self) -> int:
        """The bytes that each running task may hold; changes as tasks come and go."""
        return self._nbytes // max(1, self._tasks)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Count as a running task."""
        with self._guard:
            self._tasks += 1

        try:
            yield
        finally:
            with self._guard:
                self._tasks -= 1


@attrs.define
class Throttle:
    """Decides which partitions of a task are not read for now. Pure.

    With half of the memory used, a partition that holds more than its fair share is paused alone, so that one whose records are
    not taken cannot stop the others; it goes on when it is down to half of its share, or the memory to a quarter. With all of
    it used everything is paused, until a quarter is free.
    """

    crowding: frozenset[TopicPartition] = frozenset()
    """The partitions that hold more than their share: what they hold has to be written for them to go on."""
    paused: frozenset[TopicPartition] = frozenset()
    _is_full: bool = False

    def update(
        self, held: Mapping[TopicPartition, int], partitions: Collection[TopicPartition], bound: int
    ) -> tuple[frozenset[TopicPartition], frozenset[TopicPartition]]:
        """Return what to pause and what to resume, of a task's partitions, which hold so many bytes of `bound`."""
        total = sum(held.values())
        share = bound // max(1, len(partitions))
        self._is_full = total >= (bound * 3 // 4 if self._is_full else bound)
        before = self.paused

        self.crowding = frozenset(
            tp
            for tp in partitions
            if (
                held.get(tp, 0) > share // 2 and total > bound // 4
                if tp in self.crowding
                else held.get(tp, 0) >= share and total >= bound // 2
            )
        )
        self.paused = frozenset(partitions) if self._is_full else self.crowding
        return self.paused - before, (before - self.paused) & frozenset(partitions)

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Note that partitions are gone: should they come again, they are not paused."""
        self.crowding -= frozenset(partitions)
        self.paused -= frozenset(partitions)
