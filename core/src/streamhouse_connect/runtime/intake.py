"""Takes in what was polled: leaves out what need not be delivered, has the sink route the rest, and queues it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect.errors import FatalError, RejectedRecords
from streamhouse_connect.sinks import Batching

if TYPE_CHECKING:
    from streamhouse_connect.records import Batch
    from streamhouse_connect.runtime.delivery import Delivery
    from streamhouse_connect.runtime.observer import TaskObserver
    from streamhouse_connect.runtime.outbox import Outbox
    from streamhouse_connect.runtime.progress import PartitionProgress
    from streamhouse_connect.sinks import Sink

__all__ = ["Intake"]

_FAILED_GRACE_SECONDS: Final = 5.0


@attrs.frozen(eq=False)
class Intake:
    """Takes in for one run of a task."""

    sink: Sink[Any]
    delivery: Delivery
    outbox: Outbox
    observer: TaskObserver

    async def take(self, batch: Batch) -> None:
        """Route a batch of one partition and queue its parts; a partition that is not ours any more is passed over.

        :raises FatalError: if a record has no route and must not become a dead letter; what is before it was delivered.
        """
        tp = batch.spans[0].tp
        progress = self.outbox.progress.get(tp)

        if progress is None:
            return

        live = self._without_tombstones(batch)
        failure = None

        try:
            routes = await self._routed(live, progress)
        except RejectedRecords as error:
            if self.delivery.dead_letters is not None:
                await self.delivery.bury(live, error.reasons, lambda why: self.outbox.troubles.note(self, why))
                live = live.select([index for index in range(len(live)) if index not in error.reasons])
            else:
                first, reason = next(iter(error.reasons.items()))
                failure = FatalError(f"{tp.topic}, partition {tp.partition}, offset {live.offsets[first]}: {reason}")
                live = live[:first]

            routes = await self._routed(live, progress) if len(live) else []

        if self.outbox.progress.get(tp) is progress and (routes or not failure):
            self.outbox.read(live if failure else batch, routes)

        if failure:
            await self.outbox.flush([tp], _FAILED_GRACE_SECONDS)
            raise failure

    def _without_tombstones(self, batch: Batch) -> Batch:
        if self.sink.null_values == "pass" or None not in batch.values:
            return batch

        live = [index for index, value in enumerate(batch.values) if value is not None]
        self.observer.skipped(len(batch) - len(live))
        return batch.select(live)

    async def _routed(self, batch: Batch, progress: PartitionProgress) -> list[tuple[str, Batch]]:
        if self.sink.batching is Batching.MIXED:
            return [("", batch)]

        if not len(batch):
            return []

        routes = await asyncio.to_thread(self.sink.route, batch)
        return [(path, _unmarked(batch.select(indexes, path=path), progress.mark(path))) for path, indexes in routes]


def _unmarked(part: Batch, mark: int) -> Batch:
    """Leave out what an earlier run has made durable already."""
    if not len(part) or part.offsets[0] >= mark:
        return part

    return part.select([index for index, offset in enumerate(part.offsets) if offset >= mark])
