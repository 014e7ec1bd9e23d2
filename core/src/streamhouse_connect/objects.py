"""ObjectSink: routes records, formats each route's batch, and creates one object for it, exactly once.

The name of an object is a function of what it starts with, and it is only created if absent: writing the same batch
again, after a crash or a lost answer, meets the object that is already there, and learns how far it reaches.

    route → format → create ──created──→ durable
                        └──exists──→ held ──→ durable up to the offset that it reaches
"""

from __future__ import annotations

import io
import re
import uuid
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar
from urllib.parse import quote

import attrs

from streamhouse_connect.config import Size, option
from streamhouse_connect.errors import RejectedRecords
from streamhouse_connect.learning import Learning
from streamhouse_connect.sinks import Batching, Guarantee, Held, NullValues, Postponed, ReplayFrom, Sink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamhouse_connect.formatters import Formatter
    from streamhouse_connect.partitioners import Partitioner
    from streamhouse_connect.records import Batch, TopicPartition
    from streamhouse_connect.rotation import Rotation
    from streamhouse_connect.sinks import SinkContext

__all__ = ["ObjectConfig", "ObjectInfo", "ObjectSink"]

C = TypeVar("C")

_NAMESPACE: Final = uuid.UUID("5c0f9a43-8c1c-5c0e-9d0e-3a4f2d0c7b11")
_UNSAFE: Final = re.compile(r"[\\\x00-\x1f\x7f]")


@attrs.frozen(kw_only=True)
class ObjectConfig:
    """The options that every object sink has; their values are names of plugins."""

    format: str = option("format", default="json", identity=True, doc="The format of the files: json, parquet or avro.")
    partitioning: str = option(
        "partitioning",
        default="none",
        identity=True,
        doc="How records are filed: none, hourly, daily, field or pattern.",
    )
    max_open: int = option(
        "partitioning.max.open",
        default=100,
        minimum=1,
        doc="How many paths of a task may have records waiting, at least one a partition; beyond it the oldest is written early.",
    )
    file_bytes: Size | None = option(
        "file.bytes",
        default=None,
        minimum=1,
        doc="The size of the files, compression included, give or take a tenth; smaller are those written because of their age. "
        "batch.size and batch.bytes limit them only if they are given; buffer.memory must have room for the records of a file.",
    )
    null_values: NullValues = option(
        "null.values",
        default="ignore",
        identity=True,
        doc="What becomes of a tombstone, a record without a value: it is passed over and counted (ignore), written as null "
        "(write), made a dead letter whatever errors.tolerance is (dead-letter), or stops the connector (fail).",
    )


@attrs.frozen
class ObjectInfo:
    """What an object holds; enough to recognise it later as one's own."""

    identity: str
    """Connector uid, epoch and topic id."""
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    count: int
    content_type: str
    content_encoding: str | None = None
    """How HTTP calls the compression of the whole; None: there is none."""


class ObjectSink(Sink[C]):
    """The base of sinks whose destination holds files."""

    batching: ClassVar[Batching] = Batching.PER_ROUTE
    defaults: ClassVar[Mapping[str, object]] = {
        "batch.size": 10_000,
        "batch.bytes": 64 << 20,
        "batch.interval_ms": 60_000,
    }

    rotating_defaults: ClassVar[Mapping[str, object]] = {"batch.size": 10_000_000, "batch.bytes": 1 << 30}
    """Go before `defaults` where `file.bytes` is given: what is not reached does not cut."""
    rotation: Rotation | None = None
    """Set where `file.bytes` is given."""

    def __init__(self, config: C, *, formatter: Formatter[Any], partitioner: Partitioner[Any]) -> None:
        super().__init__(config)
        self.formatter = formatter
        self.partitioner = partitioner
        self.in_flight = 4
        self._context: SinkContext
        self._learning: Learning

    @classmethod
    def guarantee(cls, config: C) -> Guarantee:  # noqa: ARG003 - for those who override it
        return Guarantee(
            "exactly-once",
            "a file is named after the first record in it and never written over, so that a replay meets the files it "
            "wrote before; this ends where those files, or records not yet committed, are removed in between",
        )

    async def open(self, context: SinkContext) -> None:
        self._context = context
        self.weakened = self.partitioner.weakened
        self._learning = Learning(self.formatter, context)

    def route(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        topic = _safe_topic(batch.spans[0].tp.topic)
        parts = self.partitioner.split(batch)
        nowhere = [(path, indexes) for path, indexes in parts if path and "" in path.split("/")]

        if nowhere:
            raise RejectedRecords(
                {i: f"partitioning {self.partitioner.name} gives the path {path!r}" for path, ii in nowhere for i in ii}
            )

        return [(f"{topic}/{_safe_path(path)}" if path else topic, indexes) for path, indexes in parts]

    async def write(self, batch: Batch) -> int | Held | Postponed | ReplayFrom | None:
        info = self._info(batch)
        key = f"{batch.path}/batch-{self._uuid(batch, info)}{self.formatter.extension}"
        fitted = await self._learning.format(batch, self._fit)

        if fitted is None:
            return Postponed()

        part, body = fitted

        if await self.create(key, body, self._info(part)):
            return None if part is batch else part.offsets[-1] + 1

        held = await self.held(key, batch, info)
        self._context.count("skipped_duplicate", 1)
        return held

    def batch_bytes(self, tp: TopicPartition, path: str) -> int | None:
        return None if self.rotation is None else self.rotation.batch_bytes(tp, path)

    @abstractmethod
    async def create(self, key: str, body: memoryview, info: ObjectInfo) -> bool:
        """Create the object, durably, if there is none of that key; return whether it was created.

        `key` is relative to the connector's prefix or directory, and can't leave it.
        """

    @abstractmethod
    async def held(self, key: str, batch: Batch, info: ObjectInfo) -> int | Held | ReplayFrom:
        """Return the offset up to which the object that is already there holds the batch's route (last offset + 1).

        As `Held` where it is known how many records it holds beyond the batch. Or, where it holds all of the batch and it can't be told how much more, that it has to be met again from its start.

        :raises FatalError: if the object is not this connector's.
        """

    def _fit(self, batch: Batch) -> tuple[Batch, memoryview] | None:
        return (batch, self._format(batch)) if self.rotation is None else self.rotation.fit(batch, self._format)

    def _format(self, batch: Batch) -> memoryview:
        out = io.BytesIO()
        self.formatter.format(batch, out)
        return out.getbuffer()

    def _info(self, batch: Batch) -> ObjectInfo:
        tp = batch.spans[0].tp
        context = self._context

        return ObjectInfo(
            identity=f"{context.uid}/{context.epoch}/{context.topic_ids[tp.topic]}",
            topic=tp.topic,
            partition=tp.partition,
            first_offset=batch.offsets[0],
            last_offset=batch.offsets[-1],
            count=len(batch),
            content_type=self.formatter.content_type,
            content_encoding=self.formatter.content_encoding,
        )

    def _uuid(self, batch: Batch, info: ObjectInfo) -> uuid.UUID:
        return uuid.uuid5(_NAMESPACE, f"{info.identity}/{info.partition}/{batch.path}/{info.first_offset}")


def _safe_topic(topic: str) -> str:
    """Return the topic as one segment of a path; two topics never become the same."""
    return _safe_segment(quote(topic, safe=""))


def _safe_path(path: str) -> str:
    return "/".join(map(_safe_segment, path.split("/")))


def _safe_segment(segment: str) -> str:
    if segment in {".", ".."}:
        return segment.replace(".", "%2E")

    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", segment)
