"""What a connector had committed when it stopped last: for when the broker has forgotten it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fakes import Destination, body, until
from groups import SharedMemoryBroker
from stores import SharedDefinitionStore, SharedMemory
from streamhouse_connect import (
    Batch,
    Batching,
    Committed,
    Definition,
    FatalError,
    MemoryBroker,
    MemoryDefinitionStore,
    NewRecords,
    Registry,
    RetriableError,
    Sink,
    TopicPartition,
    Worker,
)
from streamhouse_connect.runtime.bookmarks import Bookmarks
from streamhouse_connect.runtime.progress import PartitionProgress

TP = TopicPartition("orders", 0)
IDS = {"orders": "orders-id"}
HOUR_MS = 3_600_000


def commit(offset: int, *, topic_id: str = "orders-id") -> Committed:
    """Return a commit as progress makes it."""
    return PartitionProgress(offset, topic_id, "u").next_commit(None, marked=True)


@pytest.fixture
async def store() -> MemoryDefinitionStore:
    """A store with a connector of the uid u."""
    store = MemoryDefinitionStore()
    now = datetime.now(UTC)
    await store.create(
        Definition(
            name="c",
            connector_class="fake-sink",
            topics=("orders",),
            config={},
            uid="u",
            created_at=now,
            updated_at=now,
        )
    )
    return store


def bookmarks(store: MemoryDefinitionStore, *, uid: str = "u", epoch: int = 0, reset_epoch: int = 0) -> Bookmarks:
    return Bookmarks(store, uid, epoch, reset_epoch, logging.LoggerAdapter(logging.getLogger("test")))


async def test_what_was_kept_is_found(store: MemoryDefinitionStore) -> None:
    """With its metadata; of the partitions that are asked for."""
    await bookmarks(store).keep({TP: commit(7), TopicPartition("orders", 1): commit(9)}, IDS)
    assert await bookmarks(store).find([TP], IDS) == {TP: commit(7)}


async def test_nothing_is_found_where_nothing_was_kept(store: MemoryDefinitionStore) -> None:
    """Neither of the topic nor of the partition."""
    await bookmarks(store).keep({TopicPartition("orders", 1): commit(9)}, IDS)
    assert await bookmarks(store).find([TP, TopicPartition("other", 0)], {**IDS, "other": "other-id"}) == {}


async def test_an_offset_does_not_go_back(store: MemoryDefinitionStore) -> None:
    """A task that stops late and was behind does not undo what its successor has kept."""
    await bookmarks(store).keep({TP: commit(9)}, IDS)
    await bookmarks(store).keep({TP: commit(7)}, IDS)
    assert await bookmarks(store).find([TP], IDS) == {TP: commit(9)}


async def test_a_reset_makes_bookmarks_void(store: MemoryDefinitionStore) -> None:
    """It raises the epoch; a task of the former epoch can't bring them back."""
    await bookmarks(store).keep({TP: commit(9)}, IDS)
    assert await bookmarks(store, epoch=1, reset_epoch=1).find([TP], IDS) == {}
    await bookmarks(store, epoch=1, reset_epoch=1).keep({TP: commit(3)}, IDS)
    await bookmarks(store).keep({TP: commit(9)}, IDS)
    assert await bookmarks(store, epoch=1, reset_epoch=1).find([TP], IDS) == {TP: commit(3)}


async def test_bookmarks_outlive_a_change_of_configuration(store: MemoryDefinitionStore) -> None:
    """It raises the epoch, too, and the offsets stay what they are; a task of the former epoch changes nothing any more."""
    other = TopicPartition("orders", 1)
    await bookmarks(store).keep({TP: commit(9), other: commit(5)}, IDS)
    assert await bookmarks(store, epoch=1).find([TP], IDS) == {TP: commit(9)}
    await bookmarks(store, epoch=1).keep({TP: commit(12)}, IDS)
    await bookmarks(store).keep({TP: commit(15)}, IDS)
    assert await bookmarks(store, epoch=1).find([TP, other], IDS) == {TP: commit(12), other: commit(5)}


