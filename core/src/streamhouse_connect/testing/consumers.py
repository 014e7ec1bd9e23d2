"""What every broker keeps to, second part: consumers and commits. Used by way of `BrokerConformance`."""

# ruff: noqa: PLR2004 - the expected value is a magic value

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import attrs
import pytest

from streamhouse_connect import Broker, Committed, FatalError, NewRecords, Subscription, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamhouse_connect import Appended, Batch, Consumer

__all__ = ["ConsumerConformance", "RecordingListener", "join", "poll", "values_of"]

T0: Final = TopicPartition("t", 0)
_SOON: Final = 10.0
_AT_ONCE: Final = 0.0


@attrs.define
class RecordingListener:
    """Remembers what a consumer has told, in order."""

    events: list[tuple[str, frozenset[TopicPartition]]] = attrs.field(factory=list)
    gaps: list[tuple[TopicPartition, int, int]] = attrs.field(factory=list)

    async def assigned(self, partitions: Collection[TopicPartition]) -> None:
        self.events.append(("assigned", frozenset(partitions)))

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        self.events.append(("revoked", frozenset(partitions)))

    async def lost(self, partitions: Collection[TopicPartition]) -> None:
        self.events.append(("lost", frozenset(partitions)))

    async def missed(self, tp: TopicPartition, first: int, next_offset: int) -> None:
        self.gaps.append((tp, first, next_offset))


async def poll(consumer: Consumer, count: int) -> list[Batch]:
    """Poll until there are `count` records."""
    batches: list[Batch] = []

    async with asyncio.timeout(_SOON):
        while sum(map(len, batches)) < count:
            batches += await consumer.poll(max_records=count, timeout=_SOON)

    return batches


async def join(consumer: Consumer, listener: RecordingListener) -> None:
    """Poll until partitions, in which there is no record yet, are assigned."""
    async with asyncio.timeout(_SOON):
        while not listener.events:
            await consumer.poll(max_records=1, timeout=0.1)


def values_of(batches: Collection[Batch]) -> list[bytes | None]:
    """Return the values of batches, in their order."""
    return [value for batch in batches for value in batch.values]


