"""Learned schemas through a whole worker: its broker, its definitions, a sink of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from streamhouse_connect import (
    ConfigError,
    MemoryBroker,
    NewRecords,
    SqliteBroker,
    SqliteDefinitionStore,
    TopicPartition,
    Worker,
)

if TYPE_CHECKING:
    from pathlib import Path


def body(path: Path, **config: object) -> dict[str, Any]:
    """Return a connector that writes Parquet files."""
    options = {"file.path": str(path / "files"), "format": "parquet", "batch.interval_ms": 10, **config}
    return {"name": "files", "connectorClass": "file-sink", "topics": ["orders"], "config": options}


def durable(path: Path) -> Worker:
    """Return a worker that finds everything again."""
    return Worker(SqliteBroker(path / "data"), definitions=SqliteDefinitionStore(path / "definitions.db"))


async def columns(worker: Worker, path: Path, *values: bytes) -> list[str]:
    """Deliver values; return the columns of the file that they are in."""
    before = {*(path / "files").rglob("batch-*")}
    await worker.broker.append("orders", NewRecords(values=values))
    await worker.drained("files", timeout=20)
    (file,) = {*(path / "files").rglob("batch-*")} - before
    return [f"{field.name} {field.type}" for field in pq.read_schema(file)]


async def test_a_restarted_worker_goes_on_with_the_columns_that_it_had(tmp_path: Path) -> None:
    """A file never narrows, although no record of the second life has what the first has seen."""
    async with durable(tmp_path) as worker:
        await worker.broker.create_topic("orders", partitions=1)
        await worker.create(body(tmp_path))
        assert await columns(worker, tmp_path, b'{"a":0.5,"b":[{"c":"x"}]}') == [
            "a double",
            "b list<element: struct<c: string>>",
        ]

    async with durable(tmp_path) as worker:
        assert await columns(worker, tmp_path, b'{"a":1}') == ["a double", "b list<element: struct<c: string>>"]


async def test_a_rejected_record_becomes_a_dead_letter_with_its_field(tmp_path: Path) -> None:
    """Where schemas are strict; the others are delivered, envelope and all."""
    config = {"schema.evolution": "strict", "envelope": True, "errors.tolerance": "all"}

    async with Worker(MemoryBroker()) as worker:
        await worker.broker.create_topic("orders", partitions=1)
        await worker.create(body(tmp_path, **config))
        names = [column.split()[0] for column in await columns(worker, tmp_path, b'{"a":1}')]
        assert names == ["_topic", "_partition", "_offset", "_timestamp", "_key", "_headers", "a"]

        assert len(await columns(worker, tmp_path, b'{"a":2}', b'{"a":"x"}', b'{"a":3}')) == len(names)
        letters = await worker.broker.read(TopicPartition("files-dlq", 0), 0, max_records=10)

    assert list(letters.values) == [b'{"a":"x"}']


async def test_a_schema_that_is_missing_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    """Nobody has to wait for the first record to learn of it."""
    async with Worker(MemoryBroker()) as worker:
        await worker.broker.create_topic("orders", partitions=1)

        with pytest.raises(ConfigError, match=r"schema.file .*missing.avsc can't be read: No such file or directory"):
            await worker.create(body(tmp_path, **{"schema.file": str(tmp_path / "missing.avsc")}))
