"""A task: reads its partitions and has them delivered. One run of it ends with a stop or with an error.

Reading, encoding and writing overlap: while batches are in flight the next are polled, and commits go along. All of it
happens on one event loop, which belongs to the connector.

    open → (poll → admit → launch → commit)* → flush → commit → close
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect.errors import FatalError, RejectedRecords
from streamhouse_connect.runtime.batching import Batcher, Limits
from streamhouse_connect.runtime.outbox import Outbox
from streamhouse_connect.runtime.progress import PartitionProgress
from streamhouse_connect.sinks import Batching

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from streamhouse_connect.brokers import Broker, Committed, Consumer, Subscription
    from streamhouse_connect.options import ConnectorOptions
    from streamhouse_connect.records import Batch, TopicPartition
    from streamhouse_connect.runtime.delivery import Delivery
    from streamhouse_connect.runtime.memory import MemoryBudget
    from streamhouse_connect.runtime.observer import TaskObserver
    from streamhouse_connect.sinks import Sink, SinkContext

__all__ = ["Task"]

_POLL_RECORDS: Final = 10_000
_RECORD_BYTES: Final = 65_536
_POLL_SECONDS: Final = 1.0
_FAILED_GRACE_SECONDS: Final = 5.0

_FLUSH_SHARE: Final = 0.75
"""Of the time that a stop has; the rest is for the last commit, and for closing."""


@attrs.define(eq=False)
class Task:
    """One run of a connector's task; it is also the one whom its consumer tells of rebalances."""

    group: str
    subscription: Subscription
    broker: Broker
    sink: Sink[Any]
    context: SinkContext
    topic_ids: dict[str, str]
    """The mapping inside `context`; filled before partitions of a topic are taken up."""
    delivery: Delivery
    options: ConnectorOptions
    observer: TaskObserver
    clock: Callable[[], float]
    budget: MemoryBudget
    revoke_timeout: float = 30.0
    _consumer: Consumer = attrs.field(init=False)
    _outbox: Outbox = attrs.field(init=False)
    _record_bytes: float = attrs.field(default=_RECORD_BYTES, init=False)
    """The size of a record, on average of the last ones that were read; at first a guess."""
    _wake: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _stop_within: float | None = attrs.field(default=None, init=False)
    _drain: Mapping[TopicPartition, int] | None = attrs.field(default=None, init=False)

    def stop(self, within: float) -> None:
        """Ask the run to flush, commit and return within about so many seconds. Call it on the task's loop."""
        self._stop_within = within
        self._wake.set()

    def drain(self, ends: Mapping[TopicPartition, int]) -> None:
        """Once everything below these offsets is read, have it written without waiting for fuller batches."""
        self._drain = ends
        self._wake.set()

    async def run(self) -> None:
        """Run until `stop`.

        :raises Exception: what the sink or the broker raised; whatever was durable by then is committed.
        """
        try:
            await self.sink.open(self.context)
            self.observer.opened(self.sink.weakened)

            with self.budget.joined():
                await self._run_consumer()
        finally:
            await self.sink.close()

    async def _run_consumer(self) -> None:
        self._consumer = self.broker.consumer(self.group, self.subscription, self)
        self._outbox = Outbox(
            sink=self.sink,
            consumer=self._consumer,
            batcher=Batcher(self._limits()),
            delivery=self.delivery,
            observer=self.observer,
            clock=self.clock,
            wake=self._wake,
        )

        try:
            await self._consume()
        finally:
            await self._consumer.close()

    def _limits(self) -> Limits:
        mixed = self.sink.batching is Batching.MIXED

        return Limits(
            records=self.options.batch_size,
            nbytes=self.options.batch_bytes,
            interval=self.options.batch_interval_ms / 1000,
            in_flight=self.sink.in_flight,
            in_flight_per_lane=self.sink.in_flight if mixed else 1,
        )

    async def _consume(self) -> None:
        committing = asyncio.create_task(self._outbox.commit_forever())
        grace = 0.0

        try:
            await self._poll_and_launch()
            await self._outbox.flush(self._outbox.progress, _FLUSH_SHARE * (self._stop_within or 0.0))
        except Exception as error:  # noqa: BLE001 - raised below, once what is durable is committed
            self._outbox.fail(error)
            grace = _FAILED_GRACE_SECONDS
        finally:
            await self._outbox.abandon(grace)
            committing.cancel()
            await asyncio.wait({committing})
            await self._outbox.commit()

        if self._outbox.failure is not None:
            raise self._outbox.failure

    async def _poll_and_launch(self) -> None:
        poll: asyncio.Task[list[Batch]] | None = None

        try:
            while self._stop_within is None and self._outbox.failure is None:
                max_records = self._react()

                if poll is None:
                    poll = asyncio.create_task(self._consumer.poll(max_records=max_records, timeout=_POLL_SECONDS))

                await self._wait(poll)

                if poll.done():
                    batches, poll = poll.result(), None

                    self._measure(batches)

                    for batch in batches:
                        await self._admit(batch)

            if self._outbox.failure is not None:
                raise self._outbox.failure
        finally:
            if poll is not None:
                poll.cancel()
                await asyncio.wait({poll})

    def _react(self) -> int:
        """Launch what is due, pause or resume reading by the memory that is held, and return how many records to read."""
        if self._drain is not None and self._outbox.has_read(self._drain):
            self._drain = None
            self._outbox.flush_soon()

        room = self._outbox.restrain(min(self.options.buffer_memory, self.budget.share))
        self._outbox.launch()

        return min(_POLL_RECORDS, max(1, int(room / self._record_bytes)))

    def _measure(self, batches: Collection[Batch]) -> None:
        if records := sum(map(len, batches)):
            self._record_bytes = max(1.0, sum(batch.nbytes for batch in batches) / records)

    async def _wait(self, poll: asyncio.Task[list[Batch]]) -> None:
        """Wait for the poll, for news from the outbox or from outside, or for the time at which a lane is due."""
        due = self._outbox.batcher.next_due()
        woken = asyncio.create_task(self._wake.wait())
        timeout = None if due is None else max(0.0, due - self.clock())
        await asyncio.wait({poll, woken}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
        self._wake.clear()

        if self._outbox.superseded:
            await self._take_up_again()

    async def _take_up_again(self) -> None:
        """Another task has, or had, these partitions; as long as they are assigned to us, go on from where it stands."""
        partitions, self._outbox.superseded = self._outbox.superseded, set()
        ours = [tp for tp in partitions if tp in self._outbox.progress]
        self._outbox.drop(ours)
        await self.assigned(ours)

    async def _admit(self, batch: Batch) -> None:
        """Route a batch and queue its parts."""
        tp = batch.spans[0].tp

        if tp not in self._outbox.progress:  # lost while the poll was on its way
            return

        live = self._without_tombstones(batch)
        failure = None

        try:
            routes = await self._routed(live)
        except RejectedRecords as error:
            if self.delivery.dead_letters is not None:
                await self.delivery.dead_letters(live, error.reasons)
                live = live.select([index for index in range(len(live)) if index not in error.reasons])
            else:
                first, reason = next(iter(error.reasons.items()))
                failure = FatalError(f"{tp.topic}, partition {tp.partition}, offset {live.offsets[first]}: {reason}")
                live = live[:first]

            routes = await self._routed(live) if len(live) else []

        if tp in self._outbox.progress:
            self._outbox.read(live if failure else batch, routes)

        if failure:
            await self._outbox.flush([tp], _FAILED_GRACE_SECONDS)
            raise failure

    def _without_tombstones(self, batch: Batch) -> Batch:
        if self.sink.null_values == "pass" or None not in batch.values:
            return batch

        live = [index for index, value in enumerate(batch.values) if value is not None]
        self.observer.skipped(len(batch) - len(live))
        return batch.select(live)

    async def _routed(self, batch: Batch) -> list[tuple[str, Batch]]:
        if self.sink.batching is Batching.MIXED:
            return [("", batch)]

        if not len(batch):
            return []

        routes = await asyncio.to_thread(self.sink.route, batch)
        return [(path, self._unmarked(path, batch.select(indexes, path=path))) for path, indexes in routes]

    def _unmarked(self, path: str, part: Batch) -> Batch:
        """Leave out what an earlier run has made durable already."""
        mark = self._outbox.progress[part.spans[0].tp].mark(path)

        if not len(part) or part.offsets[0] >= mark:
            return part

        return part.select([index for index, offset in enumerate(part.offsets) if offset >= mark])

    async def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Find out where each partition goes on: the destination knows best, then the broker."""
        for topic in {tp.topic for tp in partitions}:
            self.topic_ids[topic] = (await self.broker.topic(topic)).id

        committed = self._from_these_topics(await self._consumer.committed(partitions))
        held = await self.sink.resume(partitions)

        for tp in partitions:
            commit = committed.get(tp)
            start = held.get(tp, commit.offset if commit else None)
            position = await self._consumer.seek(tp, start)
            self._outbox.start(tp, PartitionProgress.restored(position, commit, topic_id=self.topic_ids[tp.topic]))

    def _from_these_topics(self, committed: Mapping[TopicPartition, Committed]) -> dict[TopicPartition, Committed]:
        """Leave out commits that were made in another topic of that name."""
        made_here = {
            tp: commit
            for tp, commit in committed.items()
            if PartitionProgress.was_made_in(commit, self.topic_ids[tp.topic])
        }

        for topic in sorted({tp.topic for tp in committed.keys() - made_here.keys()}):
            self.context.log.warning("topic_made_again topic=%s", topic)
            self.observer.noted(
                f"topic {topic} was deleted and made again: what was committed before counts for nothing, it is read anew"
            )

        return made_here

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Flush and commit, then let go."""
        await self._outbox.flush(partitions, self.revoke_timeout)
        await self._outbox.commit()
        await self._let_go(partitions)

    async def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Drop what is buffered: somebody else will read it again."""
        await self._let_go(partitions)

    async def missed(self, tp: TopicPartition, first: int, next_offset: int) -> None:
        """Tell of records that were gone before they could be read."""
        self.observer.missed(tp, first, next_offset)

    async def _let_go(self, partitions: Collection[TopicPartition]) -> None:
        self._outbox.drop(partitions)
        await self.sink.release(partitions)