class ConsumerConformance:
    """The tests."""

    @pytest.fixture
    def broker(self) -> Broker:
        """Return the broker to be tested."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------------------------- consumers

    async def test_a_consumer_gets_all_records_in_order(self, broker: Broker) -> None:
        """Polls give each partition's records once and in order; each batch starts where the last one ended."""
        async with broker:
            await broker.create_topic("t", partitions=2)
            listener = RecordingListener()
            consumer = broker.consumer("g", Subscription(["t"]), listener)

            for number in range(40):
                records = NewRecords(
                    values=[f"{number} {each}".encode() for each in range(5)], partitions=[number % 2] * 5
                )
                await broker.append("t", records)

            batches: list[Batch] = []

            while sum(map(len, batches)) < 200:
                batches += await consumer.poll(max_records=7, timeout=_SOON)

            for partition in (0, 1):
                tp = TopicPartition("t", partition)
                own = [batch for batch in batches if batch.spans[0].tp == tp]
                ends = [batch.spans[0].next_offset for batch in own]

                assert [record.offset for batch in own for record in batch] == list(range(100))
                assert [batch.spans[0].first_offset for batch in own] == [0, *ends[:-1]]
                assert [record.value for batch in own for record in batch] == [
                    f"{number} {each}".encode() for number in range(partition, 40, 2) for each in range(5)
                ]

            assert listener.events == [("assigned", frozenset({T0, TopicPartition("t", 1)}))]
            await consumer.close()

    async def test_a_poll_waits_for_the_first_records(self, broker: Broker) -> None:
        """A poll that finds nothing returns when something is appended, by whatever thread."""
        async with broker:
            await broker.create_topic("t")
            consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
            assert await consumer.poll(max_records=1, timeout=_AT_ONCE) == []
            waiting = asyncio.create_task(consumer.poll(max_records=10, timeout=_SOON * 10))
            await asyncio.sleep(0)

            def append() -> Appended:
                return asyncio.run(_append_one(broker))

            await asyncio.to_thread(append)

            async with asyncio.timeout(_SOON):
                assert values_of(await waiting) == [b"late"]

            await consumer.close()

    async def test_a_topic_that_appears_is_assigned(self, broker: Broker) -> None:
        """A consumer waits for topics that do not exist yet."""
        async with broker:
            listener = RecordingListener()
            consumer = broker.consumer("g", Subscription(["t"]), listener)
            waiting = asyncio.create_task(poll(consumer, 1))
            await asyncio.sleep(0)
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"1"]))

            assert values_of(await waiting) == [b"1"]
            assert listener.events == [("assigned", frozenset({T0}))]
            await consumer.close()

    async def test_a_deleted_topic_is_lost(self, broker: Broker) -> None:
        """Partitions of a topic that was deleted are lost; made again, they are assigned, from the start."""
        async with broker:
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"1", b"2"]))
            listener = RecordingListener()
            consumer = broker.consumer("g", Subscription(["t"]), listener)
            await poll(consumer, 2)
            await broker.delete_topic("t")
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"new"]))

            assert values_of(await poll(consumer, 1)) == [b"new"]
            assert [event for event, _ in listener.events] == ["assigned", "lost", "assigned"]
            await consumer.close()

    async def test_paused_partitions_give_nothing(self, broker: Broker) -> None:
        """Records of a paused partition wait until it is resumed; others come."""
        other = TopicPartition("t", 1)

        async with broker:
            await broker.create_topic("t", partitions=2)
            listener = RecordingListener()
            consumer = broker.consumer("g", Subscription(["t"]), listener)
            await join(consumer, listener)
            consumer.pause([T0])
            await broker.append("t", NewRecords(values=[b"0", b"1"], partitions=[0, 1]))

            assert values_of(await poll(consumer, 1)) == [b"1"]
            assert await consumer.poll(max_records=10, timeout=_AT_ONCE) == []
            consumer.pause([other])
            consumer.resume([T0])
            await broker.append("t", NewRecords(values=[b"2"], partitions=[1]))

            assert values_of(await poll(consumer, 1)) == [b"0"]
            await consumer.close()

    async def test_seeking_sets_where_to_read_on(self, broker: Broker) -> None:
        """A seek goes back and forth, into the middle of an append too; None and what is below the start mean the first."""
        async with broker:
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"0", b"1", b"2", b"3"]))
            consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
            await poll(consumer, 4)

            assert await consumer.seek(T0, 2) == 2
            assert values_of(await poll(consumer, 2)) == [b"2", b"3"]
            assert await consumer.seek(T0, None) == 0
            assert values_of(await poll(consumer, 4)) == [b"0", b"1", b"2", b"3"]
            assert await consumer.seek(T0, -7) == 0
            assert await consumer.seek(T0, 4) == 4
            assert await consumer.poll(max_records=10, timeout=_AT_ONCE) == []
            await consumer.close()

    async def test_a_position_beyond_the_end_is_an_error(self, broker: Broker) -> None:
        """Records that are gone must not be waited for: the error names partition, position and end."""
        async with broker:
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"0"]))
            consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
            await poll(consumer, 1)
            await consumer.seek(T0, 17)

            with pytest.raises(FatalError, match=r"17.*t-0.*end 1\b"):
                await consumer.poll(max_records=10, timeout=_SOON)

            await consumer.close()

    # ----------------------------------------------------------------------------------------------------- commits

    async def test_a_group_goes_on_where_it_committed(self, broker: Broker) -> None:
        """The next consumer of a group starts at its commit, which comes back with its metadata."""
        async with broker:
            await broker.create_topic("t", partitions=2)
            await broker.append("t", NewRecords(values=[b"0", b"1", b"2"], partitions=[0, 0, 1]))
            consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
            await poll(consumer, 3)
            await consumer.commit({T0: Committed(1, "ключ" * 512)})
            assert await consumer.committed([T0, TopicPartition("t", 1)]) == {T0: Committed(1, "ключ" * 512)}
            await consumer.close()
            later = broker.consumer("g", Subscription(["t"]), RecordingListener())

            assert sorted(map(str, values_of(await poll(later, 2)))) == ["b'1'", "b'2'"]
            await later.close()

    async def test_groups_do_not_know_each_other(self, broker: Broker) -> None:
        """Commits belong to a group; deleting one leaves the others."""
        async with broker:
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"0", b"1"]))

            for group, offset in (("a", 1), ("b", 2)):
                consumer = broker.consumer(group, Subscription(["t"]), RecordingListener())
                await poll(consumer, 2)
                await consumer.commit({T0: Committed(offset)})
                await consumer.close()

            await broker.delete_group("a")
            await broker.delete_group("nobody")

            assert await broker.committed("a") == {}
            assert await broker.committed("b") == {T0: Committed(2)}

    async def test_closing_revokes_but_does_not_commit(self, broker: Broker) -> None:
        """A consumer that is closed revokes its partitions, once, and commits nothing by itself."""
        async with broker:
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"0"]))
            listener = RecordingListener()
            consumer = broker.consumer("g", Subscription(["t"]), listener)
            await poll(consumer, 1)
            await consumer.close()
            await consumer.close()

            assert listener.events == [("assigned", frozenset({T0})), ("revoked", frozenset({T0}))]
            assert await broker.committed("g") == {}

    async def test_what_is_flushed_at_the_end_can_be_committed(self, broker: Broker) -> None:
        """A listener may commit while its partitions are revoked."""

        class Committing(RecordingListener):
            async def revoked(self, partitions: Collection[TopicPartition]) -> None:
                await consumer.commit({tp: Committed(1) for tp in partitions})

        async with broker:
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"0"]))
            consumer = broker.consumer("g", Subscription(["t"]), Committing())
            await poll(consumer, 1)
            await consumer.close()

            assert await broker.committed("g") == {T0: Committed(1)}


async def _append_one(broker: Broker) -> Appended:
    return await broker.append("t", NewRecords(values=[b"late"]))
