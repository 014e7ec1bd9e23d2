"""A destination that keeps offsets itself, and a broker whose commits say something else."""

from __future__ import annotations

import pytest

from fakes import Destination, body, until
from streamhouse_connect import Committed, MemoryBroker, NewRecords, Subscription, TopicPartition, Worker
from streamhouse_connect.testing.brokers import RecordingListener

TP = TopicPartition("orders", 0)


@pytest.fixture
async def broker() -> MemoryBroker:
    """A broker with a topic of ten records."""
    broker = MemoryBroker()
    await broker.open()
    await broker.create_topic("orders")
    await broker.append("orders", NewRecords(values=[b"%d" % number for number in range(10)]))
    return broker


async def commit(broker: MemoryBroker, offset: int) -> None:
    """Commit as an earlier run of the connector `c`."""
    consumer = broker.consumer("connect-c", Subscription(["orders"]), RecordingListener())
    await consumer.poll(max_records=1, timeout=1)
    await consumer.commit({TP: Committed(offset)})
    await consumer.close()


@pytest.mark.parametrize("committed", [None, 5, 10])
@pytest.mark.parametrize(
    ("held", "written"),
    [
        (10, []),
        (8, [8, 9]),
        (5, [5, 6, 7, 8, 9]),
        (2, [2, 3, 4, 5, 6, 7, 8, 9]),
        (0, list(range(10))),
    ],
)
async def test_what_the_destination_holds_wins_and_is_committed(
    broker: MemoryBroker, committed: int | None, held: int, written: list[int]
) -> None:
    """Ahead of the broker's commit or behind it, or without any; also if nothing is left to write."""
    destination = Destination(held={TP: held})

    if committed is not None:
        await commit(broker, committed)

    async with Worker(broker, registry=destination.registry()) as worker:
        await worker.create(body())
        await until(lambda: len(destination.records) == len(written))
        await worker.drained("c", timeout=5)
        assert [offset for _, offset, _ in destination.records] == written
        assert (await worker.get("c")).processed == len(written)


async def test_a_sink_knows_how_many_partitions_its_topics_have() -> None:
    """Before it resumes, and whether or not it is assigned all of them."""
    broker = MemoryBroker()
    await broker.open()
    await broker.create_topic("orders", partitions=3)
    await broker.append("orders", NewRecords(values=[b"0"]))
    destination = Destination()

    async with Worker(broker, registry=destination.registry()) as worker:
        await worker.create(body())
        await until(lambda: destination.records)
        assert destination.contexts[0].topic_partitions == {"orders": 3}
