"""The outbox: what a task has read and not yet committed. It launches flights, notes what they made durable, and commits.

It knows nothing of polling or rebalances; the task feeds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect.errors import RetriableError
from streamhouse_connect.runtime.memory import Throttle
from streamhouse_connect.runtime.progress import MAX_METADATA, PartitionProgress
from streamhouse_connect.sinks import Batching

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from streamhouse_connect.brokers import Committed, Consumer
    from streamhouse_connect.records import Batch, TopicPartition
    from streamhouse_connect.runtime.batching import Batcher, Flight, Lane
    from streamhouse_connect.runtime.delivery import Delivery
    from streamhouse_connect.runtime.observer import TaskObserver
    from streamhouse_connect.sinks import ReplayFrom, Sink

__all__ = ["Outbox"]

_COMMIT_INTERVAL: Final = 0.1

_LANDING_SECONDS: Final = 5.0
"""The end of a flush, or its second half if that is shorter, in which nothing is launched any more."""


@attrs.define(eq=False)
class Outbox:
    """Buffers, flights and commits of one run. `wake` is set whenever something has happened that the task must see."""

    sink: Sink[Any]
    consumer: Consumer
    batcher: Batcher
    delivery: Delivery
    observer: TaskObserver
    clock: Callable[[], float]
    wake: asyncio.Event
    throttle: Throttle = attrs.field(factory=Throttle)
    progress: dict[TopicPartition, PartitionProgress] = attrs.field(factory=dict)
    superseded: set[TopicPartition] = attrs.field(factory=set)
    failure: BaseException | None = None
    _over: bool = attrs.field(default=False, init=False)
    _flights: dict[asyncio.Task[None], Flight] = attrs.field(factory=dict, init=False)
    _retrying: set[int] = attrs.field(factory=set, init=False)
    _flushing: frozenset[TopicPartition] = attrs.field(default=frozenset(), init=False)
    _dirty: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _commit_lock: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)

    def start(self, tp: TopicPartition, progress: PartitionProgress) -> None:
        """Take up a partition."""
        self.progress[tp] = progress
        self.observer.progressed(self.progress)

    def read(self, batch: Batch, routes: list[tuple[str, Batch]]) -> None:
        """Queue the routed parts of a batch that was polled, and note that it was read."""
        span = batch.spans[0]
        now = self.clock()

        for path, part in routes:
            if len(part):
                mixed = self.sink.batching is Batching.MIXED
                self.batcher.add((None, "") if mixed else (span.tp, path), part, now)

        self.progress[span.tp].position = span.next_offset
        self._dirty.set()

    def launch(self) -> None:
        """Start every flight that is due and that there is room for."""
        while self._goes_on and (
            lane := self.batcher.due(self.clock(), flush=self._flushing, crowding=self.throttle.crowding)
        ):
            flight = self.batcher.take(lane, self.clock())
            task = asyncio.create_task(self._fly(flight))
            self._flights[task] = flight

        if self._flushing and not any(lane.pieces for lane in self.batcher.lanes.values()):
            self._flushing = frozenset()

    def restrain(self, bound: int) -> int:
        """Pause and resume partitions, so that about `bound` bytes are held; return how many may come."""
        held = self.batcher.held()
        pause, resume = self.throttle.update(held, self.progress, bound)

        if pause:
            self.consumer.pause(pause)

        if resume:
            self.consumer.resume(resume)

        return bound - sum(held.values())

    @property
    def _goes_on(self) -> bool:
        return self.failure is None and not self._over

    def has_read(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Tell whether everything below these offsets was read, as far as the partitions are ours."""
        return all(progress.position >= ends.get(tp, 0) for tp, progress in self.progress.items())

    def flush_soon(self) -> None:
        """Have what waits now written without waiting for fuller batches."""
        self._flushing = frozenset(self.progress)
        self.wake.set()

    async def flush(self, partitions: Collection[TopicPartition], within: float) -> None:
        """Write all that waits of these partitions; what the destination has not taken in time is given up.

        What still waits near the end is not begun: a write that is cut off may have happened, and would be repeated.
        """
        deadline = self.clock() + within
        last_launch = deadline - min(within / 2, _LANDING_SECONDS)
        self._flushing = frozenset(partitions)

        while self._goes_on and any(self.batcher.lowest(tp) is not None for tp in partitions):
            now = self.clock()

            if now < last_launch:
                self.launch()

            if now >= deadline or not self._flights:
                break

            await asyncio.wait(self._flights, timeout=deadline - now, return_when=asyncio.FIRST_COMPLETED)

        self._flushing = frozenset()

    async def abandon(self, within: float = 0.0) -> None:
        """End the run: all flights, those that do not end by themselves within so many seconds by force.

        Nothing is launched from here on, not even when partitions are let go: it could not be committed any more.
        """
        self._over = True

        if self._flights and within > 0:
            await asyncio.wait(self._flights, timeout=within)

        flights = list(self._flights)

        for task in flights:
            task.cancel()

        if flights:
            await asyncio.wait(flights, timeout=1.0)

    def drop(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions and what waits of them."""
        for task, flight in self._flights.items():
            if flight.lane.key[0] in partitions:
                task.cancel()

        self.batcher.drop(partitions)
        self.throttle.forget(partitions)

        for tp in partitions:
            self.progress.pop(tp, None)

        self.observer.progressed(self.progress)

    async def commit_forever(self) -> None:
        """Commit whenever there is something to commit, until cancelled."""
        failing = False

        while True:
            await self._dirty.wait()
            self._dirty.clear()

            try:
                await self.commit()

                if failing:
                    failing = False
                    self.observer.delivering(None)
            except (RetriableError, ConnectionError, TimeoutError) as error:
                failing = True
                self.observer.delivering(error)
                self._dirty.set()
            except Exception as error:  # noqa: BLE001 - the run fails with it
                self.fail(error)
                return

            await asyncio.sleep(_COMMIT_INTERVAL)

    async def commit(self) -> None:
        """Commit what is durable and not committed yet."""
        async with self._commit_lock:
            due = self._due_commits()

            if not due:
                return

            idle = {tp: commit.offset for tp, commit in due.items() if not self.progress[tp].written}

            for tp in due:
                self.progress[tp].written = False

            if idle:
                await self.sink.skip(idle)

            await self.consumer.commit(due)

            for tp, commit in due.items():
                if tp in self.progress:
                    self.progress[tp].has_committed(commit)

            self.observer.progressed(self.progress)

    def _due_commits(self) -> dict[TopicPartition, Committed]:
        due = {}

        for tp, progress in self.progress.items():
            commit = progress.next_commit(self.batcher.lowest(tp), marked=self.sink.batching is Batching.PER_ROUTE)

            if len(commit.metadata) > MAX_METADATA:
                self._hurry(tp)

            elif progress.is_news(commit):
                due[tp] = commit

        return due

    def _hurry(self, tp: TopicPartition) -> None:
        """Make the lane that holds a partition's offset back due at once."""
        lane = self.batcher.holding_back(tp)

        if lane is not None:
            lane.since = -math.inf
            self.wake.set()

    async def _fly(self, flight: Flight) -> None:
        try:
            await self.delivery.deliver(flight.batch, _FlightObserver(self, flight))
        except Exception as error:  # noqa: BLE001 - the run fails with it, and what was not settled is not committed
            self.fail(error)
        else:
            self.batcher.land(flight)
        finally:
            self._retrying.discard(id(flight))
            task = asyncio.current_task()

            with contextlib.suppress(KeyError):
                del self._flights[task]  # type: ignore[arg-type]  # it runs as a task

            self._dirty.set()
            self.wake.set()

    def fail(self, error: Exception) -> None:
        """Note the first error; nothing is launched any more."""
        self.failure = self.failure or error
        self.wake.set()

    def flown(self, flight: Flight, part: Batch, settled: int, held: int | ReplayFrom | None) -> None:
        """Note what a flight has made durable."""
        for span in part.spans:
            progress = self.progress.get(span.tp)

            if progress is not None and span.start < span.stop:
                progress.delivered(part.path, part.offsets[span.start : span.stop], held)

        self.batcher.settle(flight, settled)
        lane: Lane = flight.lane

        if isinstance(held, int) and self.sink.batching is Batching.PER_ROUTE:
            self.batcher.drop_below(lane, held)

        self.observer.wrote(len(part))
        self._dirty.set()

    def held_up(self, flight: Flight, error: Exception | None) -> None:
        """Note that a flight is being retried, or that it is no more."""
        if error is not None:
            self._retrying.add(id(flight))
            self.observer.delivering(error)
        elif id(flight) in self._retrying:
            self._retrying.remove(id(flight))

            if not self._retrying:
                self.observer.delivering(None)


@attrs.frozen
class _FlightObserver:
    outbox: Outbox
    flight: Flight

    def durable(self, part: Batch, *, settled: int, held: int | ReplayFrom | None = None) -> None:
        self.outbox.flown(self.flight, part, settled, held)

    def retrying(self, error: Exception | None) -> None:
        self.outbox.held_up(self.flight, error)

    def superseded(self, partitions: Collection[TopicPartition]) -> None:
        self.outbox.superseded.update(partitions)
        self.outbox.wake.set()
