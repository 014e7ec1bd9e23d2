"""A task at work on a consumer whose every poll is scripted, and a sink whose every write can be held up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs

from fakes import until
from streamhouse_connect import (
    Batch,
    Batching,
    Committed,
    Consumer,
    MemoryBroker,
    MemoryDefinitionStore,
    RebalanceListener,
    Sink,
    SinkContext,
    Span,
    Subscription,
    TopicPartition,
)
from streamhouse_connect.options import ConnectorOptions
from streamhouse_connect.runtime.bookmarks import Bookmarks
from streamhouse_connect.runtime.delivery import Delivery
from streamhouse_connect.runtime.memory import MemoryBudget
from streamhouse_connect.runtime.observer import TaskObserver
from streamhouse_connect.runtime.retries import Backoff
from streamhouse_connect.runtime.task import Task
from streamhouse_connect.testing import make_batch, make_context

P0, P1, P2 = (TopicPartition("orders", partition) for partition in range(3))

Step = Callable[[RebalanceListener], Awaitable[list[Batch] | None]]


class ScriptedConsumer(Consumer):
    """Each poll does the next step of the script, or waits for one."""

    trouble: Exception | None = None

    def __init__(self, listener: RebalanceListener) -> None:
        self.listener = listener
        self.script: asyncio.Queue[tuple[Step, asyncio.Future[None]]] = asyncio.Queue()
        self.stored: dict[TopicPartition, Committed] = {}
        self.commits: list[dict[TopicPartition, int]] = []
        self.refuse: Exception | None = None
        self.paused: set[TopicPartition] = set()
        self.sought: list[tuple[TopicPartition, int | None]] = []
        self.polls = 0
        self.step: asyncio.Future[list[Batch] | None] | None = None
        self.is_cut_off = False
        """Whether a step ends with its poll when that is cancelled; else it goes on."""

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:
        self.polls += 1

        try:
            step, done = await asyncio.wait_for(self.script.get(), min(timeout, 0.01))
        except TimeoutError:
            return []

        def tell(_: object) -> None:
            if not done.done():
                done.set_result(None)

        self.step = asyncio.ensure_future(step(self.listener))
        self.step.add_done_callback(tell)
        return await (self.step if self.is_cut_off else asyncio.shield(self.step)) or []

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Committed]:
        return {tp: self.stored[tp] for tp in partitions if tp in self.stored}

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        if self.refuse is not None:
            error, self.refuse = self.refuse, None
            raise error

        self.stored.update(offsets)
        self.commits.append({tp: commit.offset for tp, commit in offsets.items()})

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused.update(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused.difference_update(partitions)

    async def seek(self, tp: TopicPartition, offset: int | None) -> int:
        self.sought.append((tp, offset))
        return offset or 0

    async def close(self) -> None:
        """Let a step end; nothing is let go of but by the script."""
        if self.step is not None:
            await asyncio.wait({self.step})


class ScriptedBroker(MemoryBroker):
    """Gives out one scripted consumer."""

    consumers: list[ScriptedConsumer]

    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> Consumer:
        consumer = ScriptedConsumer(listener)
        self.consumers = [consumer]
        return consumer


@attrs.frozen
class NoConfig:
    """No options."""


class HeldUpSink(Sink[NoConfig]):
    """Writes once it is let; a batch is held up if it has records of a partition that is `stuck`."""

    name = "held-up-sink"
    config_class = NoConfig

    def __init__(self, batching: Batching, in_flight: int) -> None:
        super().__init__(NoConfig())
        self.batching = batching  # type: ignore[misc]  # a class for each would say no more
        self.in_flight = in_flight
        self.stuck: set[TopicPartition] = set()
        self.changed = asyncio.Event()
        self.begun: list[list[tuple[TopicPartition, int]]] = []
        self.written: list[tuple[TopicPartition, int]] = []
        self.fail: list[Exception] = []
        self.when_cut_off: Exception | None = None
        self.fail_resume: Exception | None = None
        self.resumed: list[set[TopicPartition]] = []
        self.released: list[set[TopicPartition]] = []
        self.skipped: list[Mapping[TopicPartition, int]] = []
        self.before_skip: Callable[[], Awaitable[object]] | None = None

    async def resume(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        if self.fail_resume is not None:
            raise self.fail_resume

        self.resumed.append(set(partitions))
        return {}

    async def write(self, batch: Batch) -> None:
        records = [(record.tp, record.offset) for record in batch]
        self.begun.append(records)

        try:
            while self.stuck & {tp for tp, _ in records}:
                self.changed.clear()
                await self.changed.wait()
        except asyncio.CancelledError as error:
            raise self.when_cut_off or error from error

        if self.fail:
            raise self.fail.pop(0)

        self.written += records

    async def skip(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.skipped.append(offsets)

        if self.before_skip is not None:
            await self.before_skip()

    async def release(self, partitions: Collection[TopicPartition]) -> None:
        self.released.append(set(partitions))

    def free(self, tp: TopicPartition) -> None:
        """Let the writes of a partition end."""
        self.stuck.discard(tp)
        self.changed.set()

    def offsets(self, tp: TopicPartition) -> list[int]:
        """Return the offsets that were written of a partition."""
        return [offset for each, offset in self.written if each == tp]


class NotingObserver(TaskObserver):
    """Notes what holds delivery up."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None

    def delivering(self, error: Exception | None) -> None:
        self.trouble = error


