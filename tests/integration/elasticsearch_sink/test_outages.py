from __future__ import annotations

import asyncio

import pytest

from integration.elasticsearch_sink.conftest import Index, OpenSink
from streamhouse_connect import Batch, RetriableError
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