async def test_a_topic_that_was_made_again_has_no_bookmark(store: MemoryDefinitionStore) -> None:
    """Its offsets begin anew, and are kept though they are lower."""
    again = {"orders": "another-id"}
    await bookmarks(store).keep({TP: commit(9)}, IDS)
    assert await bookmarks(store).find([TP], again) == {}
    await bookmarks(store).keep({TP: commit(3, topic_id="another-id")}, again)
    assert await bookmarks(store).find([TP], again) == {TP: commit(3, topic_id="another-id")}


async def test_tasks_that_stop_together_keep_what_each_of_them_has(store: MemoryDefinitionStore) -> None:
    """They write into one state, at the same time."""

    class Slow(MemoryDefinitionStore):
        async def get_state(self, uid: str, key: str) -> tuple[bytes, int] | None:
            found = await store.get_state(uid, key)
            await asyncio.sleep(0)
            return found

        async def put_state(self, uid: str, key: str, value: bytes, *, expected: int | None) -> int:
            return await store.put_state(uid, key, value, expected=expected)

        async def all(self) -> list[Definition]:
            return await store.all()

    commits = {TopicPartition("orders", number): commit(number + 1) for number in range(10)}
    await asyncio.gather(*(bookmarks(Slow()).keep({tp: each}, IDS) for tp, each in commits.items()))
    assert await bookmarks(store).find(list(commits), IDS) == commits


async def test_nothing_is_kept_for_a_connector_that_is_gone(store: MemoryDefinitionStore) -> None:
    """Or else one that is made again under its name would go on where it was."""
    await bookmarks(store, uid="gone").keep({TP: commit(9)}, IDS)
    assert await bookmarks(store, uid="gone").find([TP], IDS) == {}


async def test_what_is_kept_already_is_not_written_again(store: MemoryDefinitionStore) -> None:
    """A task that is restarted again and again costs nothing."""
    await bookmarks(store).keep({TP: commit(9)}, IDS)
    await bookmarks(store).keep({TP: commit(9)}, IDS)
    state = await store.get_state("u", "commits/orders")
    assert state is not None
    assert state[1] == 1


async def test_a_damaged_state_says_nothing_and_is_replaced(store: MemoryDefinitionStore) -> None:
    """Whatever is under that key."""
    await store.put_state("u", "commits/orders", b"?", expected=None)
    assert await bookmarks(store).find([TP], IDS) == {}
    await bookmarks(store).keep({TP: commit(9)}, IDS)
    assert await bookmarks(store).find([TP], IDS) == {TP: commit(9)}


class Refusing(MemoryDefinitionStore):
    """Takes no state while it is out of reach."""

    is_out_of_reach = False

    async def put_state(self, uid: str, key: str, value: bytes, *, expected: int | None) -> int:
        if self.is_out_of_reach:
            raise RetriableError("out of reach")

        return await super().put_state(uid, key, value, expected=expected)


@pytest.fixture
async def broker() -> MemoryBroker:
    """A broker with a topic of ten records."""
    broker = MemoryBroker()
    await broker.open()
    await broker.create_topic("orders")
    await produce(broker, 10)
    return broker


async def produce(broker: MemoryBroker, count: int) -> None:
    end = (await broker.watermarks("orders"))[TP][1]
    await broker.append("orders", NewRecords(values=[b"%d" % (end + number) for number in range(count)]))


