"""What is sent again, what is not, and how much at once, against a scripted server."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from streamhouse_connect import RejectedRecords, RetriableError, SecretUrl, TopicPartition
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink
from unit.elasticsearch_sink.conftest import OpenSink
from unit.elasticsearch_sink.stub import Reply, Request, Stub, accept, answer, error, items, lost, page, read_bulk

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
        return answer([{"status": 201}], ["index"])

    assert opened.sink._connection
    opened.sink._connection.bulk = bulk  # type: ignore[method-assign]  # to look at it from outside
    await asyncio.gather(*(opened.sink.write(make_batch([b"{}"], first_offset=n)) for n in range(20)))
    assert most == 3
    assert opened.sink.in_flight == 3


@pytest.mark.parametrize("reply", [items(BUSY), error(429), page(429)])
async def test_a_server_that_is_too_busy_is_asked_less_at_once_and_slowly_more_again(
    stub: Stub, open_sink: OpenSink, reply: Reply
):
    """By a document or by a whole request; the metric tells the limit."""
    opened = await open_sink(max_in_flight=4)

    def limit() -> float:
        return opened.levels["max_in_flight"]

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

    assert opened.levels["max_in_flight"] == opened.sink.in_flight


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


async def test_a_batch_is_sent_in_requests_of_so_many_bytes_as_batches_are_cut_by(stub: Stub, open_sink: OpenSink):
    """Action lines count: small documents make several bodies of a batch, all of about one size; a large one has its own."""
    opened = await open_sink(batch_bytes=1000)
    values = [b'{"n":%d}' % n for n in range(100)]
    values[50] = b'{"n":"%b"}' % (b"x" * 2000)
    await opened.sink.write(make_batch(values))
    sizes = [len(bulk.body) for bulk in stub.bulks]
    print(sizes)
    assert [size for size in sizes if size > 1000] == [2059]
    assert sum(size < 800 for size in sizes) <= 2
    assert [document_id for bulk in stub.bulks for document_id in bulk.ids] == [f"orders+0+{n}" for n in range(100)]


async def test_a_batch_that_fits_is_one_request(stub: Stub, open_sink: OpenSink):
    """To the byte."""
    opened = await open_sink()
    await opened.sink.write(make_batch(THREE))
    size = len(stub.bulks[0].body)

    for most, requests in ((size, 1), (size - 1, 2)):
        opened = await open_sink(batch_bytes=most)
        before = len(stub.bulks)
        await opened.sink.write(make_batch(THREE))
        assert len(stub.bulks) - before == requests


async def test_what_the_server_takes_is_learned(stub: Stub, open_sink: OpenSink):
    """The batches after the one that was found to be too large are cut before they are sent."""
    opened = await open_sink()
    values = [b'{"n":%d}' % n for n in range(10, 30)]
    stub.script = [lambda request: error(413) if len(request.body) > 600 else accept(request)] * 100
    refused = []

    for offset in range(0, 100, 20):
        before = len(stub.bulks)
        await opened.sink.write(make_batch(values, first_offset=100 + offset))
        refused.append(sum(len(bulk.body) > 600 for bulk in stub.bulks[before:]))

    assert refused[0] > 0
    assert not any(refused[2:])
    assert len(stub.documents) == 100
    assert sum(len(bulk.body) > 300 for bulk in stub.bulks[-3:]) > 1


async def test_a_record_that_is_too_large_by_itself_does_not_make_the_others_requests_small(
    stub: Stub, open_sink: OpenSink
):
    """What is learned from it is its own size."""
    opened = await open_sink()
    values = [b'{"n":%d}' % n for n in range(10)]
    stub.script = [lambda request: error(413) if len(request.body) > 2000 else accept(request)] * 100

    with pytest.raises(RejectedRecords):
        await opened.sink.write(make_batch([*values, b'{"n":"%b"}' % (b"x" * 9000)]))

    stub.requests.clear()
    await opened.sink.write(make_batch(values * 3))
    assert len(stub.bulks) == 1


async def test_a_request_that_is_refused_as_a_whole_again_and_again_is_halved(stub: Stub, open_sink: OpenSink):
    """It may hold more than the server ever has room for; down to one document, which is sent for ever."""
    opened = await open_sink()
    batch = make_batch([*THREE, b"{}"])
    stub.script = [lambda request: error(429) if len(request.ids) > 1 else accept(request)] * 100

    for _ in range(20):
        try:
            await opened.sink.write(batch)
        except RetriableError:
            continue

        break

    assert [len(bulk.ids) for bulk in stub.bulks] == [4, 4, 4, 2, 2, 2, 1, 1, 2, 2, 2, 1, 1]
    assert stub.bulks[0].body == stub.bulks[1].body == stub.bulks[2].body
    stub.script = [error(429)] * 9
    batch = make_batch([b"{}"])

    for _ in range(9):
        with pytest.raises(RetriableError):
            await opened.sink.write(batch)

    await opened.sink.write(batch)


@attrs.define
class Crowded:
    """A server that refuses each document of what comes when more than so many requests are under way."""

    room: int
    documents: set[bytes] = attrs.field(factory=set)
    under_way: int = 0
    taken: int = 0
    refused: int = 0

    async def bulk(self, body: bytes) -> bytes:
        self.under_way += 1
        is_full = self.under_way > self.room

        for _ in range(3):
            await asyncio.sleep(0)

        self.under_way -= 1
        operations = read_bulk(body)
        self.refused += is_full
        self.taken += not is_full

        if not is_full:
            self.documents |= {operation.id.encode() for operation in operations}

        return answer([{"status": 429 if is_full else 201}] * len(operations), ["index"])


@pytest.mark.parametrize("room", [1, 3, 8])
async def test_a_server_with_room_for_fewer_requests_is_hardly_asked_for_more(open_sink: OpenSink, room: int):
    """The limit settles about what the server takes: most requests are taken, nearly as many at once as there is room for."""
    opened = await open_sink(max_in_flight=16)
    server = Crowded(room)
    assert opened.sink._connection
    opened.sink._connection.bulk = server.bulk  # type: ignore[method-assign]  # a server of another kind
    offsets = iter(range(2000))
    limits: list[float] = []

    async def deliver() -> None:
        for offset in offsets:
            batch = make_batch([b"{}"], first_offset=offset)

            while True:
                try:
                    await opened.sink.write(batch)
                except RetriableError:
                    continue

                break

            limits.append(opened.levels["max_in_flight"])

    await asyncio.gather(*(deliver() for _ in range(16)))
    assert len(server.documents) == 2000
    settled = limits[100:]
    print(server.refused, server.taken, min(settled), max(settled), sum(settled) / len(settled))
    assert 1 <= min(settled) <= max(settled) <= 2 * room + 1
    assert server.refused < server.taken / 4


async def test_the_wait_before_documents_are_sent_again_is_drawn(stub: Stub):
    """Between half and all of it, so that many connectors do not come back at once."""
    drawn: list[tuple[float, float]] = []
    waited: list[float] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    config = ElasticsearchConfig(connection_url=SecretUrl(stub.url), index_name="x")
    sink = ElasticsearchSink(config, sleep=sleep, uniform=uniform)
    await sink.open(make_context())
    stub.script = [items(BUSY)] * 3
    await sink.write(make_batch([b"{}"]))
    await sink.close()
    assert drawn == [(0.05, 0.1), (0.1, 0.2), (0.2, 0.4)]
    assert waited == [0.05, 0.1, 0.2]


async def test_an_operation_waits_for_the_one_before_it_on_the_same_document(stub: Stub, open_sink: OpenSink):
    """A later batch with the same id is not even sent while a document of an earlier one is refused for now."""
    opened = await open_sink(document_id="id", max_in_flight=8)
    assert opened.sink.in_flight == 1
    stub.script = [items(BUSY, 201), items(BUSY), accept, accept]
    await opened.sink.write(make_batch([b'{"id":1,"v":1}', b'{"id":2,"v":1}']))
    await opened.sink.write(make_batch([b'{"id":1,"v":2}']))
    assert [bulk.ids for bulk in stub.bulks] == [["1", "2"], ["1"], ["1"], ["1"]]
    assert stub.documents["orders", "1"] == b'{"id":1,"v":2}'
