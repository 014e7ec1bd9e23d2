"""What both embedded brokers do beyond the contract: one consumer a group, woken at once, fair, and never in the way."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from streamhouse_connect import (
    Committed,
    FatalError,
    MemoryBroker,
    NewRecords,
    SqliteBroker,
    Subscription,
    Superseded,
    TopicPartition,
)
from streamhouse_connect.brokers.embedded import EmbeddedBroker
from streamhouse_connect.testing.brokers import RecordingListener

T0 = TopicPartition("t", 0)
SOON = 10.0


class Clock:
    """Tells the time that it was told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[EmbeddedBroker]:
    memory = request.param == "memory"
    made: EmbeddedBroker = MemoryBroker(clock=clock) if memory else SqliteBroker(tmp_path / "data", clock=clock)

    async with made:
        await made.create_topic("t")
        yield made


async def expire(broker: EmbeddedBroker) -> None:
    """Have the upkeep of a durable broker done at once; one in memory does it with every append."""
    if isinstance(broker, SqliteBroker):
        broker._storage._opened.writer.hurry()  # type: ignore[attr-defined]  # the storage of SQLite

        for _ in range(3):
            await broker.delete_group("nobody")


class HeldReads:
    """Holds what the reads of a broker have found back until `release` is set."""

    def __init__(self, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self._read: Callable[[Any], Awaitable[Any]] = broker._storage.read
        monkeypatch.setattr(broker._storage, "read", self._held)

    async def _held(self, reading: Any) -> Any:
        found = await self._read(reading)
        self.begun.set()
        await self.release.wait()
        return found


async def test_a_newer_consumer_takes_over(broker: EmbeddedBroker) -> None:
    """The older consumer of a group loses its partitions at its next poll, and reads and commits nothing more."""
    await broker.append("t", NewRecords(values=[b"1"]))
    old, new = RecordingListener(), RecordingListener()
    older = broker.consumer("g", Subscription(["t"]), old)
    await older.poll(max_records=1, timeout=SOON)
    newer = broker.consumer("g", Subscription(["t"]), new)

    with pytest.raises(Superseded):
        await older.commit({T0: Committed(1)})

    assert await older.poll(max_records=1, timeout=0) == []
    assert old.events == [("assigned", frozenset({T0})), ("lost", frozenset({T0}))]
    assert len(await newer.poll(max_records=1, timeout=SOON)) == 1
    await older.close()
    await newer.commit({T0: Committed(1)})
    assert await broker.committed("g") == {T0: Committed(1)}
    await newer.close()


async def test_a_consumer_that_is_taken_over_while_it_waits_hears_of_it(broker: EmbeddedBroker) -> None:
    """The older one need not poll again to lose its partitions."""
    listener = RecordingListener()
    older = broker.consumer("g", Subscription(["t"]), listener)
    waiting = asyncio.create_task(older.poll(max_records=1, timeout=SOON))

    while not listener.events:
        await asyncio.sleep(0)

    newer = broker.consumer("g", Subscription(["t"]), RecordingListener())

    async with asyncio.timeout(SOON / 2):
        while len(listener.events) < 2:
            await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait({waiting})
    assert listener.events[1] == ("lost", frozenset({T0}))
    await older.close()
    await newer.close()
    assert len(listener.events) == 2


async def test_a_consumer_that_was_taken_over_unnoticed_loses_at_its_end(broker: EmbeddedBroker) -> None:
    """It must not flush and commit then."""
    listener = RecordingListener()
    older = broker.consumer("g", Subscription(["t"]), listener)
    await older.poll(max_records=1, timeout=0)
    newer = broker.consumer("g", Subscription(["t"]), RecordingListener())
    await older.close()
    await newer.close()

    assert [event for event, _ in listener.events] == ["assigned", "lost"]


async def test_a_commit_of_a_topic_that_was_made_again_is_refused(broker: EmbeddedBroker) -> None:
    """Offsets of the old topic say nothing about the new one."""
    await broker.append("t", NewRecords(values=[b"1"]))
    consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
    await consumer.poll(max_records=1, timeout=SOON)
    await broker.delete_topic("t")

    with pytest.raises(Superseded):
        await consumer.commit({T0: Committed(1)})

    await broker.create_topic("t")

    with pytest.raises(Superseded):
        await consumer.commit({T0: Committed(1)})

    assert await broker.committed("g") == {}
    await consumer.close()


@pytest.mark.parametrize("commit", [Committed(-1), Committed(0, "x" * 4_097), Committed(0, "ä" * 2_049)])
async def test_a_commit_out_of_bounds_is_refused(broker: EmbeddedBroker, commit: Committed) -> None:
    """Offsets are not negative, metadata have 4,096 bytes at most."""
    consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())

    with pytest.raises(ValueError, match="cannot commit t-0"):
        await consumer.commit({T0: commit})

    await consumer.close()


