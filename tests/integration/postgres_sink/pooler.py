"""A pooler in transaction mode, as small as one can be."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import attrs

from integration.postgres_sink.listening import Listening

__all__ = ["Pooler"]

_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104
_READY = b"Z"
_AUTHENTICATED = b"R\x00\x00\x00\x08\x00\x00\x00\x00"
_STRANGE_PROCESS = b"K" + struct.pack("!Iii", 12, 2**31 - 2, 7)
"""The key for cancelling that a client gets: of the pooler's own, with the number of no process."""

_ASKS_FOR_ANSWER = (b"Q", b"S")
"""Messages after which the server says that it is ready: a simple query and Sync."""


@attrs.define
class _Server:
    """A connection to the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes


class Pooler(Listening):
    """Gives each transaction another connection to the server than the one before."""

    def __init__(self, url: str, *, size: int = 3) -> None:
        super().__init__()
        self._url = url
        place = urlsplit(url)
        self._place = (place.hostname, place.port)
        self._startup = _startup(user=place.username or "", database=place.path[1:])
        self.size = size
        self._idle: asyncio.Queue[_Server] = asyncio.Queue()
        self._servers: list[_Server] = []
        self.answers = 0
        """How often the server was through with what it had been asked."""

    @property
    def url(self) -> str:
        """Where the server is, from here."""
        return self._url.replace(f":{self._place[1]}/", f":{self.port}/")

    async def start(self) -> None:
        for _ in range(self.size):
            reader, writer = await asyncio.open_connection(*self._place)
            writer.write(self._startup)
            greeting = b""

            while (message := await _message(reader))[:1] != _READY:
                greeting += message if message[:1] == b"S" else b""

            self._servers.append(_Server(reader, writer, greeting))
            self._idle.put_nowait(self._servers[-1])

        await super().start()

    async def close(self) -> None:
        for server in self._servers:
            server.writer.transport.abort()

        await super().close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await _startup_code(reader)) in (_SSL_REQUEST, _GSS_REQUEST):
            writer.write(b"N")

        writer.write(_AUTHENTICATED + self._servers[0].greeting + _STRANGE_PROCESS + b"Z\x00\x00\x00\x05I")

        while (first := await _message(reader))[:1] != b"X":
            async with self._borrowed() as server:
                self.answers += await _transaction(first, reader, writer, server)

    @contextlib.asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[_Server]:
        """Lend the connection that has not been used for the longest time; one left in a transaction is lost."""
        server = await self._idle.get()

        try:
            yield server
        except BaseException:
            server.writer.transport.abort()
            raise

        self._idle.put_nowait(server)


async def _transaction(
    first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: _Server
) -> int:
    """Pass on what both say, until the server is ready, in no transaction, and owes no answer; return how many it gave."""
    owed = 0
    answers = 0

    async def up() -> None:
        nonlocal owed
        message = first

        while True:
            owed += message[:1] in _ASKS_FOR_ANSWER
            server.writer.write(message)
            await server.writer.drain()
            message = await _message(reader)

    sending = asyncio.create_task(up())

    try:
        while True:
            receiving = asyncio.create_task(_message(server.reader))
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)

            if not receiving.done():
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
                await sending  # the client has gone

            message = await receiving
            writer.write(message)

            if message[:1] == _READY:
                owed -= 1
                answers += 1

                if not owed and message[-1:] == b"I":
                    return answers
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


async def _startup_code(reader: asyncio.StreamReader) -> int:
    size = int.from_bytes(await reader.readexactly(4), "big")
    return int.from_bytes((await reader.readexactly(size - 4))[:4], "big")


def _startup(**parameters: str) -> bytes:
    text = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return struct.pack("!II", len(text) + 8, 196608) + text
