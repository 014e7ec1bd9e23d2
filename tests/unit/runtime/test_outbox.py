"""The outbox: what a flush begins and what it leaves."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from streamhouse_connect import Batch, FatalError, Sink, TopicPartition
from streamhouse_connect.runtime.batching import Batcher, Limits
from streamhouse_connect.runtime.delivery import Delivery
from streamhouse_connect.runtime.observer import TaskObserver
from streamhouse_connect.runtime.outbox import Outbox
from streamhouse_connect.runtime.progress import PartitionProgress
from streamhouse_connect.runtime.retries import Backoff
from streamhouse_connect.sinks import Batching
from streamhouse_connect.testing import make_batch

TP = TopicPartition("orders", 0)


@attrs.frozen
class NoConfig:
    """No options."""


class SlowSink(Sink[NoConfig]):
    """Takes so many seconds for a write, by a clock of its own."""

    name = "slow-sink"
    config_class = NoConfig
    batching = Batching.MIXED
    in_flight = 1

    def __init__(self, seconds: float) -> None:
        super().__init__(NoConfig())
        self.seconds = seconds
        self.now = 0.0
        self.started: list[float] = []
        self.events: list[tuple[str, Batch]] = []
        self.written = 0

    async def prepare(self, batch: Batch) -> None:
        self.events.append(("prepare", batch))
        raise FatalError("is left to the write")

    async def write(self, batch: Batch) -> int | None:
        self.started.append(self.now)
        self.events.append(("write", batch))
        await asyncio.sleep(0)
        self.now += self.seconds
        self.written += len(batch)
        return None


def outbox(sink: SlowSink, records: int) -> Outbox:
    """Make an outbox in which so many records wait, each a batch of its own."""
    made = Outbox(
        sink=sink,
        batcher=Batcher(Limits(1, 1 << 20, 5.0, 1, 1)),
        delivery=Delivery(sink, None, Backoff(1, 1, lambda: 0.5), asyncio.sleep),
        observer=TaskObserver(),
        clock=lambda: sink.now,
        wake=asyncio.Event(),
    )
    batch = make_batch([b"%d" % n for n in range(records)])
    made.start(TP, PartitionProgress(0))
    made.read(batch, [("orders", batch)])
    return made


async def test_a_flush_writes_all_that_waits() -> None:
    """Nothing is left of what the destination takes in time."""
    sink = SlowSink(0.01)
    await outbox(sink, 20).flush([TP], 30.0)
    assert sink.written == 20


@pytest.mark.parametrize(("within", "last"), [(1.2, 0.6), (30.0, 25.0)])
async def test_a_flush_begins_no_write_that_it_may_have_to_cut_off(within: float, last: float) -> None:
    """A write cut off at the deadline may have happened all the same, so near it what waits is left to be read again."""
    sink = SlowSink(0.25)
    made = outbox(sink, 200)
    await made.flush([TP], within)
    assert last - 0.25 <= sink.started[-1] < last
    assert sink.written == len(sink.started)  # each that was begun has ended
    assert made.batcher.flights == 0


async def test_the_next_batch_is_prepared_while_one_is_written() -> None:
    """Once, as the object that is written then; and what goes wrong with it is not yet a failure."""
    sink = SlowSink(0.01)
    made = outbox(sink, 3)
    await made.flush([TP], 30.0)
    assert [name for name, _ in sink.events] == ["write", "prepare", "write", "prepare", "write"]
    assert [batch.offsets[0] for _, batch in sink.events] == [0, 1, 1, 2, 2]
    assert sink.events[1][1] is sink.events[2][1]
    assert made.failure is None


async def test_nothing_is_prepared_that_will_not_be_written() -> None:
    """Once the run is over."""
    sink = SlowSink(0.01)
    made = outbox(sink, 3)
    made.launch()
    await made.abandon()
    assert [name for name, _ in sink.events] == ["write"]
