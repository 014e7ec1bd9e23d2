"""How much records may take up in memory: a worker's budget, shared out among its tasks, and what a task pauses to keep to it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from streamhouse_connect.records import TopicPartition

__all__ = ["PATIENCE_SECONDS", "MemoryBudget", "Throttle"]

PATIENCE_SECONDS: Final = 1.0
"""How long nothing is read before partitions are paused: Kafka's client takes 0.6 s to resume one."""


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
    """Decides what of a task is not read for now. Pure.

    With half of the memory used, a partition that holds more than its fair share is crowding: of what it holds something has to be
    written, until it is down to half of its share, or the memory to a quarter. One that holds twice its share is paused meanwhile, so
    that a partition whose records are not taken cannot stop the others. With all of the memory used nothing is read until a
    quarter is free; should that take long, everything is paused, so that polls can go on.
    """

    crowding: frozenset[TopicPartition] = frozenset()
    paused: frozenset[TopicPartition] = frozenset()
    holds: bool = False
    """True while nothing is to be read, though not everything is paused."""
    _alone: frozenset[TopicPartition] = frozenset()
    _full_since: float | None = None

    def update(
        self, held: Mapping[TopicPartition, int], partitions: Collection[TopicPartition], *, bound: int, now: float
    ) -> tuple[frozenset[TopicPartition], frozenset[TopicPartition]]:
        """Return what to pause and what to resume, of a task's partitions, which hold so many bytes of `bound`."""
        total = sum(held.values())
        share = bound // max(1, len(partitions))
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
        much = min(2 * share, bound * 3 // 4)
        has_others = len(partitions) > 1
        self._alone = frozenset(
            tp for tp in self.crowding if has_others and (tp in self._alone or held.get(tp, 0) >= much)
        )
        is_late = self._is_full_for(total, bound, now) >= PATIENCE_SECONDS
        self.paused = frozenset(partitions) if is_late else self._alone
        self.holds = self._full_since is not None and not is_late
        return self.paused - before, (before - self.paused) & frozenset(partitions)

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Note that partitions are gone: should they come again, they are not paused."""
        gone = frozenset(partitions)
        self.crowding -= gone
        self.paused -= gone
        self._alone -= gone

    def _is_full_for(self, total: int, bound: int, now: float) -> float:
        """Return for how many seconds the memory has been used up."""
        if total < (bound if self._full_since is None else bound * 3 // 4):
            self._full_since = None
            return 0.0

        self._full_since = now if self._full_since is None else self._full_since
        return now - self._full_since
