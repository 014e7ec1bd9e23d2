"""A topic of the embedded broker, in a directory that each measurement opens in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.kafka_path import TimedConsumer
from benchmarks.orders import order
from streamhouse_connect import NewRecords, SqliteBroker, TopicPartition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from benchmarks.timing import Timing
    from streamhouse_connect.brokers import Consumer, RebalanceListener, Subscription

__all__ = ["TimedBroker", "fill", "read_all"]

APPENDED: Final = 5000


async def fill(data: str, topic: str, records: int) -> None:
    """Make a topic, and fill it with orders."""
    async with SqliteBroker(data) as broker:
        await broker.create_topic(topic)

        for first in range(0, records, APPENDED):
            values = [order(number) for number in range(first, min(first + APPENDED, records))]
            await broker.append(topic, NewRecords(values=values))


async def read_all(data: str, topic: str, size: int) -> AsyncIterator[Sequence[bytes]]:
    """Read a whole topic of one partition, so many records at a time, without a consumer."""
    async with SqliteBroker(data) as broker:
        tp, offset = TopicPartition(topic, 0), 0

        while len(batch := await broker.read(tp, offset, max_records=size)):
            yield [value for value in batch.values if value is not None]
            offset = batch.spans[-1].next_offset


class TimedBroker(SqliteBroker):
    """The embedded broker, whose consumers are timed."""

    def __init__(self, data: str, timing: Timing) -> None:
        super().__init__(data)
        self._timing = timing

    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> Consumer:
        return TimedConsumer(super().consumer(group, subscription, listener), self._timing)
