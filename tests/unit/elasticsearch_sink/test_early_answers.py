"""Servers that answer to the head of a request and close, while its body is still being sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import attrs
import pytest

from streamhouse_connect import RejectedRecords, RetriableError
from streamhouse_connect.testing import make_batch
from unit.elasticsearch_sink.conftest import OpenSink

HEAD = (
    "HTTP/1.1 %d X\r\nX-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
)


@attrs.define
class HastyServer:
    """Reads no body of more than `limit` bytes, and closes; that it says why is only heard by those who ask before they send."""

    limit: int
    speaks: bool = True
    url: str = ""
    documents: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while await self._exchange(reader, writer):
                pass

        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        length = int(headers.get("content-length", 0))

        asks = headers.get("expect") == "100-continue"

        if length > self.limit:
            if asks and self.speaks:
                writer.write((HEAD % (413, 0)).encode())

            return False

        if asks:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

        count = (await reader.readexactly(length)).count(b"\n") // 2
        self.documents += count
        answer = '{"items":[' + ",".join(['{"index":{"status":201}}'] * count) + "]}"
        writer.write((HEAD % (200, len(answer)) + answer).encode())
        await writer.drain()
        return True


@pytest.fixture
async def hasty() -> AsyncIterator[HastyServer]:
    """Of a megabyte."""
    server = HastyServer(limit=1 << 20)

    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        _, port = listening.sockets[0].getsockname()
        server.url = f"http://127.0.0.1:{port}"
        yield server


async def test_bodies_that_are_refused_unread_are_halved_and_the_one_record_rejected(
    hasty: HastyServer, open_sink: OpenSink
):
    """As 413 is lost where it comes while the body is sent, the server is asked before it is sent again."""
    opened = await open_sink(url=hasty.url)
    values = [b'{"n":"%b"}' % (b"x" * 20_000) for _ in range(250)]
    values[100] = b'{"n":"%b"}' % (b"x" * 8_000_000)

    with pytest.raises(RejectedRecords) as raised:
        await opened.sink.write(make_batch(values))

    assert list(raised.value.reasons) == [100]
    assert "too large" in raised.value.reasons[100]
    assert hasty.documents == 249


async def test_connections_that_are_closed_without_a_word_are_left_to_the_runtime(
    hasty: HastyServer, open_sink: OpenSink
):
    """Asking does not change that."""
    opened = await open_sink(url=hasty.url)
    hasty.speaks = False

    with pytest.raises(RetriableError, match="can't reach"):
        await opened.sink.write(make_batch([b'{"n":"%b"}' % (b"x" * 8_000_000)]))
