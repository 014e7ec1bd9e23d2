"""Takes in what was polled: leaves out what need not be delivered, has the sink route the rest, and queues it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect.errors import FatalError, RejectedRecords
from streamhouse_connect.runtime.delivery import check_rejection
from streamhouse_connect.sinks import Batching

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect.records import Batch
    from streamhouse_connect.runtime.delivery import Delivery
    from streamhouse_connect.runtime.observer import TaskObserver
    from streamhouse_connect.runtime.outbox import Outbox
    from streamhouse_connect.runtime.progress import PartitionProgress
    from streamhouse_connect.sinks import Sink

__all__ = ["Intake"]

_FAILED_GRACE_SECONDS: Final = 5.0
_TOMBSTONE: Final = "its value is missing (a tombstone)"
_REMEDY: Final = (
    "with null.values=ignore such records are passed over, with null.values=dead-letter kept in a dead letter topic"
)


@attrs.frozen(eq=False)
class Intake:
    """Takes in for one run of a task."""

    sink: Sink[Any]
    delivery: Delivery
    outbox: Outbox
    observer: TaskObserver

    async def take(self, batch: Batch) -> None:
        """Route a batch of one partition and queue its parts; a partition that is not ours any more is passed over.

        :raises FatalError: if a record has no route and must not become a dead letter, or if it is a tombstone that must not be; what is
            before it was delivered.
        """
        tp = batch.spans[0].tp
        progress = self.outbox.progress.get(tp)

        if progress is None:
            return

        live, failure = await self._without_tombstones(batch)

        routes: list[tuple[str, Batch]] | None = None

        while routes is None:  # a sink may look no further than to the first record that it rejects
            try:
                routes = await self._routed(live, progress)
            except RejectedRecords as error:
                check_rejection(error, self.sink, live)

                if self.delivery.buries_rejected:
                    live = await self._buried(live, error.reasons)
                else:
                    first, reason = next(iter(error.reasons.items()))
                    failure = _failure(live, first, reason)
                    live = live[:first]

        if self.outbox.progress.get(tp) is progress and (len(live) or not failure):
            self.outbox.read(live if failure else batch, routes)

        if failure:
            await self.outbox.flush([tp], _FAILED_GRACE_SECONDS)
            raise failure

    async def _without_tombstones(self, batch: Batch) -> tuple[Batch, FatalError | None]:
        """Return what is to be delivered, and with what to fail then."""
        null_values = self.sink.null_values

        if null_values == "write" or None not in batch.values:
            return batch, None

        tombstones = [index for index, value in enumerate(batch.values) if value is None]

        if null_values == "fail":
            return batch[: tombstones[0]], _failure(batch, tombstones[0], f"{_TOMBSTONE}; {_REMEDY}")

        if null_values == "dead-letter":
            return await self._buried(batch, dict.fromkeys(tombstones, _TOMBSTONE)), None

        self.observer.skipped(len(tombstones))
        return batch.select([index for index, value in enumerate(batch.values) if value is not None]), None

    async def _buried(self, batch: Batch, reasons: Mapping[int, str]) -> Batch:
        """Make records dead letters and return the others."""
        await self.delivery.bury(batch, reasons, lambda why: self.outbox.troubles.note(self, why))
        return batch.select([index for index in range(len(batch)) if index not in reasons])

    async def _routed(self, batch: Batch, progress: PartitionProgress) -> list[tuple[str, Batch]]:
        if self.sink.batching is Batching.MIXED:
            return [("", batch)]

        if not len(batch):
            return []

        routes = await asyncio.to_thread(self.sink.route, batch)
        return [(path, _unmarked(batch.select(indexes, path=path), progress.mark(path))) for path, indexes in routes]


def _failure(batch: Batch, index: int, reason: str) -> FatalError:
    record = batch[index]
    return FatalError(f"{record.tp.topic}, partition {record.tp.partition}, offset {record.offset}: {reason}")


def _unmarked(part: Batch, mark: int) -> Batch:
    """Leave out what an earlier run has made durable already."""
    if not len(part) or part.offsets[0] >= mark:
        return part

    return part.select([index for index, offset in enumerate(part.offsets) if offset >= mark])
