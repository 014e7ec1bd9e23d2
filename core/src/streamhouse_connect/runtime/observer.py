"""What a task tells of its run. Knows nothing of who listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect.records import Batch, TopicPartition
    from streamhouse_connect.runtime.progress import PartitionProgress, Unsettled

__all__ = ["TaskObserver", "Troubles"]


class TaskObserver:
    """Is told how a run goes, on the connector's event loop. The methods do nothing here."""

    def opened(self, weakened: str | None) -> None:
        """The sink is open; `weakened` says what its destination does not allow."""

    def delivering(self, error: Exception | None) -> None:
        """Delivery is held up by this error; None: no more."""

    def wrote(self, records: int) -> None:
        """The destination has taken so many records more."""

    def progressed(self, progress: Mapping[TopicPartition, PartitionProgress]) -> None:
        """Partitions came or went, or offsets were committed."""

    def left(self, unsettled: Mapping[TopicPartition, Unsettled]) -> None:
        """The run is over, and this of its partitions was not committed."""

    def committed(self, records: int) -> None:
        """A commit was taken that counts so many records more."""

    def skipped(self, records: int) -> None:
        """So many tombstones were passed over."""

    def dead_lettered(self, batch: Batch, reasons: Mapping[int, str]) -> None:
        """Records of a batch were made dead letters, for these reasons."""

    def missed(self, tp: TopicPartition, first: int, next_offset: int) -> None:
        """What was to be read in [first, next_offset) was gone, by retention for example."""

    def noted(self, note: str) -> None:
        """Something is odd, though not wrong."""


@attrs.define
class Troubles:
    """What holds delivery up at the moment; the observer is told that it goes on when nothing does any more."""

    observer: TaskObserver
    _open: set[object] = attrs.field(factory=set, init=False)

    def note(self, what: object, error: Exception | None) -> None:
        """Note that something goes wrong, or that it has come right."""
        if error is not None:
            self._open.add(what)
            self.observer.delivering(error)

        elif what in self._open:
            self._open.remove(what)

            if not self._open:
                self.observer.delivering(None)
