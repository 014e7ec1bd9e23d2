"""Bucket: the few operations on a bucket that the sink needs. Knows nothing of batches, offsets or client libraries."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from streamhouse_connect import FatalError, RetriableError
from streamhouse_s3_sink._checksums import crc32c
from streamhouse_s3_sink._errors import answer_in, translated
from streamhouse_s3_sink._parts import Parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_s3_sink._client import Client
    from streamhouse_s3_sink._config import S3Config
    from streamhouse_s3_sink._notes import Notes

__all__ = ["Bucket"]

_IF_ABSENT: Final = {"IfNoneMatch": "*"}
_IF_IMPOSSIBLE: Final = {"IfMatch": '"00000000000000000000000000000000"'}
_PROBES: Final = 3
_LONG_S: Final = 3600.0
"""No upload takes so long: it is given up when nothing has moved for much less."""
_PROBE_TEXT: Final = b"StreamHouse Connect learns here whether the store honours If-None-Match; you may delete it.\n"

# HEAD has no body that would say why: a PUT does.
_HEAD_IS_MUTE: Final = frozenset({301, 307, 400, 403, 405, 501})


class Bucket:
    """One bucket; everything it raises on purpose is an error of the runtime."""

    def __init__(self, config: S3Config, client: Client, *, notes: Notes | None = None) -> None:
        self.name = config.bucket
        self.conditional = True
        """Whether the store honours If-None-Match; without it, `create` looks first."""
        self._config = config
        self._client = client
        self._notes = notes
        self._parts = Parts(
            self._send, config.part_size, asyncio.Semaphore(config.max_in_flight), has_checksums=config.has_checksums
        )

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

            if answer is None or not answer.is_about_bucket or answer.status not in _HEAD_IS_MUTE:
                raise

    async def honours_conditions(self, key: str) -> bool:
        """Tell whether the store refuses to create an object twice; the object `key` is left behind.

        :raises FatalError: if objects can't be created there at all.
        """
        probe = self._probe(key)

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

    async def check(self, key: str) -> None:
        """Find out whether objects could be created and looked at, and leave none; `key` must be one that nobody uses.

        :raises RetriableError: if the store can't be reached.
        :raises FatalError: if it does not let us.
        """
        await self.verify()

        with translated(f"write s3://{self.name}/{key}"):
            try:
                await self._send("put_object", self._probe(key) | _IF_IMPOSSIBLE, _PROBE_TEXT)
            except Exception as error:
                answer = answer_in(error)

                if answer is None or not (answer.exists or answer.absent or answer.unsupported):
                    raise
            else:  # the store has ignored the condition
                await self.delete(key)

        await self.metadata(key)

    async def sweep(self) -> None:
        """Abort the uploads of this connector that have been without an end for long; never fails."""
        if self._notes is None:
            return

        oldest = self._notes.clock() - _LONG_S

        for key, noted_at in (await self._notes.all()).items():
            if noted_at < oldest and not await self._tidied(self._notes, key, begun_before=oldest):
                break

    async def create(self, key: str, body: memoryview, *, headers: Mapping[str, object]) -> bool:
        """Create an object unless there is one of that key; tell whether it was created.

        `headers` are by their names in S3's API: `ContentType`, `Metadata`.

        :raises RetriableError: also if it is not known whether it was created.
        """
        large = len(body) > 2 * self._config.part_size

        if (large or not self.conditional) and await self.metadata(key) is not None:
            return False

        put = self._put_parts if large else self._put

        try:
            with translated(f"write s3://{self.name}/{key}"):
                await put({"Key": key, **self._config.attributes, **headers}, body)

        except (RetriableError, FatalError) as error:
            answer = answer_in(error)

            if answer is not None and answer.exists:
                return False

            # A store may cut the connection rather than read a body that it won't take, an answer may get lost, and who has
            # created the object aborts all other uploads of it.
            is_open = answer is None or answer.upload_missing

            if is_open and isinstance(error, RetriableError) and await self._is_known_to_exist(key):
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
        if self._config.has_checksums:
            described["ChecksumCRC32C"] = await asyncio.to_thread(crc32c, body)

        await self._send("put_object", described | self._condition(), body)

    async def _put_parts(self, described: dict[str, Any], body: memoryview) -> None:
        """Upload in parts under a note, which stays until the object is there."""
        key = described["Key"]
        was_noted = await self._notes.add(key) if self._notes else False

        try:
            await self._parts.put(described, body, self._condition())
        except Exception as error:
            if (answer := answer_in(error)) is None or not answer.exists:
                raise

            await self._settle(key, was_noted=was_noted)
            raise

        await self._settle(key, was_noted=was_noted)

    async def _settle(self, key: str, *, was_noted: bool) -> None:
        """Forget an upload now that the object is there: no other upload of it can come to anything any more."""
        if self._notes is None:
            return

        if was_noted:
            await self._tidied(self._notes, key, begun_before=self._notes.clock() + _LONG_S)
        else:
            await self._notes.remove(key)

    async def _tidied(self, notes: Notes, key: str, *, begun_before: float) -> bool:
        """Abort the uploads of a key that is ours, and forget it unless some are younger; tell whether the store lets us."""
        try:
            unfinished = [upload async for upload in self._parts.unfinished(key)]
            old = [upload for upload in unfinished if upload.initiated.timestamp() < begun_before]

            for upload in old:
                await self._parts.abort(upload)

        except Exception as error:  # noqa: BLE001 - many are not allowed to
            notes.complain(f"can't abort those of s3://{self.name}/{key}", error)
            return False

        if old == unfinished:
            await notes.remove(key)

        return True

    def _probe(self, key: str) -> dict[str, Any]:
        """Describe an object like those to come: what is wrong with their attributes is wrong with its, too."""
        checksum = {"ChecksumCRC32C": crc32c(_PROBE_TEXT)} if self._config.has_checksums else {}
        return {"Key": key, "ContentType": "text/plain", **self._config.attributes, **checksum}

    def _condition(self) -> dict[str, str]:
        return _IF_ABSENT if self.conditional else {}

    async def _send(self, operation: str, parameters: dict[str, Any], body: bytes | memoryview = b"") -> dict[str, Any]:
        return await self._client.send(operation, {"Bucket": self.name, **parameters}, body)
