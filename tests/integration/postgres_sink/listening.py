"""A server of its own between a sink and PostgreSQL, whose clients are cut off when it closes."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod

__all__ = ["Listening"]


class Listening(ABC):
    """Listens on the loopback address; subclasses say what is done for a client by `serve`."""

    def __init__(self) -> None:
        self._listener: asyncio.Server
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    @property
    def port(self) -> int:
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def close(self) -> None:
        self._listener.close()
        clients = dict(self._clients)

        for writer in clients:
            writer.transport.abort()

        await asyncio.gather(*clients.values())
        await self._listener.wait_closed()

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with a client until either has had enough."""

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[writer] = task

        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self.serve(reader, writer)

        writer.transport.abort()
        del self._clients[writer]
