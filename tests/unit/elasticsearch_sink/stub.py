"""An Elasticsearch that does what it is told to: for answers that a real server will not give on demand.

It reads bulk bodies as the server does, line by line, keeps the documents, and answers each request with the next reply
of its script; when the script is at its end, it accepts everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable

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
    """What to answer; `cut` closes the connection after so many bytes of the body, `hang` never answers."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = PRODUCT
    cut: int | None = None
    hang: bool = False
    applied: bool = True


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


def items(*statuses: int | tuple[int, str, str], action: str = "index") -> Reply:
    """Answer a bulk request: each document's status, or its status with the error's type and reason."""
    results: list[dict[str, object]] = []

    for status in statuses:
        if isinstance(status, int):
            results.append({action: {"status": status}})
        else:
            results.append({action: {"status": status[0], "error": {"type": status[1], "reason": status[2]}}})

    return Reply(body=json.dumps({"errors": True, "items": results}).encode(), applied=False)


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
        request = Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))
        self.requests.append(request)
        reply = self.reply(request)

        if reply.hang:
            await reader.read()
            return False

        lines = [f"HTTP/1.1 {reply.status} OK", f"content-length: {len(reply.body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]

        if reply.cut != -1:
            writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body[: reply.cut])
            await writer.drain()

        return reply.cut is None


def accept(request: Request) -> Reply:
    """Accept every document."""
    answer = {"errors": False, "items": [{"index": {"status": 201}} for _ in request.operations]}
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
