"""How records become requests in a running connector: by number, by size, by time; and how much memory that takes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streamhouse_connect import NewRecords, SqliteBroker, Worker
from streamhouse_connect.testing import make_batch
from unit.elasticsearch_sink.conftest import OpenSink
from unit.elasticsearch_sink.stub import Stub

SOON = 60


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    async with Worker(SqliteBroker(tmp_path)) as running:
        await running.broker.create_topic("orders")
        yield running


async def deliver(worker: Worker, stub: Stub, values: list[bytes], **options: Any) -> None:
    """Produce the records, then run a connector until they are delivered."""
    await worker.broker.append("orders", NewRecords(values=values))
    config = {"connection.url": stub.url, "index.name": "orders", **options}
    await worker.create({"name": "c", "connectorClass": "elasticsearch-sink", "topics": ["orders"], "config": config})
    await worker.drained("c", timeout=SOON)
    assert len(stub.documents) == len(values)


async def test_requests_are_cut_by_documents(worker: Worker, stub: Stub):
    """At `batch.size`."""
    await deliver(worker, stub, [b"{}"] * 250, **{"batch.size": 100})
    assert sorted(len(bulk.ids) for bulk in stub.bulks) == [50, 100, 100]


async def test_requests_are_cut_by_bytes(worker: Worker, stub: Stub):
    """At `batch.bytes`, action lines and metadata included: small documents, whose lines are most of the body, too."""
    options = {"batch.size": 10_000, "batch.bytes": 4000, "metadata.fields": "topic,partition,offset,timestamp"}
    await deliver(worker, stub, [b"{}"] * 1000, **options)
    assert max(len(bulk.body) for bulk in stub.bulks) <= 4000
    assert len(stub.bulks) < 60


async def test_requests_are_cut_by_time(worker: Worker, stub: Stub):
    """When the oldest record has waited for `batch.interval_ms`, however few there are."""
    await deliver(worker, stub, [b"{}"] * 3, **{"batch.size": 1000, "batch.interval_ms": 20})
    assert [len(bulk.ids) for bulk in stub.bulks] == [3]


@pytest.mark.parametrize("value", [b'{"n":"%b"}' % (b"x" * 2000), b'{"n":"%b"}' % (b"x" * 150)])
async def test_memory_is_bounded_by_what_is_under_way(stub: Stub, open_sink: OpenSink, value: bytes):
    """A few times `batch.bytes` for each batch, as the documentation says, and nothing stays."""
    most = 1 << 20
    opened = await open_sink(batch_bytes=most)
    connection = opened.sink._connection
    assert connection
    sizes: list[int] = []

    async def take(body: bytes) -> bytes:
        sizes.append(len(body))
        return b'{"items":[%b]}' % b",".join([b'{"index":{"status":201}}'] * (body.count(b"\n") // 2))

    connection.bulk = take  # type: ignore[method-assign]  # the stub would take up memory, too
    batches = [make_batch([value] * (most // len(value)), first_offset=offset) for offset in range(3)]
    await opened.sink.write(batches[0])
    gc.collect()
    tracemalloc.start()

    try:
        for batch in batches:
            await opened.sink.write(batch)

        del batch
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert max(sizes) <= most
    assert peak < 5 * most
    assert left < most / 10
