"""Several nodes of a cluster, other products, and credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest

from streamhouse_connect import RetriableError, Secret
from streamhouse_connect.testing import make_batch
from unit.elasticsearch_sink.conftest import OpenSink
from unit.elasticsearch_sink.stub import HUNG, OPENSEARCH, Reply, Stub, error, items, lost, page, running

THREE = [b'{"n":1}', b'{"n":2}', b'{"n":3}']
BUSY = (429, "es_rejected_execution_exception", "no")


@pytest.fixture
async def cluster() -> AsyncIterator[list[Stub]]:
    """Three nodes."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(Stub())) for _ in range(3)]


def urls(cluster: list[Stub]) -> str:
    return ",".join(node.url for node in cluster)


async def test_nodes_take_turns(cluster: list[Stub], open_sink: OpenSink):
    """Each gets as many requests as the others."""
    opened = await open_sink(url=urls(cluster))

    for offset in range(8):
        await opened.sink.write(make_batch([b"{}"], first_offset=offset))

    assert sorted(len(node.requests) for node in cluster) == [3, 3, 3]


@pytest.mark.parametrize("how", [error(503), page(502), page(504), lost, HUNG, Reply(cut=-1, applied=False)])
async def test_two_of_three_nodes_may_be_down(cluster: list[Stub], open_sink: OpenSink, how: Reply):
    """The request goes on to the next node at once, and those that are down are left alone for a while."""
    opened = await open_sink(url=urls(cluster), timeout=0.3)

    for node in cluster[:2]:
        node.script = [how] * 100

    for offset in range(5):
        await opened.sink.write(make_batch([b"{}"], first_offset=offset))

    assert len(cluster[2].documents) == 5
    assert [len(node.bulks) for node in cluster[:2]] == [1, 1]


async def test_nodes_that_nobody_listens_at_are_passed_over(stub: Stub, unused_tcp_port: int, open_sink: OpenSink):
    """At the start too."""
    opened = await open_sink(url=f"http://127.0.0.1:{unused_tcp_port},{stub.url}")
    await opened.sink.write(make_batch(THREE))
    assert len(stub.documents) == 3


async def test_a_node_that_is_down_is_tried_again_after_a_while(
    cluster: list[Stub], open_sink: OpenSink, monkeypatch: pytest.MonkeyPatch
):
    """After 1, 2, 4, … seconds, 30 at most; and takes its turns when it is up."""
    now = 1000.0
    monkeypatch.setattr("elastic_transport._node_pool.time", SimpleNamespace(time=lambda: now))
    opened = await open_sink(url=urls(cluster[:2]))
    offset = 0

    async def write(times: int) -> int:
        nonlocal offset
        before = len(cluster[0].bulks)

        for _ in range(times):
            await opened.sink.write(make_batch([b"{}"], first_offset=offset))
            offset += 1

        return len(cluster[0].bulks) - before

    cluster[0].script = [error(503)] * 7
    assert await write(4) == 1

    for wait in (1, 2, 4, 8, 16, 30):
        now += wait - 0.1
        assert await write(4) == 0, wait
        now += 0.2
        assert await write(4) == 1, wait

    now += 30.1
    assert await write(8) >= 3
    assert not cluster[0].script
    assert len(cluster[0].documents) + len(cluster[1].documents) == offset


async def test_all_nodes_down_is_retriable_and_names_them(cluster: list[Stub], open_sink: OpenSink):
    """And the first that is up again is found."""
    opened = await open_sink(url=urls(cluster))
    batch = make_batch(THREE)

    for node in cluster:
        node.script = [error(503)]

    with pytest.raises(RetriableError, match=f"{cluster[0].url}, {cluster[1].url}, .*HTTP 503"):
        await opened.sink.write(batch)

    assert [len(node.bulks) for node in cluster] == [1, 1, 1]
    await opened.sink.write(batch)
    assert sum(len(node.documents) for node in cluster) == 3


async def test_a_node_that_is_too_busy_is_no_reason_to_crowd_the_next(cluster: list[Stub], open_sink: OpenSink):
    """429 is waited out."""
    opened = await open_sink(url=urls(cluster))

    for node in cluster:
        node.script = [error(429)]

    with pytest.raises(RetriableError, match="HTTP 429"):
        await opened.sink.write(make_batch(THREE))

    assert sum(len(node.bulks) for node in cluster) == 1


async def test_opensearch_is_taken_as_it_is(stub: Stub, open_sink: OpenSink):
    """It says what it is in another way, and is sent what both understand."""
    stub.greeting = OPENSEARCH
    opened = await open_sink()
    stub.script = [items(201, BUSY, 201)]
    await opened.sink.write(make_batch(THREE))
    assert [bulk.ids for bulk in stub.bulks][1:] == [["orders+0+1"]]
    assert {request.headers["accept"] for request in stub.requests} == {"application/json"}
    assert {bulk.headers["content-type"] for bulk in stub.bulks} == {"application/x-ndjson"}


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"username": "u", "password": Secret("p")}, "basic dtpw"),
        ({"api_key": Secret("a2V5")}, "apikey a2v5"),
        ({"bearer_token": Secret("tok")}, "bearer tok"),
    ],
)
async def test_every_request_says_who_we_are(
    cluster: list[Stub], open_sink: OpenSink, options: dict[str, object], header: str
):
    """At every node."""
    opened = await open_sink(url=urls(cluster), **options)

    for offset in range(3):
        await opened.sink.write(make_batch([b"{}"], first_offset=offset))

    assert {request.headers["authorization"] for node in cluster for request in node.requests} == {header}
    assert all(node.requests for node in cluster)
