"""A model of all that goes wrong between a topic and its objects, for any object sink.

Each run of a connector reads the topic from where the last one has committed, cuts its batches in its own way (by records, by
bytes, by age, for want of memory, because it is paused), and ends: by a crash before or after an effect, by a clean stop, or never
(a zombie). Answers get lost. Some records are tombstones, some are poison. In the end every good record is in exactly one object, and
every poisonous one is a dead letter; and as many records were counted as there are good ones.
"""

from __future__ import annotations

import asyncio
import io
import json
import random
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import fastavro
import pyarrow.parquet as pq
import pytest
from hypothesis import note
from hypothesis import strategies as st

from crashes import Chance, CrashingBroker, Unreliable
from streamhouse_connect import (
    Batch,
    MemoryBroker,
    NewRecords,
    ObjectSink,
    Partitioner,
    Registry,
    Sink,
    Worker,
    hookimpl,
)
from streamhouse_connect.files import FileSink

__all__ = ["RUNS", "Directory", "NoConfig", "Place", "scenario", "start"]

RUNS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.fixed_dictionaries(
        {
            "effects": st.integers(1, 40),
            "size": st.integers(1, 40),
            "bytes": st.sampled_from([30, 300, 64 << 20]),
            "interval": st.sampled_from([0, 1, 5, 1000]),
            "memory": st.sampled_from([1_000, 10_000, 256 << 20]),
            "pauses": st.sampled_from([0, 0, 1, 2]),
            "lost": st.sampled_from([0.0, 0.3]),
            "end": st.sampled_from(["crash", "stop", "zombie"]),
            "file_bytes": st.sampled_from([None, None, 60, 300]),
        }
    ),
    min_size=1,
    max_size=6,
)
"""What runs there are before the last, which finishes."""


@attrs.frozen
class NoConfig:
    """No options."""


class Place(ABC):
    """Where the sinks of all runs write."""

    @abstractmethod
    def sink(self) -> type[ObjectSink[Any]]:
        """Return the class of the sink."""

    @property
    def options(self) -> Mapping[str, object]:
        """The sink's options."""
        return {}

    @abstractmethod
    def objects(self) -> Mapping[str, bytes]:
        """Return all objects by their names."""