@attrs.define(eq=False)
class Stage:
    """The task, and all that it plays with."""

    task: Task
    sink: HeldUpSink
    broker: ScriptedBroker
    observer: NotingObserver
    run: asyncio.Task[None]

    @property
    def consumer(self) -> ScriptedConsumer:
        """The consumer of the run."""
        return self.broker.consumers[0]

    async def play(self, step: Step) -> None:
        """Have the next poll do this; return when it has."""
        await asyncio.shield(self.begin(step))

    def begin(self, step: Step) -> asyncio.Future[None]:
        """Have the next poll do this."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.consumer.script.put_nowait((step, done))
        return done

    async def assign(self, *partitions: TopicPartition) -> None:
        """Give the task partitions."""
        await self.play(lambda listener: listener.assigned(partitions))

    async def revoke(self, *partitions: TopicPartition) -> None:
        """Take partitions, with a word before."""
        await self.play(lambda listener: listener.revoked(partitions))

    async def lose(self, *partitions: TopicPartition) -> None:
        """Take partitions without a word."""
        await self.play(lambda listener: listener.lost(partitions))

    async def read(self, *batches: tuple[TopicPartition, int, int]) -> None:
        """Have a poll return records: partition, first offset and the one after the last."""

        async def step(_: RebalanceListener) -> list[Batch]:
            return [
                make_batch(
                    [b"%d" % offset for offset in range(first, stop)], partition=tp.partition, first_offset=first
                )
                for tp, first, stop in batches
            ]

        await self.play(step)
        polls = self.consumer.polls
        await until(lambda: self.consumer.polls > polls or self.run.done())  # they are taken in

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, as long as the task runs."""
        await until(lambda: condition() or self.run.done())
        assert condition(), "the task has ended"

    async def stop(self, within: float = 2.0) -> None:
        """Stop the task."""
        self.task.stop(within)
        await self.run


def covering(tp: TopicPartition, first: int, stop: int) -> Batch:
    """Return a batch without records: what was there is gone, or was never more than a marker."""
    nothing = make_batch([])
    return Batch(nothing.columns, spans=(Span(tp, 0, 0, first, stop),))


@asynccontextmanager
async def stage(
    batching: Batching, *, in_flight: int = 4, revoke_within: float = 0.4, **options: Any
) -> AsyncIterator[Stage]:
    """Run a task whose batches are due at ten records, or when something else makes them."""
    broker = ScriptedBroker()
    await broker.create_topic("orders", partitions=3)
    sink = HeldUpSink(batching, in_flight)
    topic_ids: dict[str, str] = {}
    observer = NotingObserver()
    log = logging.LoggerAdapter(logging.getLogger("test"))
    given = {"batch_size": 10, "batch_interval_ms": 3_600_000, **options}

    task = Task(
        group="connect-c",
        subscription=Subscription(["orders"]),
        broker=broker,
        sink=sink,
        context=SinkContext(
            connector="c",
            uid="uid",
            epoch=0,
            topic_ids=topic_ids,
            log=log,
            count=lambda *_: None,
            level=lambda *_: None,
            state=make_context().state,
        ),
        topic_ids=topic_ids,
        delivery=Delivery(sink, None, Backoff(0.01, 0.01, lambda: 0.5), asyncio.sleep),
        options=ConnectorOptions(**given),
        observer=observer,
        clock=asyncio.get_running_loop().time,
        budget=MemoryBudget(1 << 30),
        bookmarks=Bookmarks(MemoryDefinitionStore(), "uid", 0, 0, log),
        revoke_within=revoke_within,
    )
    run = asyncio.create_task(task.run())
    await until(lambda: hasattr(broker, "consumers"))

    try:
        yield Stage(task, sink, broker, observer, run)
    finally:
        run.cancel()

        with suppress(asyncio.CancelledError, Exception):
            await run