async def test_many_partitions_are_read_in_turn(broker: EmbeddedBroker) -> None:
    """However much there is in some partitions, each poll goes on with those that have waited longest."""
    await broker.create_topic("many", partitions=50)
    consumer = broker.consumer("g", Subscription(["many"]), RecordingListener())

    for partition in range(50):
        await broker.append("many", NewRecords(values=[b"v"] * 300, partitions=[partition] * 300))

    seen: set[int] = set()
    polls = 0

    while len(seen) < 50:
        batches = await consumer.poll(max_records=3_000, timeout=0)
        assert sum(map(len, batches)) <= 3_000
        seen |= {batch.spans[0].tp.partition for batch in batches}
        polls += 1

    assert polls == 5
    await consumer.close()


async def test_a_poll_is_bounded_in_bytes(broker: EmbeddedBroker) -> None:
    """Large records come a few at a time, whatever number is asked for."""
    for _ in range(6):
        await broker.append("t", NewRecords(values=[b"x" * 4_000_000]))

    consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
    sizes = [sum(map(len, await consumer.poll(max_records=10_000, timeout=0))) for _ in range(3)]

    assert sizes == [3, 3, 0]
    await consumer.close()


async def test_a_listener_that_fails_is_asked_again(broker: EmbeddedBroker) -> None:
    """An error while partitions are assigned comes out of the poll; the next poll assigns them again."""

    class Failing(RecordingListener):
        async def assigned(self, partitions: Collection[TopicPartition]) -> None:
            await super().assigned(partitions)

            if len(self.events) == 1:
                raise ConnectionError("not yet")

    await broker.append("t", NewRecords(values=[b"1"]))
    listener = Failing()
    consumer = broker.consumer("g", Subscription(["t"]), listener)

    with pytest.raises(ConnectionError):
        await consumer.poll(max_records=1, timeout=0)

    assert len(await consumer.poll(max_records=1, timeout=SOON)) == 1
    assert [event for event, _ in listener.events] == ["assigned", "assigned"]
    await consumer.close()


async def test_a_listener_seeks_where_reading_starts(broker: EmbeddedBroker) -> None:
    """The position that a listener chooses wins over the group's commit."""

    class Seeking(RecordingListener):
        async def assigned(self, partitions: Collection[TopicPartition]) -> None:
            assert await consumer.committed(partitions) == {T0: Committed(2)}
            await consumer.seek(T0, 1)

    await broker.append("t", NewRecords(values=[b"0", b"1", b"2"]))
    earlier = broker.consumer("g", Subscription(["t"]), RecordingListener())
    await earlier.commit({T0: Committed(2)})
    await earlier.close()
    consumer = broker.consumer("g", Subscription(["t"]), Seeking())
    (batch,) = await consumer.poll(max_records=9, timeout=SOON)

    assert list(batch.values) == [b"1", b"2"]
    await consumer.close()