async def test_a_paused_connector_goes_on_though_the_broker_has_forgotten_it(
    broker: MemoryBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is delivered twice, the broker has its offsets again, and the log and the status tell."""
    destination = Destination()

    async with Worker(broker, registry=destination.registry()) as worker:
        await worker.create(body())
        await worker.drained("c", timeout=5)
        await worker.pause("c")
        await broker.delete_group("connect-c")
        await produce(broker, 5)
        await worker.resume("c")
        await worker.drained("c", timeout=5)
        info = await worker.get("c")

    assert destination.values() == [b"%d" % number for number in range(15)]
    assert info.processed == 15
    assert any("the broker had no offsets for topic orders any more" in warning for warning in info.warnings)
    assert "offsets_forgotten topic=orders" in caplog.text


async def test_a_change_of_what_files_are_known_by_forgets_nothing(broker: MemoryBroker) -> None:
    """It raises the epoch, as a reset of offsets does; what was kept in the former one counts all the same."""
    destination = Destination()

    async with Worker(broker, registry=destination.registry()) as worker:
        await worker.create(body())
        await worker.drained("c", timeout=5)
        await worker.pause("c")
        await broker.delete_group("connect-c")
        await worker.update("c", body(fake_place=2))
        await produce(broker, 5)
        await worker.resume("c")
        await worker.drained("c", timeout=5)

    assert destination.values() == [b"%d" % number for number in range(15)]


async def test_offsets_are_committed_again_at_once(broker: MemoryBroker) -> None:
    """Without a record to deliver: or else the next ones to look would think that all is yet to come."""
    async with Worker(broker, registry=Destination().registry()) as worker:
        await worker.create(body())
        await worker.drained("c", timeout=5)
        await worker.pause("c")
        await broker.delete_group("connect-c")
        await worker.resume("c")

        async with asyncio.timeout(5):
            while TP not in (committed := await broker.committed("connect-c")):
                await asyncio.sleep(0.01)

    assert committed[TP].offset == 10


async def test_with_offset_reset_latest_nothing_is_passed_over(broker: MemoryBroker) -> None:
    """What came while it was paused is delivered."""
    destination = Destination()

    async with Worker(broker, registry=destination.registry()) as worker:
        await worker.create(body(offset_reset="latest"))
        await until(lambda: destination.opened)
        await until(lambda: is_assigned(worker))
        await produce(broker, 5)
        await until(lambda: len(destination.records) == 5)
        await worker.pause("c")
        await broker.delete_group("connect-c")
        await produce(broker, 5)
        await worker.resume("c")
        await worker.drained("c", timeout=5)

    assert destination.values() == [b"%d" % number for number in range(10, 20)]


async def test_the_brokers_commit_wins(broker: MemoryBroker) -> None:
    """The bookmark of the stop before last is older."""
    destination = Destination()
    store = Refusing()

    async with Worker(broker, definitions=store, registry=destination.registry()) as worker:
        await worker.create(body())
        await worker.drained("c", timeout=5)
        await worker.pause("c")
        await worker.resume("c")
        await produce(broker, 5)
        await worker.drained("c", timeout=5)
        store.is_out_of_reach = True
        await worker.pause("c")
        await worker.resume("c")
        await produce(broker, 5)
        await worker.drained("c", timeout=5)

    assert destination.values() == [b"%d" % number for number in range(20)]


async def test_a_connector_stops_though_its_bookmark_can_not_be_kept(
    broker: MemoryBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker has the offsets, so that it is no trouble; the log tells."""
    destination = Destination()
    store = Refusing()
    store.is_out_of_reach = True

    async with Worker(broker, definitions=store, registry=destination.registry()) as worker:
        await worker.create(body())
        await worker.drained("c", timeout=5)
        info = await worker.pause("c")

    assert info.error is None
    assert "bookmarks_not_kept topics=orders error=out of reach" in caplog.text


async def test_a_connector_that_failed_goes_on_from_its_bookmark(broker: MemoryBroker) -> None:
    """A stop is a stop, for whatever reason."""
    destination = Destination()

    def write(batch: Batch) -> None:
        if b"10" in batch.values:
            raise FatalError("no")

    destination.on_write = write

    async with Worker(broker, registry=destination.registry()) as worker:
        await worker.create(body())
        await worker.drained("c", timeout=5)
        await produce(broker, 1)

        while (await worker.get("c")).error is None:
            await asyncio.sleep(0.01)

        await broker.delete_group("connect-c")
        destination.on_write = lambda _: None
        await worker.restart("c")
        await until(lambda: len(destination.records) == 11)
        await worker.drained("c", timeout=5)

    assert destination.values() == [b"%d" % number for number in range(11)]


async def test_a_connector_that_is_made_again_starts_anew(broker: MemoryBroker) -> None:
    """It has the uid of the former one where definitions are in memory, and yet no bookmark."""
    destination = Destination()

    async with Worker(broker, registry=destination.registry()) as worker:
        for _ in range(2):
            await worker.create(body())
            await worker.drained("c", timeout=5)
            await worker.delete("c")

    assert Counter(destination.values()) == Counter({b"%d" % number: 2 for number in range(10)})


async def test_marks_are_kept_too(broker: MemoryBroker) -> None:
    """Of a path that is durable beyond the first record of another one that is not: nothing is delivered twice."""
    destination = Destination()

    def hold(batch: Batch) -> None:
        if batch.path == "odd":
            raise RetriableError("not now")

    def route(_: Sink[Any], batch: Batch) -> list[tuple[str, list[int]]]:
        paths = {"even": 0, "odd": 1}
        return [(path, [i for i, o in enumerate(batch.offsets) if o % 2 == rest]) for path, rest in paths.items()]

    destination.on_write = hold
    registry = destination.registry(batching=Batching.PER_ROUTE)
    setattr(registry.sink("fake-sink"), "route", route)  # noqa: B010 - it is a class made for this test

    async with Worker(broker, registry=registry) as worker:
        await worker.create(body())
        await until(lambda: len(destination.records) == 5)
        await worker.pause("c")
        await broker.delete_group("connect-c")
        destination.on_write = lambda _: None
        await worker.resume("c")
        await worker.drained("c", timeout=5)

    assert Counter(destination.values()) == Counter(b"%d" % number for number in range(10))


async def test_workers_keep_what_each_of_them_has(tmp_path: Path) -> None:
    """Both stop, the group is forgotten, and one that starts with all partitions goes on where they were."""
    broker, shared = SharedMemoryBroker(), SharedMemory()
    await broker.create_topic("orders", partitions=4)
    values = [b'{"n":%d}' % number for number in range(100)]
    hours = [number % 3 * HOUR_MS for number in range(100)]

    async def append(part: list[bytes]) -> None:
        partitions = [number % 4 for number in range(len(part))]
        await broker.append("orders", NewRecords(values=part, timestamps=hours[: len(part)], partitions=partitions))

    def worker() -> Worker:
        return Worker(broker, definitions=SharedDefinitionStore(shared), registry=Registry(entry_points=False))

    async with worker() as one, worker():
        await append(values[:60])
        config = {"file.path": str(tmp_path), "partitioning": "hourly", "batch.interval_ms": 1, "batch.size": 7}
        await one.create({"name": "c", "connectorClass": "file-sink", "topics": ["orders"], "config": config})
        await until(lambda: len(set(map(id, broker.group("connect-c").holders.values()))) == 2)
        await one.drained("c", timeout=10)

    await broker.delete_group("connect-c")

    for path in tmp_path.rglob("batch-*"):
        path.unlink()  # whoever reads from the start writes it again

    async with worker() as last:
        await append(values[60:])
        await last.drained("c", timeout=10)

    found = [line for path in tmp_path.rglob("batch-*") for line in path.read_bytes().splitlines()]
    assert Counter(json.loads(line)["n"] for line in found) == Counter(range(60, 100))


def is_assigned(worker: Worker) -> bool:
    """Tell whether the connector has taken its partition up."""
    return bool(worker._reconciler.running["c"].connector.snapshot.assigned)
