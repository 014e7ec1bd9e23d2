"""What every broker keeps to, first part: topics, appends and reads. Used by way of `BrokerConformance`."""

# ruff: noqa: PLR2004 - the expected value is a magic value

from __future__ import annotations

import asyncio
import threading
from typing import ClassVar, Final

import pytest

from streamhouse_connect import (
    NO_TIMESTAMP,
    Broker,
    Committed,
    ConfigError,
    ConflictError,
    NewRecords,
    NotFoundError,
    Record,
    Subscription,
    TopicPartition,
)
from streamhouse_connect.testing.consumers import RecordingListener, poll, values_of

__all__ = ["LogConformance"]

T0: Final = TopicPartition("t", 0)


class LogConformance:
    """The tests."""

    timestamps: ClassVar[tuple[int, int, int, int]] = (0, NO_TIMESTAMP, 1_770_732_000_123, 2**62)
    """What the broker keeps as it was given; not every broker takes any time."""

    @pytest.fixture
    def broker(self) -> Broker:
        """Return the broker to be tested."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------------ topics

    async def test_topics_are_listed_by_name(self, broker: Broker) -> None:
        """What was created is listed, by name, with its number of partitions and its retention."""
        async with broker:
            second = await broker.create_topic("b", partitions=3, retention_ms=60_000, retention_bytes=10**9)
            first = await broker.create_topic("a")

            assert await broker.topics() == [first, second]
            assert (first.partitions, first.retention_ms, first.retention_bytes) == (1, None, None)
            assert (second.partitions, second.retention_ms, second.retention_bytes) == (3, 60_000, 10**9)
            assert await broker.topic("b") == second

    async def test_a_topic_is_created_once(self, broker: Broker) -> None:
        """A second topic of the same name is a conflict, and changes nothing."""
        async with broker:
            topic = await broker.create_topic("t")

            with pytest.raises(ConflictError) as raised:
                await broker.create_topic("t", partitions=2)

            assert raised.value.code == "topic_exists"
            assert await broker.topics() == [topic]

    async def test_creating_a_topic_twice_at_once_succeeds_once(self, broker: Broker) -> None:
        """Of several who create the same topic at the same time one succeeds, and the others hear of the conflict."""
        async with broker:
            outcomes = await asyncio.gather(*(broker.create_topic("t") for _ in range(5)), return_exceptions=True)

            assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 4
            assert len(await broker.topics()) == 1

    async def test_a_bad_topic_is_refused_with_every_problem(self, broker: Broker) -> None:
        """Name, partitions and retention are checked, and all that is wrong is said at once."""
        async with broker:
            with pytest.raises(ConfigError) as raised:
                await broker.create_topic("a/b", partitions=0, retention_ms=0, retention_bytes=-1)

            fields = [problem.field for problem in raised.value.problems]
            assert fields == ["name", "partitions", "retention_ms", "retention_bytes"]

    @pytest.mark.parametrize("name", ["", ".", "..", "a b", "a\n", "ä", "../etc", "x" * 250, "a\0", "\ud800", "t'; --"])
    async def test_a_hostile_name_is_refused(self, broker: Broker, name: str) -> None:
        """Only letters, digits, dots, underscores and hyphens make a name, 249 at most."""
        async with broker:
            with pytest.raises(ConfigError):
                await broker.create_topic(name)

            with pytest.raises(NotFoundError):
                await broker.topic(name)

    async def test_an_unknown_topic_is_not_found(self, broker: Broker) -> None:
        """Whatever is asked of a topic that does not exist, the answer says so with the code `unknown_topic`."""
        async with broker:
            for asked in (
                broker.topic("t"),
                broker.delete_topic("t"),
                broker.append("t", NewRecords(values=[b"1"])),
                broker.read(T0, 0, max_records=1),
                broker.watermarks("t"),
            ):
                with pytest.raises(NotFoundError) as raised:
                    await asked

                assert raised.value.code == "unknown_topic"

    async def test_a_topic_made_again_starts_anew(self, broker: Broker) -> None:
        """After a deletion, a topic of the same name has another id, no records and no commits."""
        async with broker:
            before = await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"old"]))
            consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
            await poll(consumer, 1)
            await consumer.commit({T0: Committed(1)})
            await consumer.close()
            await broker.delete_topic("t")
            after = await broker.create_topic("t")

            assert after.id != before.id
            assert await broker.watermarks("t") == {T0: (0, 0)}
            assert await broker.committed("g") == {}

    # ----------------------------------------------------------------------------------------------------- appends

    async def test_records_come_back_as_they_were(self, broker: Broker) -> None:
        """Keys, values, timestamps and headers are kept: nulls, empty bytes and headers of one name twice included."""
        headers = ((), (("a", b"1"), ("a", None), ("ключ", b"")), (("", b"\xff\x00"),), ())

        async with broker:
            await broker.create_topic("t")
            appended = await broker.append(
                "t",
                NewRecords(
                    values=[b"v", None, b"", b"\x00\xff"],
                    keys=[b"k", b"", None, b"\xff"],
                    timestamps=self.timestamps,
                    headers=headers,
                ),
            )
            batch = await broker.read(T0, 0, max_records=10)

            assert (list(appended.partitions), list(appended.offsets)) == ([0] * 4, [0, 1, 2, 3])
            assert list(batch) == [
                Record(T0, 0, self.timestamps[0], b"k", b"v", headers[0]),
                Record(T0, 1, self.timestamps[1], b"", None, headers[1]),
                Record(T0, 2, self.timestamps[2], None, b"", headers[2]),
                Record(T0, 3, self.timestamps[3], b"\xff", b"\x00\xff", headers[3]),
            ]

    async def test_what_is_not_given_has_defaults(self, broker: Broker) -> None:
        """Without keys, headers and timestamps, records have null keys, no headers and the time of the append."""
        async with broker:
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"1", b"2"]))
            await broker.append("t", NewRecords(values=[b"3", b"4"], timestamps=[None, 5]))
            batch = await broker.read(T0, 0, max_records=10)

            assert list(batch.keys) == [None] * 4
            assert list(batch.headers) == [()] * 4
            assert batch.timestamps[3] == 5
            assert all(timestamp > 1_700_000_000_000 for timestamp in list(batch.timestamps)[:3])

    async def test_nothing_to_append_is_no_error(self, broker: Broker) -> None:
        """An append of no records succeeds."""
        async with broker:
            await broker.create_topic("t")
            appended = await broker.append("t", NewRecords(values=[]))

            assert (list(appended.partitions), list(appended.offsets)) == ([], [])
            assert await broker.watermarks("t") == {T0: (0, 0)}

    async def test_keys_choose_partitions_as_in_kafka(self, broker: Broker) -> None:
        """A record with a key goes to murmur2(key) % partitions: these are where Kafka's Java client puts them."""
        async with broker:
            await broker.create_topic("t", partitions=16)
            keys = [b"21", b"foobar", b"a-little-bit-long-string", b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"]
            appended = await broker.append("t", NewRecords(values=[b"v"] * 4, keys=keys))

            assert list(appended.partitions) == [-973932308 & 15, -790332482 & 15, -985981536 & 15, -58897971 & 15]
            assert list(appended.offsets) == [0] * 4

    async def test_null_keys_spread(self, broker: Broker) -> None:
        """Records without keys that are appended one at a time reach every partition."""
        async with broker:
            await broker.create_topic("t", partitions=3)
            appended = [await broker.append("t", NewRecords(values=[b"v"])) for _ in range(9)]

            assert {partition for each in appended for partition in each.partitions} == {0, 1, 2}

    async def test_given_partitions_are_kept_to(self, broker: Broker) -> None:
        """A partition that is given wins over the key; offsets come in the order of the records."""
        async with broker:
            await broker.create_topic("t", partitions=3)
            await broker.append("t", NewRecords(values=[b"0"], partitions=[2]))
            records = NewRecords(values=[b"1", b"2", b"3", b"4"], keys=[b"k"] * 4, partitions=[2, 0, 2, None])
            appended = await broker.append("t", records)
            by_key = (await broker.append("t", NewRecords(values=[b"5"], keys=[b"k"]))).partitions[0]

            assert list(appended.partitions) == [2, 0, 2, by_key]
            assert list(appended.offsets)[:3] == [1, 0, 2]
            assert [record.value for record in await broker.read(TopicPartition("t", 2), 1, max_records=2)] == [
                b"1",
                b"3",
            ]

    @pytest.mark.parametrize("partition", [-1, 2, 2**40])
    async def test_a_partition_out_of_range_stores_nothing(self, broker: Broker, partition: int) -> None:
        """An append with one bad partition is refused as a whole."""
        async with broker:
            await broker.create_topic("t", partitions=2)

            with pytest.raises(ConfigError, match="out of range"):
                await broker.append("t", NewRecords(values=[b"1", b"2"], partitions=[0, partition]))

            assert await broker.watermarks("t") == {T0: (0, 0), TopicPartition("t", 1): (0, 0)}

    @pytest.mark.parametrize(
        "bad",
        [
            NewRecords(values=[b"1", b"2"], headers=[(), (("\ud800", b""),)]),
            NewRecords(values=[b"1", b"2"], timestamps=[1, 2**63]),
            NewRecords(values=[b"1", b"2"], timestamps=[1, -(2**63) - 1]),
        ],
        ids=["no Unicode", "after time", "before time"],
    )
    async def test_what_could_not_be_read_back_is_refused(self, broker: Broker, bad: NewRecords) -> None:
        """A record that cannot be kept fails its append, not those who would read it."""
        async with broker:
            await broker.create_topic("t")

            with pytest.raises(ConfigError):
                await broker.append("t", bad)

            assert await broker.watermarks("t") == {T0: (0, 0)}

    async def test_large_records_are_kept(self, broker: Broker) -> None:
        """Records of several MiB, and appends of many records, come back whole and in order."""
        values = [b"x" * 3_000_000, b"y" * 5_000_000, *(str(number).encode() for number in range(25_000))]

        async with broker:
            await broker.create_topic("t")
            appended = await broker.append("t", NewRecords(values=values))
            consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())

            assert list(appended.offsets) == list(range(len(values)))
            assert values_of(await poll(consumer, len(values))) == values
            await consumer.close()

    async def test_appends_from_many_threads_do_not_mix(self, broker: Broker) -> None:
        """Event loops of several threads append to one partition: every record has an offset of its own, none is lost."""
        found: dict[int, bytes] = {}

        async def append(name: int) -> None:
            for number in range(20):
                value = f"{name} {number}".encode()
                appended = await broker.append("t", NewRecords(values=[value]))
                found[appended.offsets[0]] = value

        async with broker:
            await broker.create_topic("t")
            threads = [threading.Thread(target=asyncio.run, args=(append(name),)) for name in range(4)]

            for thread in threads:
                thread.start()

            await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
            batch = await broker.read(T0, 0, max_records=1_000)

            assert dict(zip(batch.offsets, batch.values, strict=True)) == found
            assert sorted(found) == list(range(80))

    # ------------------------------------------------------------------------------------------------------- reads

    async def test_reads_start_anywhere(self, broker: Broker) -> None:
        """A read gives what was asked for, over the borders of appends; below the start the first, past the end none."""
        async with broker:
            await broker.create_topic("t")

            for number in range(0, 9, 3):
                await broker.append("t", NewRecords(values=[str(number + each).encode() for each in range(3)]))

            assert [r.value for r in await broker.read(T0, 2, max_records=5)] == [b"2", b"3", b"4", b"5", b"6"]
            assert [r.offset for r in await broker.read(T0, -5, max_records=2)] == [0, 1]
            assert [r.offset for r in await broker.read(T0, 8, max_records=5)] == [8]
            assert list(await broker.read(T0, 9, max_records=5)) == []
            assert list(await broker.read(T0, 10**15, max_records=5)) == []
            assert list(await broker.read(T0, 0, max_records=0)) == []

    @pytest.mark.parametrize("partition", [-1, 1])
    async def test_an_unknown_partition_is_not_found(self, broker: Broker, partition: int) -> None:
        """A read of a partition that the topic has not says so with the code `unknown_partition`."""
        async with broker:
            await broker.create_topic("t")

            with pytest.raises(NotFoundError) as raised:
                await broker.read(TopicPartition("t", partition), 0, max_records=1)

            assert raised.value.code == "unknown_partition"
