"""What is sent again, what is not, and how much at once, against a scripted server."""

from __future__ import annotations

import asyncio

import pytest

from streamhouse_connect import RejectedRecords, RetriableError, TopicPartition
from streamhouse_connect.testing import make_batch
from unit.elasticsearch_sink.conftest import OpenSink
from unit.elasticsearch_sink.stub import Reply, Request, Stub, accept, error, items, lost, page

BUSY = (429, "es_rejected_execution_exception", "rejected execution of coordinating operation")
WRONG = (400, "document_parsing_exception", "failed to parse field [n] of type [long]")
THREE = [b'{"n":1}', b'{"n":2}', b'{"n":3}']
A, B, C = "orders+0+0", "orders+0+1", "orders+0+2"


async def test_what_was_written_is_not_sent_again_when_the_runtime_tries_the_batch_again(
    stub: Stub, open_sink: OpenSink
):
    """A server that stays busy is not asked for what it has taken, and what was rejected stays so."""
    opened = await open_sink()
    batch = make_batch(THREE)
    stub.script = [items(201, BUSY, WRONG), *[items(BUSY)] * 4]

    with pytest.raises(RetriableError, match="refuses 1 documents for now"):
        await opened.sink.write(batch)

    with pytest.raises(RejectedRecords) as raised:
        await opened.sink.write(batch)

    assert list(raised.value.reasons) == [2]
    assert [bulk.ids for bulk in stub.bulks] == [[A, B, C], *[[B]] * 5]


@pytest.mark.parametrize(
    "reply", [lost, error(503), error(429), page(502), page(200), Reply(body=b"{}", applied=False)]
)
async def test_a_request_without_a_clear_answer_is_sent_again_byte_by_byte(
    stub: Stub, open_sink: OpenSink, reply: Reply
):
    """Written or not, the same body makes the same documents."""
    opened = await open_sink()
    batch = make_batch(THREE)
    stub.script = [reply]

    with pytest.raises(RetriableError):
        await opened.sink.write(batch)

    await opened.sink.write(batch)
    assert stub.bulks[0].body == stub.bulks[1].body
    assert len(stub.documents) == 3


async def test_the_half_that_was_written_is_not_sent_again(stub: Stub, open_sink: OpenSink):
    """A request that was halved goes on where it was."""
    opened = await open_sink()
    batch = make_batch([*THREE, b"{}"])
    stub.script = [error(413), accept, error(503)]

    with pytest.raises(RetriableError):
        await opened.sink.write(batch)

    await opened.sink.write(batch)
    assert [bulk.ids[0] for bulk in stub.bulks] == [A, A, C, C]


async def test_what_is_left_of_a_batch_is_forgotten_with_its_partition(stub: Stub, open_sink: OpenSink):
    """Nobody will ask for it again."""
    opened = await open_sink()
    batch = make_batch(THREE, partition=1)
    stub.script = [items(201, BUSY, 201), *[items(BUSY)] * 4]

    with pytest.raises(RetriableError):
        await opened.sink.write(batch)

    await opened.sink.release([TopicPartition("orders", 0)])
    assert len(opened.sink._rests) == 1
    await opened.sink.release([TopicPartition("orders", 1)])
    assert not opened.sink._rests


async def test_no_more_rests_are_kept_than_batches_can_be_under_way(stub: Stub, open_sink: OpenSink):
    """Batches that come back cut are others, and must not pile up."""
    opened = await open_sink(max_in_flight=3)
    batches = [make_batch(THREE, first_offset=offset) for offset in range(5)]
    stub.script = [error(503)] * 5

    for batch in batches:
        with pytest.raises(RetriableError):
            await opened.sink.write(batch)

    assert len(opened.sink._rests) == 3


async def test_no_more_bulks_than_allowed_are_under_way(stub: Stub, open_sink: OpenSink):
    """However many batches are written at once."""
    opened = await open_sink(max_in_flight=3)
    under_way = most = 0

    async def bulk(body: bytes) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return items(201).body

    assert opened.sink._connection
    opened.sink._connection.bulk = bulk  # type: ignore[method-assign]  # to look at it from outside
    await asyncio.gather(*(opened.sink.write(make_batch([b"{}"], first_offset=n)) for n in range(20)))
    assert most == 3
    assert opened.sink.in_flight == 3


@pytest.mark.parametrize("reply", [items(BUSY), error(429), page(429)])
async def test_a_server_that_is_too_busy_is_asked_less_at_once_and_slowly_more_again(
    stub: Stub, open_sink: OpenSink, reply: Reply
):
    """By a document or by a whole request; the metric tells the limit as a difference of two counts."""
    opened = await open_sink(max_in_flight=4)

    def limit() -> int:
        return opened.counts["in_flight_raised"] - opened.counts["in_flight_lowered"]

    async def write() -> None:
        batch = make_batch([b"{}"])

        try:
            await opened.sink.write(batch)
        except RetriableError:
            await opened.sink.write(batch)

    assert limit() == 4
    stub.script = [reply]
    await write()
    assert limit() == 2

    for _ in range(30):
        await write()

    assert limit() == 4
    await opened.sink.close()
    assert limit() == 0


async def test_other_refusals_leave_the_limit_as_it_is(stub: Stub, open_sink: OpenSink):
    """A block or a node that is away is not a matter of how much."""
    opened = await open_sink()
    stub.script = [items((403, "cluster_block_exception", "disk")), items(503), items(WRONG)]

    with pytest.raises(RejectedRecords):
        await opened.sink.write(make_batch([b"{}"]))

    assert opened.counts["in_flight_lowered"] == 0


async def test_one_record_that_is_too_large_beside_others_that_are_refused(stub: Stub, open_sink: OpenSink):
    """413 and 429 in turns: each document ends where it belongs."""
    opened = await open_sink()
    values = [b'{"n":"%b"}' % (b"x" * size) for size in (10, 10, 500, 10)]
    turns = iter(range(100))

    def moody(request: Request) -> Reply:
        if len(request.body) > 300:
            return error(413)

        return items(*[BUSY] * len(request.ids)) if next(turns) % 3 == 0 else accept(request)

    stub.script = [moody] * 50
    batch = make_batch(values)

    with pytest.raises(RejectedRecords) as raised:
        await opened.sink.write(batch)

    assert list(raised.value.reasons) == [2]
    assert len(stub.documents) == 3


async def test_an_index_that_is_made_again_gets_what_it_missed(stub: Stub, open_sink: OpenSink):
    """Deleted under the server's hands, it is missing for one answer."""
    opened = await open_sink()
    stub.script = [items(201, (404, "index_not_found_exception", "no such index [orders]"), 201)]
    await opened.sink.write(make_batch(THREE))
    assert [bulk.ids for bulk in stub.bulks] == [[A, B, C], [B]]