async def test_a_cancelled_poll_loses_nothing(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read but not returned is read again."""
    await broker.append("t", NewRecords(values=[b"0"]))
    consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
    held = HeldReads(broker, monkeypatch)
    poll = asyncio.create_task(consumer.poll(max_records=9, timeout=SOON))
    await held.begun.wait()
    poll.cancel()
    await asyncio.wait({poll})
    held.release.set()
    (batch,) = await consumer.poll(max_records=9, timeout=SOON)

    assert list(batch.values) == [b"0"]
    await consumer.close()


async def test_a_seek_during_a_poll_wins(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was being read at the old position is not returned."""
    await broker.append("t", NewRecords(values=[b"0", b"1"]))
    consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
    held = HeldReads(broker, monkeypatch)
    poll = asyncio.create_task(consumer.poll(max_records=9, timeout=SOON))
    await held.begun.wait()
    await consumer.seek(T0, 1)
    held.release.set()
    (batch,) = await poll

    assert list(batch.values) == [b"1"]
    await consumer.close()


async def test_a_poll_is_woken_by_appends_of_many_threads(broker: EmbeddedBroker) -> None:
    """Whoever reads along gets each record once and in order, and never more than the log says that it holds."""

    async def append(name: int) -> None:
        for number in range(50):
            await broker.append("t", NewRecords(values=[f"{name} {number}".encode()]))

    consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
    threads = [threading.Thread(target=asyncio.run, args=(append(name),)) for name in range(8)]
    offsets: list[int] = []

    for thread in threads:
        thread.start()

    while len(offsets) < 400:
        offsets += [offset for batch in await consumer.poll(max_records=10, timeout=SOON) for offset in batch.offsets]
        assert offsets[-1] < (await broker.watermarks("t"))[T0][1]

    await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
    assert offsets == list(range(400))
    await consumer.close()


async def test_what_is_appended_during_a_read_is_left_for_the_next(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read ends where the log ended when it began: what comes later may not be known to everybody yet."""
    await broker.append("t", NewRecords(values=[b"0"]))
    consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
    read = broker._storage.read

    async def read_later(reading: Any) -> Any:
        await broker.append("t", NewRecords(values=[b"more"]))
        return await read(reading)

    monkeypatch.setattr(broker._storage, "read", read_later)

    assert [list(batch.values) for batch in await consumer.poll(max_records=9, timeout=0)] == [[b"0"]]
    assert list((await broker.read(T0, 0, max_records=9)).offsets) == [0, 1]
    await consumer.close()


async def test_what_expires_during_a_poll_is_missed(
    broker: EmbeddedBroker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that go between the look at the log and the read are told as any others that went before they were read."""
    tp = TopicPartition("short", 0)
    await broker.create_topic("short", retention_ms=60_000)
    await broker.append("short", NewRecords(values=[b"0", b"1", b"2"]))
    listener = RecordingListener()
    consumer = broker.consumer("g", Subscription(["short"]), listener)
    await consumer.poll(max_records=1, timeout=0)
    read = broker._storage.read

    async def read_later(reading: Any) -> Any:
        if clock.now < 1_061:
            clock.now += 61
            await broker.append("short", NewRecords(values=[b"3"]))
            await expire(broker)

        return await read(reading)

    monkeypatch.setattr(broker._storage, "read", read_later)
    (batch,) = await consumer.poll(max_records=9, timeout=SOON)

    assert list(batch.values) == [b"3"]
    assert listener.gaps == [(tp, 1, 3)]
    await consumer.close()


async def test_what_was_read_of_a_topic_that_was_made_again_is_void(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poll under way returns the new topic's records, after the listener has heard of the change."""
    await broker.append("t", NewRecords(values=[b"old", b"old"]))
    listener = RecordingListener()
    consumer = broker.consumer("g", Subscription(["t"]), listener)
    held = HeldReads(broker, monkeypatch)
    poll = asyncio.create_task(consumer.poll(max_records=9, timeout=SOON))
    await held.begun.wait()
    await broker.delete_topic("t")
    await broker.create_topic("t")
    await broker.append("t", NewRecords(values=[b"new"]))
    held.release.set()
    (batch,) = await poll

    assert list(batch.values) == [b"new"]
    assert list(batch.offsets) == [0]
    assert [event for event, _ in listener.events] == ["assigned", "lost", "assigned"]
    await consumer.close()


async def test_a_pause_during_a_poll_holds(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll under way returns nothing of what is paused meanwhile, and nothing is lost."""
    await broker.append("t", NewRecords(values=[b"0"]))
    consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
    held = HeldReads(broker, monkeypatch)
    poll = asyncio.create_task(consumer.poll(max_records=9, timeout=0))
    await held.begun.wait()
    consumer.pause([T0])
    held.release.set()

    assert await poll == []
    consumer.resume([T0])
    (batch,) = await consumer.poll(max_records=9, timeout=0)
    assert list(batch.values) == [b"0"]
    await consumer.close()


async def test_a_resume_wakes_a_poll(broker: EmbeddedBroker) -> None:
    """A poll that waits gets what is resumed, without waiting for its timeout."""
    await broker.append("t", NewRecords(values=[b"0"]))
    listener = RecordingListener()
    consumer = broker.consumer("g", Subscription(["t"]), listener)
    consumer.pause([T0])
    waiting = asyncio.create_task(consumer.poll(max_records=9, timeout=0))
    await waiting  # the pause came before the assignment, and did nothing
    await consumer.seek(T0, 0)
    consumer.pause([T0])
    waiting = asyncio.create_task(consumer.poll(max_records=9, timeout=SOON * 10))
    await asyncio.sleep(0)
    consumer.resume([T0])

    async with asyncio.timeout(SOON):
        (batch,) = await waiting

    assert list(batch.values) == [b"0"]
    await consumer.close()


async def test_a_foreign_partition_cannot_be_sought(broker: EmbeddedBroker) -> None:
    """Only what is assigned has a position."""
    consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())

    with pytest.raises(ValueError, match="not assigned"):
        await consumer.seek(T0, 0)

    await consumer.close()


async def test_closing_the_broker_ends_polls(broker: EmbeddedBroker) -> None:
    """A consumer whose broker is closed loses its partitions and says why; it does not wait for ever."""
    listener = RecordingListener()
    consumer = broker.consumer("g", Subscription(["t"]), listener)
    await consumer.poll(max_records=1, timeout=0)
    waiting = asyncio.create_task(consumer.poll(max_records=1, timeout=SOON * 10))
    await asyncio.sleep(0)
    await broker.close()

    async with asyncio.timeout(SOON):
        with pytest.raises(FatalError, match="closed"):
            await waiting

    await consumer.close()
    assert [event for event, _ in listener.events] == ["assigned", "lost"]


async def test_an_empty_group_of_topics_is_harmless(broker: EmbeddedBroker) -> None:
    """A consumer of nothing gets nothing."""
    consumer = broker.consumer("g", Subscription(), RecordingListener())

    assert await consumer.poll(max_records=1, timeout=0) == []
    await consumer.close()


async def test_a_key_with_a_given_partition_elsewhere_stays_there(broker: EmbeddedBroker) -> None:
    """In a batch, some records may name their partition while others leave it to their keys."""
    await broker.create_topic("two", partitions=2)
    by_key = await broker.append("two", NewRecords(values=[b"1"], keys=[b"k"]))
    other = 1 - by_key.partitions[0]
    mixed = await broker.append("two", NewRecords(values=[b"2", b"3"], keys=[b"k", b"k"], partitions=[other, None]))

    assert list(mixed.partitions) == [other, 1 - other]
