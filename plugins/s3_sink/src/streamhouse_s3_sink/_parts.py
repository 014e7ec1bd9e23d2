"""Uploads in parts: their beginning, their end, and what is left of those that had none. Knows nothing of what an error means.

create → part … part → complete (if absent) → the object is there
              └── any failure → abort
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from streamhouse_s3_sink._checksums import crc32c

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
    from datetime import datetime

__all__ = ["Parts", "Unfinished"]

T = TypeVar("T")

_MOST_PARTS: Final = 10_000


@attrs.frozen
class Unfinished:
    """An upload that was neither completed nor aborted."""

    key: str
    upload_id: str
    initiated: datetime


@attrs.frozen
class Parts:
    """Uploads objects in parts, several at the same time."""

    send: Callable[..., Coroutine[Any, Any, dict[str, Any]]]
    """Send an operation with its parameters, and a body if it has one."""
    size: int
    slots: asyncio.Semaphore
    """As many parts are sent at the same time, of all objects."""
    has_checksums: bool

    async def put(self, described: Mapping[str, Any], body: memoryview, condition: Mapping[str, str]) -> None:
        """Create an object; when that fails, nothing stays that would have to be paid for."""
        algorithm = {"ChecksumAlgorithm": "CRC32C"} if self.has_checksums else {}
        upload = await self.send("create_multipart_upload", {**described, **algorithm})
        this = {"Key": described["Key"], "UploadId": upload["UploadId"]}
        size = max(self.size, -(-len(body) // _MOST_PARTS))
        starts = range(0, len(body), size)

        try:
            parts = await _all(
                self._put_one(this, number, body[start : start + size]) for number, start in enumerate(starts, 1)
            )
            await self.send("complete_multipart_upload", {**this, "MultipartUpload": {"Parts": parts}, **condition})
        except BaseException:  # the parts of a cancelled upload have to be paid for as well
            with suppress(Exception):
                await self.send("abort_multipart_upload", this)

            raise

    async def unfinished(self, key: str) -> AsyncIterator[Unfinished]:
        """Find the uploads of one key."""
        where: dict[str, str] = {}

        while True:
            page = await self.send("list_multipart_uploads", {"Prefix": key, **where})

            for each in page.get("Uploads", []):
                if each["Key"] == key:
                    yield Unfinished(key, each["UploadId"], each["Initiated"])

            if not page.get("IsTruncated"):
                return

            where = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    async def abort(self, upload: Unfinished) -> None:
        """Have the store forget an upload."""
        await self.send("abort_multipart_upload", {"Key": upload.key, "UploadId": upload.upload_id})

    async def _put_one(self, this: Mapping[str, str], number: int, part: memoryview) -> dict[str, object]:
        async with self.slots:
            checksum = {"ChecksumCRC32C": await asyncio.to_thread(crc32c, part)} if self.has_checksums else {}
            done = await self.send("upload_part", {**this, "PartNumber": number, **checksum}, part)
            return {"PartNumber": number, "ETag": done["ETag"], **checksum}


async def _all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run them together; when one fails or all are cancelled, none is left running."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]

    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()

        await asyncio.gather(*tasks, return_exceptions=True)
