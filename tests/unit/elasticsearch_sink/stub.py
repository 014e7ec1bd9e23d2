"""An Elasticsearch that does what it is told to: for answers that a real server will not give on demand.

It reads bulk bodies as the server does, line by line, keeps the documents, and answers each request with the next reply
of its script; when the script is at its end, it accepts everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence

import attrs
import msgspec

PLAIN = {"content-type": "application/json"}
PRODUCT = {"X-elastic-product": "Elasticsearch", **PLAIN}


@attrs.frozen
class Operation:
    """One action of a bulk body."""

    kind: str
    index: str
    id: str
    source: bytes | None


@attrs.frozen
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def operations(self) -> list[Operation]:
        return read_bulk(self.body)

    @property
    def ids(self) -> list[str]:
        return [operation.id for operation in self.operations]


@attrs.frozen
class Reply:
    """What to answer; `cut` closes the connection after so many bytes of the body, `hang` never answers.

    `results` are those of single documents, each to be named by the action that was sent, in place of a body.
    `raw` is sent as it is, and nothing else, before the connection is closed; `endless` is sent for ever as a body. `early` does
    not wait for the request's body, and resets the connection; `stray` comes when the answer has been read.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = PRODUCT
    cut: int | None = None
    hang: bool = False
    applied: bool = True
    raw: bytes | None = None
    endless: bytes = b""
    early: bool = False
    stray: bytes = b""
    results: Sequence[dict[str, object]] | None = None


Script = Reply | Callable[[Request], Reply]


def read_bulk(body: bytes) -> list[Operation]:
    """Read a bulk body as Elasticsearch does: actions and sources are lines, and each line ends."""
    lines = body.split(b"\n")
    assert lines.pop() == b"", "a bulk body ends with a line break"
    operations = []

    while lines:
        [(kind, meta)] = json.loads(lines.pop(0)).items()
        operations.append(Operation(kind, meta["_index"], meta["_id"], None if kind == "delete" else lines.pop(0)))

    return operations


def items(*statuses: int | tuple[int, str, str]) -> Reply:
    """Answer a bulk request: each document's status, or its status with the error's type and reason."""
    results: list[dict[str, object]] = []

    for status in statuses:
        if isinstance(status, int):
            results.append({"status": status})
        else:
            results.append({"status": status[0], "error": {"type": status[1], "reason": status[2]}})

    return Reply(body=answer(results, ["index"]), results=results, applied=False)


def answer(results: Sequence[dict[str, object]], kinds: Sequence[str]) -> bytes:
    """Return the body of an answer; what is more than there are actions is of the first one's kind."""
    kinds = [*kinds, *[kinds[0]] * len(results)]
    named = zip(kinds, results, strict=False)
    return msgspec.json.encode({"errors": True, "items": [{kind: result} for kind, result in named]})


def error(status: int, kind: str = "", reason: str = "", **headers: str) -> Reply:
    """Refuse a whole request, in Elasticsearch's words where there are any."""
    body = json.dumps({"error": {"type": kind, "reason": reason}, "status": status}).encode() if kind else b""
    return Reply(status, body, {**PRODUCT, **{k.replace("_", "-"): v for k, v in headers.items()}}, applied=False)


def page(status: int, text: bytes = b"<html>Bad Gateway</html>", kind: str = "text/html") -> Reply:
    """Answer as a proxy does."""
    return Reply(status, text, {"content-type": kind}, applied=False)


@attrs.define
class Stub:
    port: int = 0
    script: list[Script] = attrs.field(factory=list)
    requests: list[Request] = attrs.field(factory=list)
    documents: dict[tuple[str, str], bytes] = attrs.field(factory=dict)
    greeting: Script = Reply(body=b'{"version":{"number":"8.19.0"}}')

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bulks(self) -> list[Request]:
        return [request for request in self.requests if "/_bulk" in request.target]

    def reply(self, request: Request) -> Reply:
        if "/_bulk" not in request.target:
            return self.greeting(request) if callable(self.greeting) else self.greeting

        script = self.script.pop(0) if self.script else accept
        reply = script(request) if callable(script) else script

        if reply.results is not None:
            body = answer(reply.results, [operation.kind for operation in request.operations])
            reply = attrs.evolve(reply, body=body)

        if reply.applied:
            for operation in request.operations:
                assert operation.source is not None
                self.documents[operation.index, operation.id] = operation.source

        return reply

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass

        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)

        if "/_bulk" in target and self.script and isinstance(self.script[0], Reply) and self.script[0].early:
            self.requests.append(Request(method, target, headers, b""))
            await self._reset(self.script.pop(0), writer)
            return False

        request = Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))
        self.requests.append(request)
        reply = self.reply(request)

        if reply.hang:
            await reader.read()
            return False

        if reply.raw is not None:
            writer.write(reply.raw)
            await writer.drain()
            return False

        if reply.endless:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")

        while reply.endless:
            writer.write(reply.endless)
            await writer.drain()
            await asyncio.sleep(0)

        lines = [f"HTTP/1.1 {reply.status} OK", f"content-length: {len(reply.body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]

        if reply.cut != -1:
            writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body[: reply.cut])
            await writer.drain()

        if reply.stray:
            await passed()
            writer.write(reply.stray)

        return reply.cut is None

    async def _reset(self, reply: Script, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reply, Reply)
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
        writer.write(f"HTTP/1.1 {reply.status} OK\r\ncontent-length: 0\r\n\r\n".encode())
        writer.transport.abort()


async def passed() -> None:
    """Let the other side read what was sent to it, or see that a connection was closed."""
    for _ in range(40):
        await asyncio.sleep(0)


def accept(request: Request) -> Reply:
    """Accept every document."""
    answer = {"errors": False, "items": [{operation.kind: {"status": 201}} for operation in request.operations]}
    return Reply(body=msgspec.json.encode(answer))


def lost(request: Request) -> Reply:
    """Write the documents, then lose the answer."""
    return attrs.evolve(accept(request), cut=-1)


HUNG = Reply(hang=True, applied=False)

OPENSEARCH = Reply(
    body=b'{"version":{"distribution":"opensearch","number":"2.19.1"},"tagline":"The OpenSearch Project"}',
    headers=PLAIN,
)
"""How OpenSearch greets: without Elasticsearch's header."""


@contextlib.asynccontextmanager
async def running(stub: Stub, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Stub]:
    """Serve until the block is left."""
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0, limit=1 << 26, ssl=tls)
    stub.port = server.sockets[0].getsockname()[1]

    try:
        yield stub
    finally:
        server.close()
        await server.wait_closed()
