"""elasticsearch-sink against a server that answers at once, beside the client library's own helper, and against a real node.

    python -m benchmarks.elasticsearch [--documents 300000] [--only stub | node]

Against the stub, which runs in a process of its own, both send the same documents. `async_bulk` is given dicts that are ready
to be serialised; the sink is given bytes, as a broker delivers them, and validates them. What the sink allocates on the way is
told in multiples of what is under way: `max.in.flight` bodies.

Against a real node the sink stands beside a bare loop that posts bodies that are ready, with as many requests at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from typing import ClassVar, TypeVar

import aiohttp
from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from streamhouse_connect import Batch, SecretUrl
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # has the servers

from services import Elasticsearch

T = TypeVar("T")
ROUNDS = 3
NODE_ROUNDS = 7
NODE_BATCH = 5000
BULK = "/_bulk?filter_path=items.*.status,items.*.error"
HEAD = b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


class InstantServer(asyncio.Protocol):
    """Reads a request to its end, and accepts every document in it; knows how many it was sent."""

    documents: ClassVar[int] = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._head = b""
        self._request = b""
        self._left = 0
        self._lines = 0

    def data_received(self, data: bytes) -> None:
        if not self._left:
            head, end, data = (self._head + data).partition(b"\r\n\r\n")

            if not end:
                self._head = head
                return

            self._head = b""
            self._request = head
            self._left = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            self._lines = 0

        self._lines += data.count(b"\n")
        self._left -= len(data)

        if not self._left:
            body = self._answer()
            self._transport.write(HEAD % (len(body), b"" if self._request.startswith(b"HEAD ") else body))

    def _answer(self) -> bytes:
        if b"/_count" in self._request.partition(b"\r\n")[0]:
            return b'{"count":%d}' % self.documents

        documents = self._lines // 2
        InstantServer.documents += documents
        return b'{"errors":false,"items":[%b]}' % b",".join([b'{"index":{"status":201}}'] * documents)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(InstantServer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def stub() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.elasticsearch", "--serve"]

    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout

        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def document(number: int) -> dict[str, object]:
    """Make an order that is 200 bytes long as JSON."""
    made: dict[str, object] = {
        "order_id": f"order-{number:09d}",
        "customer_id": number % 10_000,
        "amount": number % 1000 + 0.5,
        "currency": "EUR",
        "created_at": "2026-02-10T14:00:00Z",
    }
    made["note"] = "x" * (200 - len(json.dumps({**made, "note": ""}, separators=(",", ":"))))
    return made


def value(number: int) -> bytes:
    return json.dumps(document(number), separators=(",", ":")).encode()


async def with_sink(url: str, batches: list[Batch], document_id: str | None, index: str = "{topic}") -> float:
    config = ElasticsearchConfig(connection_url=SecretUrl(url), index_name=index, document_id=document_id)
    sink = ElasticsearchSink(config)
    await sink.open(make_context())
    seconds = await timed(batches, sink.write, at_once=sink.in_flight)
    await sink.close()
    return sum(map(len, batches)) / seconds


async def timed(items: list[T], send: Callable[[T], Awaitable[None]], *, at_once: int) -> float:
    """Return how long it takes to send all, so many at once."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await send(item)

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return time.perf_counter() - start


async def with_bare_loop(url: str, bodies: list[bytes], count: int) -> float:
    """Post bodies that are ready, and look at nothing but the status."""
    async with aiohttp.ClientSession() as session:

        async def post(body: bytes) -> None:
            headers = {"content-type": "application/x-ndjson", "accept": "application/json"}

            async with session.post(url + BULK, data=io.BytesIO(body), headers=headers) as response:
                assert response.status == 200
                await response.read()

        return count / await timed(bodies, post, at_once=ElasticsearchConfig(index_name="x").max_in_flight)


