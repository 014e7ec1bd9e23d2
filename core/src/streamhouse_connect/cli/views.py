"""The shapes of the REST API that the commands read and write; what no command shows is left out."""

from __future__ import annotations

from msgspec import Struct

__all__ = [
    "Assigned",
    "Connector",
    "Guarantee",
    "NewRecord",
    "NewRecords",
    "NewTopic",
    "Partition",
    "Produced",
    "Status",
    "Task",
    "Topic",
    "TopicPartition",
]


class Assigned(Struct, frozen=True):
    """A partition that a task reads."""

    topic: str
    partition: int


class Task(Struct, frozen=True):
    """One task of a connector, numbered in its worker."""

    id: int
    state: str
    error: str | None = None
    worker: str = ""
    partitions: list[Assigned] = []


class Partition(Struct, frozen=True, rename="camel"):
    """A connector's progress in one partition."""

    topic: str
    partition: int
    committed_offset: int | None
    end_offset: int
    lag: int
    records_processed: int
    missed: int = 0


class Guarantee(Struct, frozen=True):
    """What is promised, and why."""

    level: str
    reason: str


class Status(Struct, frozen=True):
    """What a connector is doing."""

    tasks: list[Task]
    partitions: list[Partition]
    guarantee: Guarantee | None = None
    stale: str | None = None
    """Why all this may be out of date; None: it is not."""


class Connector(Struct, frozen=True, rename="camel"):
    """A connector."""

    name: str
    connector_class: str
    topics: list[str]
    config: dict[str, object]
    state: str
    target_state: str
    error_message: str | None
    records_processed: int
    created_at: str
    updated_at: str
    status: Status
    warnings: list[str] = []


class NewTopic(Struct, frozen=True):
    """A topic to make."""

    name: str
    partitions: int = 1
    retention_ms: int | None = None
    retention_bytes: int | None = None


class TopicPartition(Struct, frozen=True, rename="camel"):
    """A partition's first offset, and the one that its next record will get."""

    partition: int
    start_offset: int
    end_offset: int


class Topic(Struct, frozen=True):
    """A topic."""

    name: str
    partition_count: int
    retention_ms: int | None
    retention_bytes: int | None
    partitions: list[TopicPartition]


class NewRecord(Struct, frozen=True, omit_defaults=True, gc=False):
    """A record to append. A value that is a string is taken as it is."""

    value: str
    key: str | None = None
    timestamp: int | None = None


class NewRecords(Struct, frozen=True):
    """Records of one topic: all of them are appended, or none."""

    topic: str
    records: list[NewRecord]


class Produced(Struct, frozen=True):
    """How many records were appended."""

    count: int
