"""Topics on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from streamhouse_connect_server.schemas.integers import Int32, Int64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect import Topic, TopicPartition

__all__ = ["TopicBody", "TopicRequest"]


class TopicRequest(Struct, kw_only=True):
    """A topic to make."""

    name: str
    partition_count: Int32 | None = None
    partitions: Int32 | None = None
    retention_ms: Int64 | None = None
    retention_bytes: Int64 | None = None


class TopicPartitionBody(Struct, rename="camel", frozen=True):
    """One partition's extent: its first offset, and the one that its next record will get."""

    partition: int
    start_offset: int
    end_offset: int


class TopicBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A topic."""

    name: str
    partition_count: int
    retention_ms: int | None
    retention_bytes: int | None
    partitions: list[TopicPartitionBody]
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, topic: Topic, extents: Mapping[TopicPartition, tuple[int, int]], *, warnings: tuple[str, ...] = ()
    ) -> TopicBody:
        """Show a topic."""
        return cls(
            name=topic.name,
            partition_count=topic.partitions,
            retention_ms=topic.retention_ms,
            retention_bytes=topic.retention_bytes,
            partitions=[TopicPartitionBody(tp.partition, start, end) for tp, (start, end) in sorted(extents.items())],
            warnings=warnings,
        )
