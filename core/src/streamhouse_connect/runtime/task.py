"""A task: reads its partitions and has them delivered. One run of it ends with a stop or with an error.

Reading, encoding and writing overlap: while batches are in flight the next are polled, and commits go along. All of it
happens on one event loop, which belongs to the task.

    open → (poll → take in → launch → commit)* → flush → commit → close → keep bookmarks
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect.runtime.assignments import Assignments
from streamhouse_connect.runtime.batching import Batcher, Limits
from streamhouse_connect.runtime.intake import Intake
from streamhouse_connect.runtime.lanes import RECORD_OVERHEAD
from streamhouse_connect.runtime.memory import PATIENCE_SECONDS
from streamhouse_connect.runtime.outbox import Outbox
from streamhouse_connect.sinks import Batching

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from streamhouse_connect.brokers import Broker, Committed, Subscription
    from streamhouse_connect.options import ConnectorOptions
    from streamhouse_connect.records import Batch, TopicPartition
    from streamhouse_connect.runtime.bookmarks import Bookmarks
    from streamhouse_connect.runtime.delivery import Delivery
    from streamhouse_connect.runtime.memory import MemoryBudget
    from streamhouse_connect.runtime.observer import TaskObserver
    from streamhouse_connect.sinks import Sink, SinkContext

__all__ = ["Task"]

_POLL_RECORDS: Final = 10_000
_POLL_SECONDS: Final = 1.0
_RECORD_BYTES: Final = 65_536
_FAILED_GRACE_SECONDS: Final = 5.0

_FLUSH_SHARE: Final = 0.75
"""Of the time that a stop has; the rest is for the last commit, and for closing."""


@attrs.define(eq=False)
class Task:
    """One run of a connector's task."""

    group: str
    subscription: Subscription
    broker: Broker
    sink: Sink[Any]
    context: SinkContext
    topic_ids: dict[str, str]
    """The mapping inside `context`."""
    delivery: Delivery
    options: ConnectorOptions
    observer: TaskObserver
    clock: Callable[[], float]
    budget: MemoryBudget
    bookmarks: Bookmarks
    revoke_within: float = 20.0
    """The time, in seconds, that revoked partitions have to be flushed and committed."""
    _outbox: Outbox = attrs.field(init=False)
    _assignments: Assignments = attrs.field(init=False)
    _intake: Intake = attrs.field(init=False)
    _committed: Mapping[TopicPartition, Committed] = attrs.field(factory=dict, init=False)
    """What was committed when the consumer left the group."""
    _record_bytes: float = attrs.field(default=_RECORD_BYTES, init=False)
    """The size of a record, on average of the last ones that were read; at first a guess."""
    _payload_bytes: float = attrs.field(default=0.0, init=False)
    """What of that is key and value; 0: nothing has been read yet."""
    _is_cramped: bool = attrs.field(default=False, init=False)
    """Whether it was noted that batches can't become as large as they should."""
    _wake: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _stop_within: float | None = attrs.field(default=None, init=False)
    _drain: Mapping[TopicPartition, int] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._outbox = Outbox(
            sink=self.sink,
            batcher=Batcher(self._limits(), self._wanted_bytes),
            delivery=self.delivery,
            observer=self.observer,
            clock=self.clock,
            wake=self._wake,
        )
        self._intake = Intake(self.sink, self.delivery, self._outbox, self.observer)

    def stop(self, within: float) -> None:
        """Ask the run to flush, commit and return within about so many seconds. Call it on the task's loop."""
        self._stop_within = within
        self._outbox.deadline = self.clock() + _FLUSH_SHARE * within
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
            await self.bookmarks.keep(self._committed, self.topic_ids)

    async def _run_consumer(self) -> None:
        self._outbox.batcher.limits = self._limits()  # opening may have changed the number of flights
        self._assignments = Assignments(
            sink=self.sink,
            context=self.context,
            topic_ids=self.topic_ids,
            broker=self.broker,
            bookmarks=self.bookmarks,
            outbox=self._outbox,
            observer=self.observer,
            backoff=self.delivery.backoff,
            clock=self.clock,
            make_consumer=lambda listener: self.broker.consumer(self.group, self.subscription, listener),
            revoke_within=self.revoke_within,
        )

        try:
            await self._consume()
        finally:
            self._committed = self._assignments.committed()
            await self._assignments.consumer.close()

    def _limits(self) -> Limits:
        mixed = self.sink.batching is Batching.MIXED

        return Limits(
            records=self.options.batch_size,
            nbytes=self.options.batch_bytes,
            interval=self.options.batch_interval_ms / 1000,
            in_flight=self.sink.in_flight,
            in_flight_per_lane=self.sink.in_flight if mixed else 1,
            open_lanes=None if mixed else self.sink.max_open,
        )

    def _wanted_bytes(self, tp: TopicPartition, path: str) -> int | None:
        wanted = self.sink.batch_bytes(tp, path)
        memory = min(self.options.buffer_memory, self.budget.share)

        if wanted is not None and self._payload_bytes > 0 and not self._is_cramped:
            needed = int(wanted * self._record_bytes / self._payload_bytes)

            if needed > memory:
                self._is_cramped = True
                self.observer.noted(
                    f"batches of the size that is wanted of {tp.topic} take {needed} bytes of memory, more than the {memory} that there are: "
                    f"files will be smaller; raise config.buffer.memory (and the worker's memory, which its tasks share)"
                )

        return wanted

    async def _consume(self) -> None:
        committing = asyncio.create_task(self._assignments.committer.run())
        grace = 0.0

        try:
            await self._poll_and_launch()
            await self._outbox.flush(self._outbox.progress, _FLUSH_SHARE * (self._stop_within or 0.0))
        except Exception as error:  # noqa: BLE001 - raised below, once what is durable is committed
            self._outbox.fail(error)
            grace = _FAILED_GRACE_SECONDS
        finally:
            try:
                await self._outbox.abandon(grace)
                committing.cancel()
                await asyncio.wait({committing})
                within = _FAILED_GRACE_SECONDS if self._stop_within is None else (1 - _FLUSH_SHARE) * self._stop_within
                await self._assignments.committer.commit_at_last(within=within, log=self.context.log)
            finally:
                self.observer.left(self._outbox.unsettled)

        if self._outbox.failure is not None:
            raise self._outbox.failure

    async def _poll_and_launch(self) -> None:
        poll: asyncio.Task[list[Batch]] | None = None

        try:
            while self._stop_within is None and self._outbox.failure is None:
                max_records = self._react()

                if poll is None and max_records:
                    await self._assignments.take_up_pending()
                    consumer = self._assignments.consumer
                    poll = asyncio.create_task(consumer.poll(max_records=max_records, timeout=_POLL_SECONDS))

                await self._wait(poll)

                if poll is not None and poll.done():
                    batches, poll = poll.result(), None
                    before = self._outbox.taken

                    for batch in batches:
                        await self._intake.take(batch)

                    self._measure(batches, self._outbox.taken - before)

            if self._outbox.failure is not None:
                raise self._outbox.failure
        finally:
            if poll is not None:
                within = _FAILED_GRACE_SECONDS if self._stop_within is None else self._stop_within
                await self._assignments.calm(within)
                poll.cancel()
                await asyncio.wait({poll})

    def _react(self) -> int:
        """Launch what is due, pause or resume reading by the memory that is held, and return how many records to read; 0: none."""
        if self._drain is not None and self._outbox.has_read(self._drain):
            self._drain = None
            self._outbox.flush_soon()

        pause, resume, room = self._outbox.restrain(min(self.options.buffer_memory, self.budget.share))

        if pause:
            self._assignments.consumer.pause(pause)

        if resume:
            self._assignments.consumer.resume(resume)

        self._outbox.launch()
        return min(_POLL_RECORDS, math.ceil(room / self._record_bytes))

    def _measure(self, batches: Collection[Batch], taken: int) -> None:
        if records := sum(map(len, batches)):
            self._payload_bytes = sum(batch.nbytes for batch in batches) / records
            self._record_bytes = max(self._payload_bytes + RECORD_OVERHEAD, taken / records)

    async def _wait(self, poll: asyncio.Task[list[Batch]] | None) -> None:
        """Wait for the poll, for news from the outbox or from outside, or for the time at which a lane is due, or a poll."""
        due = self._outbox.batcher.next_due()
        woken = asyncio.create_task(self._wake.wait())
        timeout = math.inf if due is None else max(0.0, due - self.clock())

        if poll is None:
            timeout = min(timeout, PATIENCE_SECONDS)

        events: set[asyncio.Task[Any]] = {woken} if poll is None else {poll, woken}
        await asyncio.wait(
            events, timeout=None if timeout == math.inf else timeout, return_when=asyncio.FIRST_COMPLETED
        )
        woken.cancel()
        self._wake.clear()
