"""Exactly once over objects: a model with crashes, lost answers, zombies, poison, and batches that are cut differently each time."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactly_once import RUNS, Directory, NoConfig, Place, scenario
from streamhouse_connect import Batch, Held, ObjectInfo, ObjectSink


class StoreSink(ObjectSink[NoConfig]):
    """Creates objects in a store that remembers what was said of them."""

    name = "store-sink"
    config_class = NoConfig
    store: Store

    async def create(self, key: str, body: memoryview, info: ObjectInfo) -> bool:
        created = key not in self.store.found
        self.store.found.setdefault(key, (info, bytes(body)))
        return created

    async def held(self, key: str, batch: Batch, info: ObjectInfo) -> Held:
        found, _ = self.store.found[key]
        assert found.identity == info.identity
        return Held(found.last_offset + 1, more=found.count - len(batch))


@attrs.define(eq=False)
class Store(Place):
    """Objects with their metadata, that are created if absent."""

    found: dict[str, tuple[ObjectInfo, bytes]] = attrs.field(factory=dict)

    def sink(self) -> type[ObjectSink[Any]]:
        return type("BoundSink", (StoreSink,), {"store": self, "__doc__": StoreSink.__doc__})

    def objects(self) -> Mapping[str, bytes]:
        return {key: body for key, (_, body) in self.found.items()}


SEEDS = st.integers(0, 2**32)
RECORDS = st.integers(1, 300)


@settings(max_examples=40, deadline=None)
@given(runs=RUNS, seed=SEEDS, records=RECORDS)
def test_every_record_is_in_exactly_one_object(runs: list[dict[str, Any]], seed: int, records: int) -> None:
    """Whatever the cuts, crashes before and after an effect, lost answers and zombies: each record once."""
    asyncio.run(scenario(Store(), runs, seed, records, file_format="json"))


@settings(max_examples=40, deadline=None)
@given(runs=RUNS, seed=SEEDS, records=RECORDS)
def test_every_record_is_in_exactly_one_file(runs: list[dict[str, Any]], seed: int, records: int) -> None:
    """Nothing but the number of its records says how far a file reaches."""
    with tempfile.TemporaryDirectory() as root:
        asyncio.run(scenario(Directory(root), runs, seed, records, file_format="json"))


@pytest.mark.parametrize("file_format", ["parquet", "avro"])
@settings(max_examples=10, deadline=None)
@given(runs=RUNS, seed=SEEDS, records=RECORDS)
def test_every_record_is_in_exactly_one_file_of_columns(
    file_format: str, runs: list[dict[str, Any]], seed: int, records: int
) -> None:
    """The same where records are not the lines that they came as."""
    with tempfile.TemporaryDirectory() as root:
        asyncio.run(scenario(Directory(root), runs, seed, records, file_format=file_format))
