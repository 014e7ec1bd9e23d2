"""The outbox: what a task has read and not yet delivered. It launches flights and notes what they made durable.

It knows nothing of polling, rebalances or commits; the task feeds it. A partition is ours from `start` to `drop`; should it come
again, what an earlier flight of it does is nothing to us.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect.runtime.ahead import Ahead
from streamhouse_connect.runtime.lanes import PIECE_OVERHEAD, RECORD_OVERHEAD
from streamhouse_connect.runtime.memory import Throttle
from streamhouse_connect.runtime.observer import Troubles
from streamhouse_connect.sinks import Batching, Held

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from streamhouse_connect.records import Batch, TopicPartition
    from streamhouse_connect.runtime.batching import Batcher
    from streamhouse_connect.runtime.delivery import Delivery
    from streamhouse_connect.runtime.lanes import Flight
    from streamhouse_connect.runtime.observer import TaskObserver
    from streamhouse_connect.runtime.progress import PartitionProgress, Unsettled
    from streamhouse_connect.sinks import ReplayFrom, Sink

__all__ = ["Outbox"]

_LANDING_SECONDS: Final = 5.0
"""The end of a flush, or its second half if that is shorter, in which nothing is launched any more."""


@attrs.define(eq=False)
class Outbox:
    """Buffers and flights of one run.

    `wake` is set whenever something has happened that the task must see, `dirty` when there may be something to commit.
    """

    sink: Sink[Any]
    batcher: Batcher
    delivery: Delivery
    observer: TaskObserver
    clock: Callable[[], float]
    wake: asyncio.Event
    dirty: asyncio.Event = attrs.field(factory=asyncio.Event)
    progress: dict[TopicPartition, PartitionProgress] = attrs.field(factory=dict)
    superseded: set[TopicPartition] = attrs.field(factory=set)
    """Partitions that another task had, or has, by what the destination says; the task has to find out."""
    refused: set[TopicPartition] = attrs.field(factory=set)
    """The same, by what the broker says to a commit."""
    throttle: Throttle = attrs.field(factory=Throttle)
    taken: int = 0
    """The bytes of memory that all that was queued took up when it came."""
    troubles: Troubles = attrs.field(init=False)
    failure: BaseException | None = None
    deadline: float = math.inf
    """The time at which every flush ends."""
    _over: bool = attrs.field(default=False, init=False)
    _flights: dict[asyncio.Task[None], Flight] = attrs.field(factory=dict, init=False)
    _ahead: Ahead = attrs.field(init=False)
    _flushes: list[frozenset[TopicPartition]] = attrs.field(factory=list, init=False)
    _hurried: frozenset[TopicPartition] = attrs.field(default=frozenset(), init=False)

    def __attrs_post_init__(self) -> None:
        self.troubles = Troubles(self.observer)
        self._ahead = Ahead(self.sink)

    def start(self, tp: TopicPartition, progress: PartitionProgress) -> None:
        """Take up a partition; what its destination knows better than the broker is committed at once."""
        self.progress[tp] = progress
        self.dirty.set()
        self.observer.progressed(self.progress)

    def read(self, batch: Batch, routes: list[tuple[str, Batch]]) -> None:
        """Queue the routed parts of a batch that was polled, and note that it was read."""
        span = batch.spans[0]
        now = self.clock()

        for path, part in routes:
            if len(part):
                mixed = self.sink.batching is Batching.MIXED
                self.batcher.add((None, "") if mixed else (span.tp, path), part, now)
                self.taken += part.nbytes + RECORD_OVERHEAD * len(part) + PIECE_OVERHEAD

        self.progress[span.tp].position = span.next_offset
        self.dirty.set()

    def launch(self) -> None:
        """Start every flight that is due and that there is room for."""
        flushing = self._hurried.union(*self._flushes)

        while self._goes_on and (
            lane := self.batcher.due(self.clock(), flush=flushing, crowding=self.throttle.crowding)
        ):
            flight = self.batcher.take(lane, self.clock())
            task = asyncio.create_task(self._fly(flight))
            self._flights[task] = flight

        if self._hurried and not self.batcher.lanes.waiting:
            self._hurried = frozenset()

        if self._goes_on and not self._ahead.is_busy and (batch := self.batcher.ahead()):
            self._ahead.prepare(batch)

    def restrain(self, bound: int) -> tuple[Collection[TopicPartition], Collection[TopicPartition], int]:
        """Return which partitions to pause and resume, so that about `bound` bytes are held, and how many may come; 0: don't poll."""
        held = self.batcher.held()
        pause, resume = self.throttle.update(held, self.progress, bound=bound, now=self.clock())
        return pause, resume, 0 if self.throttle.holds else max(1, bound - sum(held.values()))

    @property
    def _goes_on(self) -> bool:
        return self.failure is None and not self._over

    @property
    def unsettled(self) -> dict[TopicPartition, Unsettled]:
        """What was read of our partitions and is not committed."""
        return {tp: found for tp, progress in self.progress.items() if (found := progress.unsettled) is not None}

    def has_read(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Tell whether everything below these offsets was read, as far as the partitions are ours."""
        return all(progress.position >= ends.get(tp, 0) for tp, progress in self.progress.items())

    def flush_soon(self) -> None:
        """Have what waits now written without waiting for fuller batches."""
        self._hurried = frozenset(self.progress)
        self.wake.set()

    async def flush(self, partitions: Collection[TopicPartition], within: float) -> None:
        """Write all that waits of these partitions; what the destination has not taken in time is given up.

        What still waits near the end is not begun: a write that is cut off may have happened, and would be repeated.
        """
        partitions = frozenset(partitions)
        deadline = min(self.clock() + within, self.deadline)
        last_launch = deadline - min((deadline - self.clock()) / 2, _LANDING_SECONDS)
        self._flushes.append(partitions)

        try:
            while self._goes_on and any(self.batcher.lowest(tp) is not None for tp in partitions):
                now = self.clock()

                if now < last_launch:
                    self.launch()

                if now >= deadline or not self._flights:
                    return

                await asyncio.wait(self._flights, timeout=deadline - now, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._flushes.remove(partitions)

    async def abandon(self, within: float = 0.0) -> None:
        """End the run: all flights, those that do not end by themselves within so many seconds by force.

        Nothing is launched from here on, not even when partitions are let go: it could not be committed any more.
        """
        self._over = True
        await self._ahead.end()

        if self._flights and within > 0:
            await asyncio.wait(self._flights, timeout=within)

        flights = list(self._flights)

        for task in flights:
            task.cancel()

        if flights:
            await asyncio.wait(flights, timeout=1.0)

    def drop(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions and what waits of them. A flight that holds others' records too goes on, for them."""
        self.batcher.drop(partitions)
        self.throttle.forget(partitions)
        self.superseded.difference_update(partitions)
        self.refused.difference_update(partitions)

        for task, flight in self._flights.items():
            if flight.is_dropped and task is not asyncio.current_task():
                task.cancel()

        for tp in partitions:
            self.progress.pop(tp, None)

        self.observer.progressed(self.progress)

    def hurry(self, tp: TopicPartition) -> None:
        """Make the lanes that hold a partition's offset back due at once."""
        if self.batcher.hurry(tp):
            self.wake.set()

    async def _fly(self, flight: Flight) -> None:
        has_landed = False

        try:
            await self.delivery.deliver(flight.batch, _FlightObserver(self, flight))
            has_landed = True
        except Exception as error:  # noqa: BLE001 - the run fails with it, and what was not settled is not committed
            if not flight.is_dropped:
                self.fail(error)
        finally:
            self.troubles.note(id(flight), None)

            if has_landed or flight.is_dropped:
                self.batcher.land(flight)

            self._flights.pop(asyncio.current_task())  # type: ignore[arg-type]  # it runs as a task
            self.dirty.set()
            self.wake.set()

    def fail(self, error: BaseException) -> None:
        """Note the first error; nothing is launched any more."""
        self.failure = self.failure or error
        self.wake.set()

    def flown(self, flight: Flight, part: Batch, settled: int, held: int | Held | ReplayFrom | None) -> None:
        """Note what a flight has made durable."""
        is_routed = self.sink.batching is Batching.PER_ROUTE

        for span in part.spans:
            progress = None if span.tp in flight.dropped else self.progress.get(span.tp)

            if progress is None or span.start == span.stop:
                continue

            if is_routed:
                progress.delivered(part.path, part.offsets[span.start : span.stop], held)
            else:
                progress.wrote(part.path, 0, span.stop - span.start)

        self.batcher.settle(flight, settled)

        reach = held.next_offset if isinstance(held, Held) else held

        if isinstance(reach, int) and is_routed and not flight.is_dropped:
            self.batcher.drop_below(flight.lane, reach)

        self.observer.wrote(len(part))
        self.dirty.set()

    def take_back(self, flight: Flight, rest: Batch) -> bool:
        """Have what a flight has left wait for others; return whether it is all that is left of it, and still to be written."""
        is_routed = self.sink.batching is Batching.PER_ROUTE

        if not is_routed or flight.is_dropped or not self._goes_on or len(rest) != len(flight.batch):
            return False

        self.batcher.give_back(flight)
        return True

    def give_up(self, partitions: Collection[TopicPartition]) -> None:
        """Note that the destination says that these partitions are somebody else's, though they were assigned to us."""
        self._drop_for_now(partitions, self.superseded)

    def refuse(self, partitions: Collection[TopicPartition]) -> None:
        """Note that the broker refused a commit of these partitions because they are somebody else's."""
        self._drop_for_now(partitions, self.refused)

    def _drop_for_now(self, partitions: Collection[TopicPartition], noted: set[TopicPartition]) -> None:
        if ours := [tp for tp in partitions if tp in self.progress]:
            self.drop(ours)
            noted.update(ours)
            self.wake.set()


@attrs.frozen
class _FlightObserver:
    outbox: Outbox
    flight: Flight

    def durable(self, part: Batch, *, settled: int, held: int | Held | ReplayFrom | None = None) -> None:
        self.outbox.flown(self.flight, part, settled, held)

    def retrying(self, error: Exception | None) -> None:
        self.outbox.troubles.note(id(self.flight), error)

    def superseded(self, partitions: Collection[TopicPartition]) -> None:
        self.outbox.give_up([tp for tp in partitions if tp not in self.flight.dropped])

    def dropped(self, part: Batch) -> Collection[TopicPartition]:
        return self.flight.dropped.intersection(span.tp for span in part.spans)

    def takes_back(self, rest: Batch) -> bool:
        return self.outbox.take_back(self.flight, rest)