async def allocated(url: str, batches: list[Batch]) -> float:
    """Return the peak of what the sink allocates, in multiples of the bodies under way."""
    await with_sink(url, batches[:2], None)
    tracemalloc.start()
    await with_sink(url, batches, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    under_way = ElasticsearchConfig(index_name="x").max_in_flight * len(body_of(batches[0], "orders"))
    return peak / under_way


def body_of(batch: Batch, index: str) -> bytes:
    """Write the body of a batch as the sink does, in the bare loop's own words."""
    action = '{"index":{"_index":"%s","_id":"orders+0+%d"}}\n'
    pairs = zip(batch.offsets, batch.values, strict=True)
    return b"".join([(action % (index, offset)).encode() + (value or b"") + b"\n" for offset, value in pairs])


async def with_helper(url: str, documents: list[dict[str, object]], size: int) -> float:
    async with AsyncElasticsearch(url) as client:
        await client.info()
        actions = (
            {"_op_type": "index", "_index": "orders", "_id": f"orders+0+{offset}", "_source": source}
            for offset, source in enumerate(documents)
        )
        start = time.perf_counter()
        written, _ = await async_bulk(client, actions, chunk_size=size)
        seconds = time.perf_counter() - start
        assert written == len(documents)
        return written / seconds


async def best(measure: Callable[[], Awaitable[float]]) -> float:
    return max([await measure() for _ in range(ROUNDS)])


async def against_stub(count: int) -> None:
    values = [value(number) for number in range(count)]
    documents = [document(number) for number in range(count)]
    print(f"against a stub: {count:,} documents of {len(values[0])} bytes, best of {ROUNDS}, documents/s")
    print(f"{'batch.size':>10} {'sink':>12} {'with document.id':>18} {'async_bulk':>12} {'ratio':>7} {'memory':>8}")

    with stub() as url:
        for size in (1000, 5000):
            batches = [make_batch(values[at : at + size], first_offset=at) for at in range(0, count, size)]
            plain = await best(lambda batches=batches: with_sink(url, batches, None))  # type: ignore[misc]  # bound default
            by_field = await best(lambda batches=batches: with_sink(url, batches, "order_id"))  # type: ignore[misc]  # the same
            helper = await best(lambda size=size: with_helper(url, documents[: count // 5], size))  # type: ignore[misc]  # the same
            memory = await allocated(url, batches[:40])
            print(
                f"{size:>10,} {plain:>12,.0f} {by_field:>18,.0f} {helper:>12,.0f} {plain / helper:>6.1f}x {memory:>7.1f}x"
            )


async def against_node(count: int) -> None:
    """Measure in turns, each time into a new index that is not refreshed meanwhile; the median of the ratios counts."""
    values = [value(number) for number in range(count)]
    batches = [make_batch(values[at : at + NODE_BATCH], first_offset=at) for at in range(0, count, NODE_BATCH)]
    print(f"against a node: {count:,} documents, {NODE_BATCH:,} a request, {NODE_ROUNDS} rounds, documents/s")
    ratios: list[float] = []

    with Elasticsearch() as server:
        for number in range(NODE_ROUNDS + 1):
            rates: dict[str, float] = {}

            for name in ("bare", "sink") if number % 2 else ("sink", "bare"):
                index = f"bench-{name}-{number}"
                settings = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"}
                server.request("PUT", f"/{index}", {"settings": settings})

                if name == "bare":
                    bodies = [body_of(batch, index) for batch in batches]
                    rates[name] = await with_bare_loop(server.url, bodies, count)
                else:
                    rates[name] = await with_sink(server.url, batches, None, index)

                server.request("DELETE", f"/{index}")

            if number:  # the first is the warm-up
                ratios.append(rates["sink"] / rates["bare"])
                print(f"bare {rates['bare']:>9,.0f}  sink {rates['sink']:>9,.0f}  {ratios[-1]:.0%}")

    print(f"median {median(ratios):.0%}")


async def main(count: int, only: str | None) -> None:
    if only != "node":
        await against_stub(count)

    if only != "stub":
        await against_node(count // 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--only", choices=["stub", "node"])
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    asyncio.run(serve() if arguments.serve else main(arguments.documents, arguments.only))
