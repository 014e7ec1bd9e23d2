"""Batches and contexts for the tests of sinks, formatters and partitioners."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import attrs

from streamhouse_connect import (
    NO_TIMESTAMP,
    Batch,
    ConflictError,
    Headers,
    PlainColumns,
    SinkContext,
    Span,
    StateStore,
    TopicPartition,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MemoryStateStore", "make_batch", "make_context"]


def make_batch(
    values: Sequence[bytes | None],
    *,
    topic: str = "orders",
    partition: int = 0,
    first_offset: int = 0,
    offsets: Sequence[int] | None = None,
    keys: Sequence[bytes | None] | None = None,
    timestamps: Sequence[int] | None = None,
    headers: Sequence[Headers] | None = None,
    path: str = "",
) -> Batch:
    """Make a batch of one partition; its offsets follow each other unless they are given."""
    count = len(values)
    offsets = range(first_offset, first_offset + count) if offsets is None else offsets
    end = offsets[-1] + 1 if count else first_offset
    start = offsets[0] if count else first_offset

    columns = PlainColumns(
        values=values,
        keys=keys or [None] * count,
        offsets=offsets,
        timestamps=timestamps or [NO_TIMESTAMP] * count,
        headers=headers or [()] * count,
    )
    return Batch(columns, spans=(Span(TopicPartition(topic, partition), 0, count, start, end),), path=path)


@attrs.define
class MemoryStateStore:
    """A `StateStore` that forgets with the test."""

    values: dict[str, tuple[bytes, int]] = attrs.field(factory=dict)

    async def get(self, key: str) -> tuple[bytes, int] | None:
        return self.values.get(key)

    async def put(self, key: str, value: bytes, *, expected: int | None) -> int:
        found = self.values.get(key)

        if (found[1] if found else None) != expected:
            message = f"state {key!r} was changed by somebody else; read it again"
            raise ConflictError(message, code="state_changed")

        version = (expected or 0) + 1
        self.values[key] = (value, version)
        return version


def make_context(
    *,
    connector: str = "test",
    uid: str = "test-uid",
    epoch: int = 0,
    topic_ids: dict[str, str] | None = None,
    counts: Counter[str] | None = None,
    levels: dict[str, float] | None = None,
    state: StateStore | None = None,
    topic_partitions: dict[str, int] | None = None,
    batch_bytes: int = 16 << 20,
) -> SinkContext:
    """Make a context; without `topic_ids` the topic `orders` has the id `orders-id`. Events are added up in `counts`, `levels` has the last of each."""
    counted = Counter() if counts is None else counts
    told = {} if levels is None else levels

    def count(event: str, number: int) -> None:
        counted[event] += number

    return SinkContext(
        connector=connector,
        uid=uid,
        epoch=epoch,
        topic_ids={"orders": "orders-id"} if topic_ids is None else topic_ids,
        log=logging.LoggerAdapter(logging.getLogger(f"streamhouse_connect.{connector}"), {}),
        count=count,
        level=told.__setitem__,
        state=MemoryStateStore() if state is None else state,
        topic_partitions={} if topic_partitions is None else topic_partitions,
        batch_bytes=batch_bytes,
    )
