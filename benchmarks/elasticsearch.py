"""The client side of elasticsearch-sink, against a server that answers at once, beside the client library's own helper.

    python -m benchmarks.elasticsearch [--documents 300000]

Both send the same documents to the same stub, which runs in a process of its own. `async_bulk` is given dicts that are ready
to be serialised; the sink is given bytes, as a broker delivers them, and validates them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import ClassVar

from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from streamhouse_connect import Batch, SecretUrl
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink

ROUNDS = 3
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


async def with_sink(url: str, batches: list[Batch], document_id: str | None) -> float:
    config = ElasticsearchConfig(connection_url=SecretUrl(url), index_name="{topic}", document_id=document_id)
    sink = ElasticsearchSink(config)
    await sink.open(make_context())
    waiting = iter(batches)

    async def write(waiting: Iterator[Batch]) -> None:
        for batch in waiting:
            await sink.write(batch)

    start = time.perf_counter()
    await asyncio.gather(*(write(waiting) for _ in range(sink.in_flight)))
    seconds = time.perf_counter() - start
    await sink.close()
    return sum(map(len, batches)) / seconds


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


async def main(count: int) -> None:
    values = [value(number) for number in range(count)]
    documents = [document(number) for number in range(count)]
    print(f"{count:,} documents of {len(values[0])} bytes, best of {ROUNDS}, documents/s\n")
    print(f"{'batch.size':>10} {'sink':>12} {'with document.id':>18} {'async_bulk':>12} {'ratio':>7}")

    with stub() as url:
        for size in (1000, 5000):
            batches = [make_batch(values[at : at + size], first_offset=at) for at in range(0, count, size)]
            plain = await best(lambda batches=batches: with_sink(url, batches, None))  # type: ignore[misc]  # bound default
            by_field = await best(lambda batches=batches: with_sink(url, batches, "order_id"))  # type: ignore[misc]  # the same
            helper = await best(lambda size=size: with_helper(url, documents[: count // 5], size))  # type: ignore[misc]  # the same
            print(f"{size:>10,} {plain:>12,.0f} {by_field:>18,.0f} {helper:>12,.0f} {plain / helper:>6.1f}x")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    asyncio.run(serve() if arguments.serve else main(arguments.documents))
