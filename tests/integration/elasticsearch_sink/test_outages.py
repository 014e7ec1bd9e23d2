from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.elasticsearch_sink.conftest import Index, OpenSink
from services import Elasticsearch, Service
from streamhouse_connect import Batch, FatalError, NewRecords, RetriableError, SqliteBroker, State, Worker
from streamhouse_connect.testing import make_batch


def numbered(first: int, count: int) -> Batch:
    return make_batch([b'{"n":%d}' % n for n in range(first, first + count)], first_offset=first)


async def test_a_server_that_hangs_is_left_and_met_again(index: Index, open_sink: OpenSink):
    """Frozen, it accepts connections and answers nothing; awake, it has or gets every document, once."""
    sink = await open_sink(index, timeout=0.5)
    patient = await open_sink(index)
    await patient.write(numbered(0, 10))
    index.server.suspend()

    try:
        with pytest.raises(RetriableError, match="did not answer in time"):
            await sink.write(numbered(10, 10))
    finally:
        index.server.wake()

    await patient.write(numbered(10, 10))
    assert index.documents() == {f"orders+0+{n}": {"n": n} for n in range(20)}


async def test_a_server_that_is_killed_keeps_what_was_written_and_takes_the_rest(index: Index, open_sink: OpenSink):
    """Kill -9 between two writes: the second is retriable until the server is back, then nothing is missing."""
    sink = await open_sink(index)
    await sink.write(numbered(0, 500))
    index.server.kill()

    with pytest.raises(RetriableError, match="can't reach Elasticsearch"):
        await sink.write(numbered(500, 500))

    with pytest.raises(RetriableError, match="can't reach Elasticsearch"):
        await open_sink(index)

    await asyncio.to_thread(index.server.start)
    await sink.write(numbered(500, 500))
    assert index.documents() == {f"orders+0+{n}": {"n": n} for n in range(1000)}


async def test_documents_refused_by_a_full_queue_are_all_written_in_the_end(small_index: Index, open_sink: OpenSink):
    """One writing thread with a queue of one: bulks at a time meet per-document 429s, and lose nothing."""
    small_index.create()
    refused: list[float] = []

    async def note(seconds: float) -> None:
        refused.append(seconds)
        await asyncio.sleep(0)

    sinks = [await open_sink(small_index, sleep=note) for _ in range(24)]

    async def deliver(partition: int) -> None:
        batch = make_batch([b'{"n":%d}' % n for n in range(200)], partition=partition)

        for _ in range(1000):
            try:
                await sinks[partition].write(batch)
            except RetriableError as error:
                refused.append(error.retry_after or 0)
            else:
                return

        pytest.fail("the server never took the batch")

    await asyncio.gather(*map(deliver, range(24)))
    assert refused, "no document was refused: the test has shown nothing"
    assert len(small_index.documents()) == 24 * 200


async def test_a_busy_server_is_asked_for_less_at_once(small_index: Index, open_sink: OpenSink):
    """Its 429s lower the limit of bulks under way; what they refused is written in the end."""
    small_index.create()
    levels: dict[str, float] = {}
    sink = await open_sink(small_index, levels=levels, max_in_flight=24)
    lowest = levels["max_in_flight"]

    async def deliver(partition: int) -> None:
        nonlocal lowest
        batch = make_batch([b'{"n":%d}' % n for n in range(500)], partition=partition)

        for _ in range(1000):
            try:
                return await sink.write(batch)
            except RetriableError:
                lowest = min(lowest, levels["max_in_flight"])
                await asyncio.sleep(0.01)

        pytest.fail("the server never took the batch")

    await asyncio.gather(*map(deliver, range(48)))
    assert 1 <= lowest < 24
    assert len(small_index.documents()) == 48 * 500


async def test_a_bulk_that_is_more_than_the_server_ever_has_room_for_is_sent_in_parts(
    start_service: Callable[[Service], None], open_sink: OpenSink
):
    """Its 429 is for the whole request, every time: halves of it are taken."""
    server = Elasticsearch({"indexing_pressure.memory.limit": "200kb"})
    start_service(server)
    index = Index("orders", server)
    index.create()
    sink = await open_sink(index)
    batch = make_batch([b'{"n":"%b"}' % (b"x" * 20_000)] * 50)
    refusals: list[str] = []

    for _ in range(100):
        try:
            await sink.write(batch)
        except RetriableError as error:
            refusals.append(str(error))
        else:
            break

    assert "HTTP 429" in refusals[0]
    assert len(index.documents()) == 50


async def test_a_server_that_takes_no_indexes_in_bulks_is_no_documents_fault(
    start_service: Callable[[Service], None], open_sink: OpenSink
):
    """Its 400 is for every request: nothing becomes a dead letter."""
    server = Elasticsearch({"rest.action.multi.allow_explicit_index": "false"})
    start_service(server)
    sink = await open_sink(Index("orders", server))

    with pytest.raises(FatalError, match="explicit index in bulk is not allowed: no document is to blame"):
        await sink.write(numbered(0, 10))


async def test_an_index_that_is_deleted_meanwhile_is_made_again(index: Index, tmp_path: Path):
    """Under load: the connector goes on, and what is delivered from then on is there."""
    config = {"connection.url": index.server.url, "index.name": index.name, "batch.size": 50, "batch.interval_ms": 5}
    body = {"name": "c", "connectorClass": "elasticsearch-sink", "topics": ["orders"], "config": config}

    async with Worker(SqliteBroker(tmp_path)) as worker:
        await worker.broker.create_topic("orders")
        await worker.create(body)

        async def produce(count: int) -> None:
            for _ in range(count):
                await worker.broker.append("orders", NewRecords(values=[b'{"n":1}'] * 100))
                await asyncio.sleep(0.01)

        await produce(5)
        await worker.drained("c", timeout=60)
        producing = asyncio.create_task(produce(30))
        await asyncio.to_thread(index.server.request, "DELETE", f"/{index.name}")
        await producing
        await worker.drained("c", timeout=60)
        before = len(index.documents())
        await produce(5)
        await worker.drained("c", timeout=60)
        info = await worker.get("c")

    assert info.state is State.RUNNING
    assert info.processed == 4000
    assert len(index.documents()) == before + 500
    assert f"orders+0+{3999}" in index.documents()
