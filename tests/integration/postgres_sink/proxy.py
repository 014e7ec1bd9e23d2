"""What lies between a sink and its server, and may lose things."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

__all__ = ["Proxy"]

_COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
"""The server's answer to COMMIT."""

_COPY_BEGINS = b"G"
"""How its answer to COPY begins."""


class Proxy:
    """Passes on what client and server say, unless it is told not to."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._server = (place.hostname, place.port)
        self._url = url
        self._listener: asyncio.Server
        self._lines: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.held = asyncio.Event()
        """Set once nothing gets through to the server."""
        self._holds_on: Callable[[bytes], bool] = lambda _: False
        self._loses: Callable[[bytes], bool] = lambda _: False
        self._keeps: Callable[[bytes], bool] = lambda _: False
        self.lost = 0
        """How many answers nobody got."""

    @property
    def url(self) -> str:
        """Where the server is, from here."""
        port = self._listener.sockets[0].getsockname()[1]
        return self._url.replace(f":{self._server[1]}/", f":{port}/")

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def close(self) -> None:
        self._open.set()
        self._listener.close()
        self.cut()
        await self._listener.wait_closed()

    def lose_answer_to_commit(self) -> None:
        """The next COMMIT is done, and nobody is told."""
        self._loses = lambda data: _COMMITTED in data

    def keep_answer_to_commit(self) -> None:
        """The next COMMIT is done, and nobody is told, nor that the connection is of no use any more."""
        self._keeps = lambda data: _COMMITTED in data

    def hold_in_copy(self) -> None:
        """Let nothing through to the server once it has begun to take rows in: the client has fallen asleep."""
        self.held.clear()
        self._holds_on = lambda data: data.startswith(_COPY_BEGINS)

    def let_go(self) -> None:
        """Let everything through again."""
        self._open.set()

    def cut(self) -> None:
        """End all connections, to both sides."""
        for line in self._lines:
            line.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*self._server)
        self._lines |= {writer, to_server}
        up = asyncio.create_task(self._up(reader, to_server))

        try:
            while data := await from_server.read(1 << 16):
                if self._holds_on(data):
                    self._holds_on = lambda _: False
                    self._open.clear()
                    self.held.set()

                if self._keeps(data):
                    self._keeps = lambda _: False
                    self.lost += 1
                    continue

                if self._loses(data):
                    self._loses = lambda _: False
                    self.lost += 1
                    writer.write(data.partition(_COMMITTED)[0])  # what was answered before, such as a SELECT
                    await writer.drain()
                    writer.close()
                    break

                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            up.cancel()
            writer.transport.abort()
            to_server.transport.abort()
            self._lines -= {writer, to_server}

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass

        writer.transport.abort()
