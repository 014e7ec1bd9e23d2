"""Changes of what a connector's files are known by: nothing is lost, and what may be twice is said."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pyarrow.parquet as pq
import pytest

from crashes import Chance, CrashingBroker, CrashingConsumer
from fakes import Destination, body, until
from streamhouse_connect import (
    Batch,
    Committed,
    Consumer,
    MemoryBroker,
    MemoryDefinitionStore,
    NewRecords,
    RebalanceListener,
    Registry,
    RetriableError,
    Subscription,
    TargetState,
    TopicPartition,
    Worker,
)
from streamhouse_connect.config import declared
from streamhouse_connect.objects import ObjectConfig

IDENTITY = {
    "file-sink": {"file.path"},
    "s3-sink": {"s3.bucket", "s3.prefix"},
    "elasticsearch-sink": {"index.name", "document.id", "version.source"},
    "postgres-sink": set(),
    "json": {"json.envelope", "compression"},
    "parquet": {"envelope", "schema.evolution", "infer.timestamps", "schema.file"},
    "avro": {"envelope", "schema.evolution", "infer.timestamps", "schema.file"},
    "none": set(),
    "hourly": {"partitioning.timestamp", "partitioning.timezone"},
    "daily": {"partitioning.timestamp", "partitioning.timezone"},
    "field": {"partitioning.fields"},
    "pattern": {"partitioning.path", "partitioning.timestamp", "partitioning.timezone"},
}
SHARED = {"format", "partitioning", "null.values"}
"""Of every object sink."""


@pytest.fixture
def destination() -> Destination:
    return Destination()


@pytest.fixture
async def worker(destination: Destination) -> AsyncIterator[Worker]:
    """A worker with the topic orders, of one partition."""
    broker = MemoryBroker()

    async with Worker(broker, registry=destination.registry(), shutdown_timeout=2.0) as worker:
        await broker.create_topic("orders")
        yield worker


async def produce(worker: Worker, *values: bytes) -> None:
    await worker.broker.append("orders", NewRecords(values=list(values)))


def test_options_that_change_what_files_are_known_by_are_marked() -> None:
    """The list that docs/delivery.md has; how a file of columns is compressed is not among them."""
    registry = Registry()
    plugins: list[Any] = [
        *(registry.sink(name) for name in IDENTITY if name.endswith("-sink")),
        *(registry.formatter(name) for name in ("json", "parquet", "avro")),
        *(registry.partitioner(name) for name in ("none", "hourly", "daily", "field", "pattern")),
    ]
    assert {plugin.name: marked(plugin.config_class) for plugin in plugins} == IDENTITY
    assert marked(ObjectConfig) == SHARED
    told = (Path(__file__).parents[3] / "docs" / "delivery.md").read_text("utf-8")
    assert {key for key in SHARED.union(*IDENTITY.values()) if f"`{key}`" not in told} == set()


def marked(config_class: type) -> set[str]:
    return {key for key, (_, spec) in declared([config_class]).items() if spec.identity}


@pytest.mark.parametrize(
    ("config", "epoch"),
    [
        ({"fake.place": 2}, 1),
        ({"fake.place": "1", "fake.mood": "bad", "batch.size": 7}, 0),
        ({}, 0),
    ],
)
async def test_a_change_of_such_an_option_raises_the_epoch(
    worker: Worker, destination: Destination, config: dict[str, object], epoch: int
) -> None:
    """A default that is written out is no change, nor is another spelling of a value."""
    await worker.create(body())
    await until(lambda: destination.contexts)
    await worker.update("c", {**body(), "config": config})
    await worker.restart("c")
    await until(lambda: destination.contexts[-1].epoch == epoch)
    await worker.update("c", body(fake_place=3))
    await until(lambda: destination.contexts[-1].epoch == epoch + 1)


async def test_what_is_flushed_before_the_change_is_not_repeated(worker: Worker, destination: Destination) -> None:
    """Nothing is left then, and nothing has to be told."""
    await worker.create({**body(), "config": {"batch.interval_ms": 3_600_000}})
    await produce(worker, b"a", b"b")
    await asyncio.sleep(0.1)
    assert (await worker.update("c", body(fake_place=2))).warnings == ()
    await produce(worker, b"c")
    await worker.drained("c", timeout=10)
    assert destination.values() == [b"a", b"b", b"c"]


async def test_what_the_destination_has_not_taken_in_time_is_told(worker: Worker, destination: Destination) -> None:
    """By partition and offsets: it may have been written, and will be again."""
    await worker.create(body())
    await produce(worker, b"a", b"b")
    await worker.drained("c", timeout=10)
    hang = True

    async def before_write() -> None:
        if hang:
            await asyncio.sleep(3600)

    destination.before_write = before_write
    await produce(worker, b"c", b"d", b"e")
    await asyncio.sleep(0.1)
    info = await worker.update("c", body(fake_place=2))
    assert info.warnings == (
        "may be written twice, as the configuration was before it was changed and as it is now: orders-0 offsets 2 to 4",
    )
    hang = False
    await worker.drained("c", timeout=10)
    assert destination.values() == [b"a", b"b", b"c", b"d", b"e"]
    assert (await worker.get("c")).warnings == info.warnings


async def test_what_a_pause_has_left_is_told_at_a_change(worker: Worker, destination: Destination) -> None:
    """Only of changes that raise the epoch: after others the files are met again."""

    def write(_: Batch) -> None:
        raise RetriableError("down")

    destination.on_write = write
    await produce(worker, b"a", b"b")
    await worker.create(body())
    await until(lambda: worker._reconciler.running["c"].connector.snapshot.assigned)
    await asyncio.sleep(0.1)
    await worker.pause("c")
    assert (await worker.update("c", body(fake_mood="bad"))).warnings == ()
    (warning,) = (await worker.update("c", body(fake_place=2))).warnings
    assert warning.endswith("orders-0 offsets 0 to 1")


class Lossy(CrashingConsumer):
    """Its commits fail as long as the broker says so."""

    def __init__(self, consumer: Consumer, broker: LossyBroker) -> None:
        super().__init__(consumer, Chance(broker.chance.random))
        self.broker = broker

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        if self.broker.commits:
            await super().commit(offsets)
        else:
            raise RetriableError("not now")


class LossyBroker(CrashingBroker):
    """Outlives its workers; what is written while it does not take commits is as a crash leaves it."""

    commits = True

    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> Consumer:
        return Lossy(MemoryBroker.consumer(self, group, subscription, listener), self)


class LastingDefinitions(MemoryDefinitionStore):
    """Outlives its workers."""

    durable = True

    async def close(self) -> None:
        """Stay as it is."""


@attrs.define(eq=False)
class Crash:
    """A connector that has written three records and committed them, then three more, and crashed."""

    root: Path
    config: dict[str, object]
    records: list[dict[str, object]]
    broker: LossyBroker = attrs.field(factory=LossyBroker)
    definitions: LastingDefinitions = attrs.field(factory=LastingDefinitions)

    async def happen(self) -> None:
        """Write all, commit the first half."""
        async with self.worker() as worker:
            await self.broker.create_topic("orders")
            await produce(worker, *map(_line, self.records[:3]))
            await worker.create(self.body(self.config))
            await worker.drained("c", timeout=10)
            self.broker.commits = False
            await produce(worker, *map(_line, self.records[3:]))
            await until(lambda: len(self.found()) == len(self.records))

        self.broker.commits = True

    def worker(self) -> Worker:
        self.broker.chance = Chance(random.Random(0))
        return Worker(
            self.broker, definitions=self.definitions, registry=Registry(entry_points=False), shutdown_timeout=0.5
        )

    def body(self, config: Mapping[str, object]) -> dict[str, Any]:
        given = {"file.path": str(self.root), "batch.interval_ms": 5, "retry.backoff.ms": 5, **config}
        return {"name": "c", "connectorClass": "file-sink", "topics": ["orders"], "config": given}

    async def keep_from_running(self) -> None:
        """Have the next worker find the connector paused."""
        (definition,) = await self.definitions.all()
        await self.definitions.replace(attrs.evolve(definition, target=TargetState.PAUSED))

    def found(self) -> list[dict[str, object]]:
        """Return what is in the files."""
        lines = [line for path in self.root.rglob("batch-*.json") for line in path.read_bytes().splitlines()]
        rows = [row for path in self.root.rglob("batch-*.parquet") for row in pq.read_table(path).to_pylist()]
        return [*map(json.loads, lines), *rows]

    def times(self) -> list[int]:
        """Return how often each record is there."""
        counts = Counter(map(_line, self.found()))
        return [counts[_line(record)] for record in self.records]


def _line(record: Mapping[str, object]) -> bytes:
    return json.dumps(record).encode()


NUMBERED: list[dict[str, object]] = [{"n": number} for number in range(6)]


async def test_a_crash_that_was_made_up_for_leaves_nothing_to_a_change(tmp_path: Path) -> None:
    """The connector meets its files again as it was; then it is changed, and every record is there once."""
    crash = Crash(tmp_path, {}, NUMBERED)
    await crash.happen()

    async with crash.worker() as worker:
        await worker.drained("c", timeout=10)
        info = await worker.update("c", crash.body({"format": "parquet"}))
        await produce(worker, b'{"n":6}')
        await worker.drained("c", timeout=10)

    assert info.warnings == ()
    crash.records = [*NUMBERED, {"n": 6}]
    assert crash.times() == [1] * 7


async def test_what_a_crash_may_have_left_is_told_at_a_change(tmp_path: Path) -> None:
    """Where the connector has not run since: from the commits on, and what is told of is all that is there twice."""
    crash = Crash(tmp_path, {}, NUMBERED)
    await crash.happen()
    await crash.keep_from_running()

    async with crash.worker() as worker:
        (warning,) = (await worker.update("c", crash.body({"format": "parquet"}))).warnings
        await worker.resume("c")
        await worker.drained("c", timeout=10)

    assert warning.endswith("orders-0 offsets 3 to 5")
    assert crash.times() == [1, 1, 1, 2, 2, 2]


async def test_files_of_another_partitioning_are_not_taken_for_ones_own(tmp_path: Path) -> None:
    """Where a path means something else than before, a record of it would be thought to be in a file that is there."""
    records = [*({"a": "y", "b": "y", "n": n} for n in range(3)), {"a": "x", "b": "x", "n": 3}]
    records += [{"a": "x", "b": "z", "n": 4}, {"a": "z", "b": "x", "n": 5}]
    crash = Crash(tmp_path, {"partitioning": "pattern", "partitioning.path": "{field:a}"}, records)
    await crash.happen()
    await crash.keep_from_running()

    async with crash.worker() as worker:
        changed = crash.body({"partitioning": "pattern", "partitioning.path": "{field:b}"})
        await worker.update("c", changed)
        await worker.resume("c")
        await worker.drained("c", timeout=10)

    assert crash.times() == [1, 1, 1, 2, 2, 2]


async def test_files_are_met_again_after_a_change_of_how_they_are_packed(tmp_path: Path) -> None:
    """The compression of columns is no part of the identity: every record is there once, even after a crash."""
    crash = Crash(tmp_path, {"format": "parquet"}, NUMBERED)
    await crash.happen()
    await crash.keep_from_running()

    async with crash.worker() as worker:
        info = await worker.update("c", crash.body({"format": "parquet", "compression": "snappy"}))
        await worker.resume("c")
        await worker.drained("c", timeout=10)

    assert info.warnings == ()
    assert crash.times() == [1] * 6


async def test_a_broker_that_does_not_answer_leaves_it_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is told that something may be there twice, and not what."""
    crash = Crash(tmp_path, {}, NUMBERED)
    await crash.happen()
    await crash.keep_from_running()

    async def silent(_: str) -> Mapping[TopicPartition, Committed]:
        raise RetriableError("no answer")

    async with crash.worker() as worker:
        with monkeypatch.context() as patch:
            patch.setattr(crash.broker, "committed", silent)
            (warning,) = (await worker.update("c", crash.body({"format": "parquet"}))).warnings

    assert "which is not known as the broker does not answer" in warning
