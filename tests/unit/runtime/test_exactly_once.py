"""Exactly once over objects: a model with crashes, lost answers, zombies, and batches that are cut differently each time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import attrs
from hypothesis import given, note, settings
from hypothesis import strategies as st

from streamhouse_connect import (
    Batch,
    Committed,
    Consumer,
    FatalError,
    Formatter,
    MemoryBroker,
    NewRecords,
    ObjectInfo,
    ObjectSink,
    Partitioner,
    RebalanceListener,
    Registry,
    RetriableError,
    Sink,
    Subscription,
    TopicPartition,
    Worker,
    hookimpl,
)


@attrs.frozen
class NoConfig:
    """No options."""


@attrs.define(eq=False)
class Chance:
    """Decides what goes wrong: a run crashes after so many effects, and answers get lost on the way."""

    random: random.Random
    effects_left: int | None = None
    lost_answers: float = 0.0

    def effect(self) -> bool:
        """Return whether an effect takes place; after a crash none does."""
        if self.effects_left is None:
            return True

        self.effects_left -= 1
        return self.effects_left >= 0

    @property
    def crashed(self) -> bool:
        """Whether the process is gone."""
        return self.effects_left is not None and self.effects_left <= 0


@attrs.define(eq=False)
class Store:
    """Objects that are created if absent."""

    objects: dict[str, tuple[ObjectInfo, list[bytes | None]]] = attrs.field(factory=dict)


class ByValue(Partitioner[NoConfig]):
    """Files a record under the letter that its value begins with."""

    name = "by-value"
    config_class = NoConfig

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        paths: dict[str, list[int]] = {}

        for index, value in enumerate(batch.values):
            paths.setdefault((value or b"?")[:1].decode(), []).append(index)

        return list(paths.items())


class StoreSink(ObjectSink[NoConfig]):
    """Creates objects in the store, as far as chance lets it."""

    name = "store-sink"
    config_class = NoConfig
    store: ClassVar[Store]
    chance: Chance

    def __init__(self, config: NoConfig, *, formatter: Formatter[object], partitioner: Partitioner[object]) -> None:
        super().__init__(config, formatter=formatter, partitioner=partitioner)
        self.values: dict[tuple[TopicPartition, str, int], list[bytes | None]] = {}

    async def write(self, batch: Batch) -> int | None:
        self.batch = batch
        return await super().write(batch)

    async def create(self, key: str, body: memoryview, info: ObjectInfo) -> bool:
        values: list[bytes | None] = list(bytes(body).splitlines())

        if self.chance.random.random() < 0.3:
            await asyncio.sleep(0)

        if not self.chance.effect():
            raise FatalError("crashed")

        created = key not in self.store.objects
        self.store.objects.setdefault(key, (info, values))

        if self.chance.crashed:
            raise FatalError("crashed just after")

        if self.chance.random.random() < self.chance.lost_answers:
            raise RetriableError("the answer was lost")

        return created

    async def held(self, key: str, batch: Batch, info: ObjectInfo) -> int:
        found, _ = self.store.objects[key]
        assert found.identity == info.identity
        return found.last_offset + 1


class CrashingConsumer(Consumer):
    """Commits only as long as the process lives."""

    def __init__(self, consumer: Consumer, chance: Chance) -> None:
        self.consumer = consumer
        self.chance = chance

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:
        return await self.consumer.poll(max_records=self.chance.random.randint(1, 40), timeout=timeout)

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Committed]:
        return await self.consumer.committed(partitions)

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        if not self.chance.effect():
            raise FatalError("crashed")

        await self.consumer.commit(offsets)

        if self.chance.crashed:
            raise FatalError("crashed just after")

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self.consumer.pause(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self.consumer.resume(partitions)

    async def seek(self, tp: TopicPartition, offset: int | None) -> int:
        return await self.consumer.seek(tp, offset)

    async def close(self) -> None:
        await self.consumer.close()


class CrashingBroker(MemoryBroker):
    """One broker for every run; each run gets a chance of its own."""

    chance: Chance

    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> Consumer:
        return CrashingConsumer(super().consumer(group, subscription, listener), self.chance)

    async def close(self) -> None:
        """Stay open for the next run."""


def registry(store: Store, chance: Chance) -> Registry:
    """Return the plugins of one run."""
    sink = type("RunSink", (StoreSink,), {"store": store, "chance": chance, "__doc__": StoreSink.__doc__})

    @hookimpl
    def streamhouse_register_sinks() -> Iterable[type[Sink[Any]]]:
        return [sink]

    @hookimpl
    def streamhouse_register_partitioners() -> Iterable[type[Partitioner[Any]]]:
        return [ByValue]

    hooks = SimpleNamespace(
        streamhouse_register_sinks=streamhouse_register_sinks,
        streamhouse_register_partitioners=streamhouse_register_partitioners,
    )
    return Registry(entry_points=False, plugins=[hooks])


RUN = st.fixed_dictionaries(
    {
        "effects": st.integers(1, 40),
        "size": st.integers(1, 30),
        "interval": st.sampled_from([0, 1, 5, 1000]),
        "lost": st.sampled_from([0.0, 0.3]),
        "zombie": st.booleans(),
    }
)


@settings(max_examples=40, deadline=None)
@given(runs=st.lists(RUN, min_size=1, max_size=6), seed=st.integers(0, 2**32), records=st.integers(1, 300))
def test_every_record_is_in_exactly_one_object(runs: list[dict[str, Any]], seed: int, records: int) -> None:
    """Whatever the cuts, crashes before and after an effect, lost answers and zombies: each record once, in order per path."""
    asyncio.run(scenario(runs, seed, records))


async def scenario(runs: list[dict[str, Any]], seed: int, records: int) -> None:
    """Let every run crash, then one finish, and look into the store."""
    source = random.Random(seed)
    store = Store()
    values = [f"{source.choice('aabc')}-{number}".encode() for number in range(records)]
    broker = CrashingBroker()
    await broker.open()
    await broker.create_topic("orders", partitions=2)
    await broker.append(
        "orders", NewRecords(values=[b'"%s"' % v for v in values], partitions=[source.randrange(2) for _ in values])
    )
    zombies: list[Worker] = []

    for run in runs:
        chance = Chance(random.Random(source.random()), run["effects"], run["lost"])
        worker = await start(broker, store, chance, size=run["size"], interval=run["interval"])
        await asyncio.sleep(source.random() * 0.02)

        if run["zombie"]:
            zombies.append(worker)
        else:
            chance.effects_left = 0
            await worker.__aexit__(None, None, None)

    last = await start(broker, store, Chance(random.Random(seed)), size=source.randint(1, 50), interval=1)
    await last.drained("c", timeout=20)
    await last.__aexit__(None, None, None)

    for zombie in zombies:
        await zombie.__aexit__(None, None, None)

    found = Counter(value for _, written in store.objects.values() for value in written)
    note(f"{len(store.objects)} objects")
    assert found == Counter(b'"%s"' % value for value in values)


async def start(broker: CrashingBroker, store: Store, chance: Chance, *, size: int, interval: int) -> Worker:
    """Start a run: a worker with the connector, on the broker that all runs share."""
    broker.chance = chance
    worker = await Worker(broker, registry=registry(store, chance), shutdown_timeout=0.2).__aenter__()
    config = {"partitioning": "by-value", "batch.size": size, "batch.interval_ms": interval, "retry.backoff.ms": 1}
    await worker.create({"name": "c", "connectorClass": "store-sink", "topics": ["orders"], "config": config})
    return worker