class Directory(Place):
    """A directory, for the file sink."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def sink(self) -> type[ObjectSink[Any]]:
        return FileSink

    @property
    def options(self) -> Mapping[str, object]:
        return {"file.path": str(self._root)}

    def objects(self) -> Mapping[str, bytes]:
        found = self._root.rglob("batch-*")
        return {str(path.relative_to(self._root)): path.read_bytes() for path in found}


class ByPath(Partitioner[NoConfig]):
    """Files a record under the letter of its path."""

    name = "by-path"
    config_class = NoConfig

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        paths: dict[str, list[int]] = {}

        for index, value in enumerate(batch.values):
            paths.setdefault(chr((value or b"")[9]), []).append(index)

        return list(paths.items())


@attrs.frozen
class Topic:
    """What is in the topic: records of three paths, good ones with their numbers, tombstones, and poison."""

    values: Sequence[bytes | None]
    good: Collection[int]
    poison: Collection[bytes]

    @classmethod
    def random(cls, source: random.Random, records: int) -> Topic:
        values: list[bytes | None] = []
        good, poison = set(), set()

        for number in range(records):
            value = b'{"path":"%s","n":%d}' % (source.choice([b"a", b"a", b"b", b"c"]), number)
            kind = source.choice(["good"] * 8 + ["poison", "tombstone"])

            if kind == "good":
                good.add(number)
            elif kind == "poison":
                value = value[:-1]
                poison.add(value)

            values.append(None if kind == "tombstone" else value)

        return cls(values, good, poison)


async def scenario(place: Place, runs: list[dict[str, Any]], seed: int, records: int, *, file_format: str) -> None:
    """Let every run go wrong in its way, then one finish, and look at what is there."""
    source = random.Random(seed)
    topic = Topic.random(source, records)
    broker = CrashingBroker()
    await broker.open()
    await broker.create_topic("orders", partitions=2)
    partitions = [source.randrange(2) for _ in topic.values]
    await broker.append("orders", NewRecords(values=topic.values, partitions=partitions))
    zombies: list[Worker] = []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamhouse_connect.runtime.commits._COMMIT_INTERVAL", 0.001)

        for run in runs:
            chance = Chance(random.Random(source.random()), run["effects"], run["lost"])
            options = {
                "format": file_format,
                "batch.size": run["size"],
                "batch.bytes": run["bytes"],
                "batch.interval_ms": run["interval"],
                "file.bytes": run["file_bytes"],
            }
            worker = await start(broker, place, chance, options, memory=run["memory"])
            await _some_time(chance, source.random() * 0.05)

            for _ in range(run["pauses"]):
                await worker.pause("c")
                await worker.resume("c")
                await _some_time(chance, source.random() * 0.05)

            if run["end"] == "zombie":
                zombies.append(worker)
                continue

            if run["end"] == "crash":
                chance.effects_left = 0

            await worker.__aexit__(None, None, None)

        last_options = {
            "format": file_format,
            "batch.size": source.randint(1, 50),
            "batch.interval_ms": 1,
            "file.bytes": source.choice([None, 100]),
        }
        last = await start(broker, place, Chance(random.Random(seed)), last_options)
        await last.drained("c", timeout=20)
        processed = (await last.get("c")).processed
        await last.__aexit__(None, None, None)

        for zombie in zombies:
            await zombie.__aexit__(None, None, None)

    objects = place.objects()
    note(f"{len(objects)} objects")
    assert Counter(number for name, body in objects.items() for number in numbers(name, body)) == Counter(topic.good)
    assert await dead_letters(broker) == topic.poison
    assert processed == len(topic.good)


async def _some_time(chance: Chance, seconds: float) -> None:
    end = asyncio.get_running_loop().time() + seconds

    while not chance.crashed and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.001)


async def start(
    broker: CrashingBroker, place: Place, chance: Chance, options: Mapping[str, object], *, memory: int = 256 << 20
) -> Worker:
    """Start a run: a worker with the connector, on the broker that all runs share."""
    broker.chance, broker.joined = chance, threading.Event()
    worker = await Worker(
        broker, registry=_registry(place, chance), shutdown_timeout=0.5, buffer_memory=memory
    ).__aenter__()
    common = {"partitioning": "by-path", "retry.backoff.ms": 1, "errors.tolerance": "all"}
    config = {**common, **options, **place.options}
    await worker.create({"name": "c", "connectorClass": "run-sink", "topics": ["orders"], "config": config})
    assert await asyncio.to_thread(broker.joined.wait, 20)
    return worker


def _registry(place: Place, chance: Chance) -> Registry:
    sink = place.sink()
    members = {"name": "run-sink", "aliases": (), "chance": chance, "__doc__": sink.__doc__}
    unreliable = type("RunSink", (Unreliable, sink), members)

    @hookimpl
    def streamhouse_register_sinks() -> Iterable[type[Sink[Any]]]:
        return [unreliable]

    @hookimpl
    def streamhouse_register_partitioners() -> Iterable[type[Partitioner[Any]]]:
        return [ByPath]

    hooks = SimpleNamespace(
        streamhouse_register_sinks=streamhouse_register_sinks,
        streamhouse_register_partitioners=streamhouse_register_partitioners,
    )
    return Registry(entry_points=False, plugins=[hooks])


def numbers(name: str, body: bytes) -> list[int]:
    """Return the numbers of the records in an object."""
    if name.endswith(".parquet"):
        return [int(number) for number in pq.read_table(io.BytesIO(body)).column("n").to_pylist()]

    rows: Iterable[Any] = map(json.loads, body.splitlines())

    if name.endswith(".avro"):
        rows = fastavro.reader(io.BytesIO(body))

    return [row["n"] for row in rows]


async def dead_letters(broker: MemoryBroker) -> set[bytes | None]:
    """Return the values of the dead letters, of which there may be several of one record."""
    if "c-dlq" not in {topic.name for topic in await broker.topics()}:
        return set()

    return {
        value
        for tp in await broker.watermarks("c-dlq")
        for value in (await broker.read(tp, 0, max_records=10**6)).values
    }
