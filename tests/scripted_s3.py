"""ScriptedStore: an S3 of a few dozen lines that fails as it is told. It speaks HTTP/1.1 on a real socket.

Signatures are not checked. What a real store does is tested on real stores; this one does what those can't be made to do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ["CUT", "HANG", "LOSE", "STALL", "Failure", "Reply", "Request", "ScriptedStore"]


@attrs.frozen
class Request:
    """A request as it arrived; `key` is empty for one about the bucket."""

    method: str
    key: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@attrs.frozen
class Reply:
    """An answer of the store."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def error(cls, status: int, code: str, message: str = "no", **headers: str) -> Self:
        """Make an answer with an error body."""
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        return cls(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@attrs.frozen
class Failure:
    """A way not to answer."""

    name: str


CUT = Failure("cut the connection when the request has come in, and do nothing")
LOSE = Failure("do what is asked, and cut the connection without an answer")
HANG = Failure("never answer")
STALL = Failure("never even read the body")


@attrs.define
class ScriptedStore:
    """One bucket in memory."""

    port: int = 0
    honours_conditions: bool = True
    objects: dict[str, tuple[bytes, Mapping[str, str]]] = attrs.field(factory=dict)
    requests: list[Request] = attrs.field(factory=list)
    answers: deque[Reply | Failure | None] = attrs.field(factory=deque)
    """What the next requests meet instead of an ordinary answer; None: an ordinary one."""
    connections: set[asyncio.Task[None]] = attrs.field(factory=set)

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        """Serve until the block ends."""
        store = cls()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            store.connections.add(task)

            try:
                with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    while await store._exchange(reader, writer):
                        pass
            finally:
                store.connections.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        store.port = server.sockets[0].getsockname()[1]

        try:
            yield store
        finally:
            server.close()

            for task in list(store.connections):
                task.cancel()

            await asyncio.gather(*store.connections, return_exceptions=True)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        script = self.answers.popleft() if self.answers else None

        if script is STALL:
            await asyncio.Event().wait()

        if "100-continue" in headers.get("expect", "").lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

        body = await reader.readexactly(int(headers.get("content-length", 0)))
        url = urlsplit(target)
        key = unquote(url.path).removeprefix("/").partition("/")[2]
        request = Request(method, key, url.query, headers, body)
        self.requests.append(request)

        if script is HANG:
            await asyncio.Event().wait()

        if script is CUT:
            return False

        reply = script if isinstance(script, Reply) else self._answer(request)

        if script is LOSE:
            return False

        content = b"" if method == "HEAD" else reply.body
        extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        writer.write(f"HTTP/1.1 {reply.status} -\r\ncontent-length: {len(content)}\r\n{extra}\r\n".encode() + content)
        await writer.drain()
        return True

    def _answer(self, request: Request) -> Reply:
        if not request.key:
            return Reply(200)

        held = self.objects.get(request.key)

        if request.method == "HEAD":
            return Reply(404) if held is None else Reply(200, headers=held[1])

        if request.method == "DELETE":
            self.objects.pop(request.key, None)
            return Reply(204)

        if held is not None and self.honours_conditions and request.headers.get("if-none-match") == "*":
            return Reply.error(412, "PreconditionFailed")

        kept = {name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")}
        self.objects[request.key] = (request.body, kept)
        return Reply(200, headers={"ETag": '"e"'})
