"""What the tests of the Kafka broker ask for: a broker, and transactions that end in one way or the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable

import attrs
import pytest
from confluent_kafka import Producer

from services import Topics
from streamhouse_connect import Batch, Committed, Consumer, KafkaBroker, Subscription, TopicPartition
from streamhouse_connect.testing.brokers import RecordingListener

SECONDS = 20.0


@pytest.fixture
async def broker(kafka: Topics) -> AsyncIterator[KafkaBroker]:
    """A broker that is open."""
    async with KafkaBroker(kafka.bootstrap) as broker:
        yield broker


@attrs.define(eq=False)
class Member(RecordingListener):
    """A consumer that polls in the background; `records` is what came, in its order, and `covered` how far reading went."""

    consumer: Consumer = attrs.field(init=False)
    records: list[tuple[TopicPartition, int, bytes | None]] = attrs.field(factory=list)
    covered: dict[TopicPartition, int] = attrs.field(factory=dict)
    assigned_now: set[TopicPartition] = attrs.field(factory=set)
    polling: asyncio.Task[None] = attrs.field(init=False)

    async def assigned(self, partitions: Collection[TopicPartition]) -> None:
        await super().assigned(partitions)
        committed = await self.consumer.committed(partitions)

        for tp in partitions:
            self.covered[tp] = await self.consumer.seek(tp, committed[tp].offset if tp in committed else None)

        self.assigned_now |= set(partitions)

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        await super().revoked(partitions)
        await self.commit(partitions)
        self.assigned_now -= set(partitions)

    async def lost(self, partitions: Collection[TopicPartition]) -> None:
        await super().lost(partitions)
        self.assigned_now -= set(partitions)

    async def commit(self, partitions: Collection[TopicPartition]) -> None:
        await self.consumer.commit({tp: Committed(self.covered[tp]) for tp in partitions})

    async def poll(self) -> None:
        while True:
            for batch in await self.consumer.poll(max_records=1000, timeout=0.5):
                self.take(batch)

    def take(self, batch: Batch) -> None:
        (span,) = batch.spans
        self.records += [(record.tp, record.offset, record.value) for record in batch]
        self.covered[span.tp] = span.next_offset

    def values(self) -> list[bytes | None]:
        return [value for _, _, value in self.records]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something holds, or polling fails."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                if self.polling.done():
                    self.polling.result()

                await asyncio.sleep(0.02)

    def join(self, broker: KafkaBroker, group: str, subscription: Subscription) -> None:
        self.consumer = broker.consumer(group, subscription, self)
        self.polling = asyncio.create_task(self.poll())

    async def leave(self) -> None:
        self.polling.cancel()
        await asyncio.wait({self.polling})
        await self.consumer.close()


@pytest.fixture
async def join(broker: KafkaBroker) -> AsyncIterator[Callable[[str, Subscription], Member]]:
    """Make members of groups, who leave at the end."""
    members: list[Member] = []

    def make(group: str, subscription: Subscription) -> Member:
        member = Member()
        member.join(broker, group, subscription)
        members.append(member)
        return member

    yield make

    for member in members:
        await member.leave()


def transact(kafka: Topics, topic: str, values: Iterable[bytes], *, commit: bool, hold: bool = False) -> Producer:
    """Produce a transaction and end it, or leave it open."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{topic}-{commit}-{hold}"})
    producer.init_transactions(SECONDS)
    producer.begin_transaction()

    for value in values:
        producer.produce(topic, value)

    assert not producer.flush(SECONDS), "some records were not sent in time"

    if not hold:
        (producer.commit_transaction if commit else producer.abort_transaction)(SECONDS)

    return producer
