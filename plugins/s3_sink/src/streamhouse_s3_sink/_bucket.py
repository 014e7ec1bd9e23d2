"""Bucket: the few operations on a bucket that the sink needs. Knows nothing of batches, offsets or client libraries."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from streamhouse_connect import FatalError, RetriableError
from streamhouse_s3_sink._errors import answer_in, translated

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

    from streamhouse_s3_sink._client import Client
    from streamhouse_s3_sink._config import Limits

__all__ = ["Bucket"]

T = TypeVar("T")

_IF_ABSENT: Final = {"IfNoneMatch": "*"}
_PROBES: Final = 3
_PROBE_TEXT: Final = b"StreamHouse Connect learns here whether the store honours If-None-Match; you may delete it.\n"

# HEAD has no body that would say why: a PUT does.
_HEAD_IS_MUTE: Final = frozenset({301, 307, 400, 403, 405, 501})


class Bucket:
    """One bucket; everything it raises on purpose is an error of the runtime."""

    def __init__(self, name: str, client: Client, limits: Limits) -> None:
        self.name = name
        self.conditional = True
        """Whether the store honours If-None-Match; without it, `create` looks first."""
        self._client = client
        self._limits = limits

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def verify(self) -> None:
        """Make sure that the bucket is there, as far as these credentials may ask.

        :raises RetriableError: if the store can't be reached.
        :raises FatalError: if there is no such bucket.
        """
        try:
            with translated(f"use s3://{self.name}"):
                await self._send("head_bucket", {})

        except Exception as error:
            answer = answer_in(error)

            if answer is None or answer.status not in _HEAD_IS_MUTE:
                raise

    async def honours_conditions(self, key: str) -> bool:
        """Tell whether the store refuses to create an object twice; the object `key` is left behind.

        :raises FatalError: if objects can't be created there at all.
        """
        probe = {"Key": key, "ContentType": "text/plain"}

        with translated(f"write s3://{self.name}/{key}"):
            for _ in range(_PROBES):  # the object may be gone in between: another task of this connector asks too
                try:
                    await self._send("put_object", probe | _IF_ABSENT, _PROBE_TEXT)
                    await self._send("put_object", probe | _IF_ABSENT, _PROBE_TEXT)
                except Exception as error:
                    answer = answer_in(error)

                    if answer is not None and answer.exists:
                        return True

                    if answer is not None and answer.unsupported:
                        break

                    raise

            await self._send("put_object", probe, _PROBE_TEXT)

        return False

    async def create(self, key: str, body: memoryview, *, headers: Mapping[str, object]) -> bool:
        """Create an object unless there is one of that key; tell whether it was created.

        `headers` are by their names in S3's API: `ContentType`, `Metadata`.

        :raises RetriableError: also if it is not known whether it was created.
        """
        large = len(body) > 2 * self._limits.part_bytes

        if (large or not self.conditional) and await self.metadata(key) is not None:
            return False

        put = self._put_parts if large else self._put

        try:
            with translated(f"write s3://{self.name}/{key}"):
                await put({"Key": key, **headers}, body)

        except (RetriableError, FatalError) as error:
            answer = answer_in(error)

            if answer is not None and answer.exists:
                return False

            # A store may cut the connection rather than read a body that it won't take, and an answer may get lost.
            if answer is None and isinstance(error, RetriableError) and await self._is_known_to_exist(key):
                return False

            raise

        return True

    async def metadata(self, key: str) -> Mapping[str, str] | None:
        """Return the user metadata of an object; None if there is no such object.

        :raises FatalError: if it may not be read.
        """
        try:
            with translated(f"read the metadata of s3://{self.name}/{key}"):
                head = await self._send("head_object", {"Key": key})

        except Exception as error:
            answer = answer_in(error)

            if answer is not None and answer.absent:
                return None

            raise

        return dict(head.get("Metadata", {}))

    async def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        with translated(f"delete s3://{self.name}/{key}"):
            await self._send("delete_object", {"Key": key})

    async def _is_known_to_exist(self, key: str) -> bool:
        with suppress(Exception):  # the failure that led here is the one to report
            return await self.metadata(key) is not None

        return False

    async def _put(self, described: dict[str, Any], body: memoryview) -> None:
        await self._send("put_object", described | self._condition(), body)

    async def _put_parts(self, described: dict[str, Any], body: memoryview) -> None:
        upload = await self._send("create_multipart_upload", described)
        this = {"Key": described["Key"], "UploadId": upload["UploadId"]}
        size = self._limits.part_bytes
        slots = asyncio.Semaphore(self._limits.parts_at_once)

        async def put_part(number: int) -> dict[str, object]:
            async with slots:
                part = body[(number - 1) * size : number * size]
                done = await self._send("upload_part", this | {"PartNumber": number}, part)
                return {"PartNumber": number, "ETag": done["ETag"]}

        try:
            parts = await _all(put_part(number) for number in range(1, -(-len(body) // size) + 1))
            await self._send(
                "complete_multipart_upload", this | {"MultipartUpload": {"Parts": parts}} | self._condition()
            )
        except BaseException:  # the parts of a cancelled upload have to be paid for as well
            with suppress(Exception):
                await self._send("abort_multipart_upload", this)

            raise

    def _condition(self) -> dict[str, str]:
        return _IF_ABSENT if self.conditional else {}

    async def _send(self, operation: str, parameters: dict[str, Any], body: bytes | memoryview = b"") -> dict[str, Any]:
        return await self._client.send(operation, {"Bucket": self.name, **parameters}, body)


async def _all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run them together; when one fails or all are cancelled, none is left running."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]

    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()

        await asyncio.gather(*tasks, return_exceptions=True)
