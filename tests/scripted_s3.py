"""ScriptedStore: an S3 of a few dozen lines that fails as it is told. It speaks HTTP/1.1 on a real socket.

Signatures are not checked. What a real store does is tested on real stores; this one does what those can't be made to do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ["CUT", "HANG", "LOSE", "STALL", "Failure", "Reply", "Request", "ScriptedStore", "Upload"]


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


@attrs.frozen
class Upload:
    """An upload in parts that has not ended."""

    key: str
    initiated: datetime
    kept: Mapping[str, str] = attrs.field(factory=dict)
    parts: dict[int, bytes] = attrs.field(factory=dict)


@attrs.define
class ScriptedStore:
    """One bucket in memory, and the service that gives out roles."""

    port: int = 0
    honours_conditions: bool = True
    objects: dict[str, tuple[bytes, Mapping[str, str]]] = attrs.field(factory=dict)
    requests: list[Request] = attrs.field(factory=list)
    answers: deque[Reply | Failure | None] = attrs.field(factory=deque)
    """What the next requests meet instead of an ordinary answer; None: an ordinary one."""
    role_answers: deque[Reply | Failure | None] = attrs.field(factory=deque)
    """The same, of requests for roles."""
    uploads: dict[str, Upload] = attrs.field(factory=dict)
    roles: int = 0
    """How often a role was assumed."""
    role_seconds: float = 3600.0
    """So long the credentials of a role are good for."""
    gate: asyncio.Event | None = None
    """What parts wait for before they are answered."""
    waiting: int = 0
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
        answers = self.role_answers if method == "POST" and urlsplit(target).path == "/" else self.answers
        script = answers.popleft() if answers else None

        if script is STALL:
            await asyncio.Event().wait()

        if "100-continue" in headers.get("expect", "").lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

        body = await reader.readexactly(int(headers.get("content-length", 0)))
        url = urlsplit(target)
        key = unquote(url.path).removeprefix("/").partition("/")[2]
        request = Request(method, key, url.query, headers, body)
        self.requests.append(request)

        if self.gate is not None and "partNumber" in request.query:
            self.waiting += 1
            await self.gate.wait()

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
        query = parse_qs(request.query, keep_blank_values=True)

        if b"Action=AssumeRole" in request.body:
            return self._assume_role()

        if not request.key:
            return self._list(query) if "uploads" in query else Reply(200)

        if request.method in {"POST", "PUT", "DELETE"} and ("uploads" in query or "uploadId" in query):
            return self._upload(request, query)

        held = self.objects.get(request.key)

        if request.method == "HEAD":
            return Reply(404) if held is None else Reply(200, headers=held[1])

        if request.method == "DELETE":
            self.objects.pop(request.key, None)
            return Reply(204)

        if held is not None and self.honours_conditions and request.headers.get("if-none-match") == "*":
            return Reply.error(412, "PreconditionFailed")

        if "if-match" in request.headers and self.honours_conditions:
            return Reply.error(404, "NoSuchKey") if held is None else Reply.error(412, "PreconditionFailed")

        self.objects[request.key] = (request.body, _kept(request.headers))
        return Reply(200, headers={"ETag": '"e"'})

    def _assume_role(self) -> Reply:
        """Answer as STS does, each time with other credentials."""
        self.roles += 1
        expiry = datetime.now(UTC) + timedelta(seconds=self.role_seconds)
        return Reply(
            200,
            f"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE{self.roles}</AccessKeyId>"
            f"<SecretAccessKey>s</SecretAccessKey><SessionToken>token-{self.roles}</SessionToken>"
            f"<Expiration>{expiry:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>".encode(),
        )

    def _list(self, query: Mapping[str, list[str]]) -> Reply:
        """List uploads, one a page."""
        found = sorted(
            (upload.key, upload_id)
            for upload_id, upload in self.uploads.items()
            if upload.key.startswith(query["prefix"][0])
        )
        after = (query.get("key-marker", [""])[0], query.get("upload-id-marker", [""])[0])
        page = [each for each in found if each > after]
        listed = "".join(
            f"<Upload><Key>{key}</Key><UploadId>{upload_id}</UploadId>"
            f"<Initiated>{self.uploads[upload_id].initiated:%Y-%m-%dT%H:%M:%SZ}</Initiated></Upload>"
            f"<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{upload_id}</NextUploadIdMarker>"
            for key, upload_id in page[:1]
        )
        more = str(len(page) > 1).lower()
        return Reply(
            200,
            f"<ListMultipartUploadsResult>{listed}<IsTruncated>{more}</IsTruncated></ListMultipartUploadsResult>".encode(),
        )

    def _upload(self, request: Request, query: Mapping[str, list[str]]) -> Reply:
        if "uploads" in query:
            upload_id = f"u{len(self.requests)}"
            self.uploads[upload_id] = Upload(request.key, datetime.now(UTC), _kept(request.headers))
            text = f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
            return Reply(200, text.encode())

        upload_id = query["uploadId"][0]

        if upload_id not in self.uploads:
            return Reply.error(404, "NoSuchUpload")

        if request.method == "PUT":
            self.uploads[upload_id].parts[int(query["partNumber"][0])] = request.body
            return Reply(200, headers={"ETag": '"p"'})

        if request.method == "POST" and request.key in self.objects and self.honours_conditions:
            return Reply.error(412, "PreconditionFailed")

        upload = self.uploads.pop(upload_id)

        if request.method == "DELETE":
            return Reply(204)

        self.objects[upload.key] = (b"".join(body for _, body in sorted(upload.parts.items())), upload.kept)
        return Reply(200, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")


def _kept(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
