"""The S3 sink: names the objects, and decides what an object that is already there means."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Final

from streamhouse_connect import FatalError, Guarantee, Held, ObjectSink, Problem, RetriableError
from streamhouse_s3_sink._config import Limits, S3Config
from streamhouse_s3_sink._metadata import claim_in, metadata_of
from streamhouse_s3_sink._notes import Notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect import Batch, Formatter, ObjectInfo, Partitioner, SinkContext
    from streamhouse_s3_sink._bucket import Bucket

__all__ = ["S3Sink"]

_LIMITS: Final = Limits()
_UNCONDITIONAL: Final = (
    "the store does not honour If-None-Match: two writers at the same time, such as a stalled task and its successor, may "
    "overwrite each other's objects"
)


class S3Sink(ObjectSink[S3Config]):
    """Writes files of JSON, Parquet or Avro to a bucket of S3 or of a store that speaks its protocol."""

    name: ClassVar[str] = "s3-sink"
    aliases: ClassVar[tuple[str, ...]] = ("s3", "com.streamhouse.connect.s3.S3SinkConnector")
    config_class: ClassVar[type] = S3Config

    def __init__(
        self,
        config: S3Config,
        *,
        formatter: Formatter[Any],
        partitioner: Partitioner[Any],
        limits: Limits = _LIMITS,
    ) -> None:
        super().__init__(config, formatter=formatter, partitioner=partitioner)
        self.in_flight = config.max_in_flight
        self._limits = limits
        self._bucket: Bucket | None = None

    @classmethod
    def guarantee(cls, config: S3Config) -> Guarantee:
        return Guarantee(
            "exactly-once",
            f"every object in s3://{config.bucket} has a name that follows from its first record, and is only created if absent",
        )

    async def open(self, context: SinkContext) -> None:
        await super().open(context)
        notes = Notes(context.state, self.config.bucket, context.log, time.time)
        self._bucket = await self._connect(notes)
        await self._bucket.verify()
        probe = f"{self.config.root}.streamhouse-probe-{uuid.uuid5(uuid.NAMESPACE_URL, context.uid)}"
        self._bucket.conditional = await self._bucket.honours_conditions(probe)

        if not self._bucket.conditional:
            self.weakened = "; ".join(filter(None, (self.weakened, _UNCONDITIONAL)))
            context.count("unconditional_store", 1)
            context.log.warning("store is unconditional: %s", _UNCONDITIONAL)

        try:
            await self._bucket.delete(probe)
        except (FatalError, RetriableError) as error:
            context.log.warning("probe object is left behind: %s", error)

        await self._bucket.sweep()

    async def check(self) -> Sequence[Problem]:
        from streamhouse_s3_sink._errors import option_behind  # noqa: PLC0415 - botocore takes long to import

        try:
            self._bucket = await self._connect()
            await self._bucket.check(f"{self.config.root}.streamhouse-check-{uuid.uuid4()}")
        except (FatalError, RetriableError) as error:
            return [Problem(option_behind(error), str(error))]

        return []

    async def create(self, key: str, body: memoryview, info: ObjectInfo) -> bool:
        digest = await asyncio.to_thread(hashlib.sha256, body)
        headers: dict[str, object] = {
            "ContentType": info.content_type,
            "Metadata": metadata_of(info, checksum=f"sha256:{digest.hexdigest()}"),
        }

        if info.content_encoding is not None:
            headers["ContentEncoding"] = info.content_encoding

        return await self._store().create(self.config.root + key, body, headers=headers)

    async def held(self, key: str, batch: Batch, info: ObjectInfo) -> int | Held:
        key = self.config.root + key
        metadata = await self._store().metadata(key)
        url = f"s3://{self.config.bucket}/{key}"

        if metadata is None:
            raise RetriableError(f"{url} was there, and is gone: it has to be written again")

        claim = claim_in(metadata)

        if claim is None:
            raise FatalError(f"{url} was not written by StreamHouse Connect; move it away, or choose another s3.prefix")

        if not claim.belongs_to(info):
            raise FatalError(
                f"{url} belongs to {claim}, not to {info.identity}; move it away, or choose another s3.prefix"
            )

        if claim.last_offset <= batch.offsets[-1]:
            return claim.last_offset + 1

        return Held(claim.last_offset + 1, more=max(0, claim.count - len(batch)))

    async def close(self) -> None:
        bucket, self._bucket = self._bucket, None

        if bucket is not None:
            await bucket.close()

    async def _connect(self, notes: Notes | None = None) -> Bucket:
        from streamhouse_s3_sink._bucket import Bucket  # noqa: PLC0415 - s3fs takes half a second to import
        from streamhouse_s3_sink._client import Client  # noqa: PLC0415 - the same

        return Bucket(self.config, await Client.connect(self.config, self._limits), notes=notes)

    def _store(self) -> Bucket:
        if self._bucket is None:
            raise RuntimeError("the sink is not open")

        return self._bucket
