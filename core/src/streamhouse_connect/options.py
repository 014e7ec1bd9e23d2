"""The options that every connector has, whatever its sink: reading, batching, errors, retries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from streamhouse_connect.config import Size, option

__all__ = ["ConnectorOptions"]


@attrs.frozen(kw_only=True)
class ConnectorOptions:
    """What the runtime reads of a connector's configuration. Sinks declare their own defaults for some of it."""

    tasks_max: int = option(
        "tasks.max",
        default=1,
        minimum=1,
        maximum=1000,
        doc="How many consumers share the connector's partitions in each worker; with the embedded broker there is one.",
    )
    topics_regex: str | None = option(
        "topics.regex",
        default=None,
        doc="In place of topics: all topics, present and future, whose whole name matches this regular expression.",
    )
    offset_reset: Literal["earliest", "latest", "error"] = option(
        "offset.reset",
        default="earliest",
        doc="Where reading starts without a committed offset, or if its records are gone: the first record, behind the "
        "last, or nowhere (error).",
    )
    isolation_level: Literal["read_committed", "read_uncommitted"] = option(
        "isolation.level",
        default="read_committed",
        doc="Whether records of transactions that are open or were aborted are left out.",
    )
    consumer_override: Mapping[str, str] = option(
        "consumer.override.",
        doc="Properties of the connector's consumers, such as librdkafka's, that go before the worker's.",
    )
    batch_size: int = option(
        "batch.size", default=1000, minimum=1, maximum=10_000_000, doc="A batch is written at this many records."
    )
    batch_bytes: Size = option(
        "batch.bytes", default=Size(16 << 20), minimum=1, doc="A batch is written at this size of keys and values."
    )
    batch_interval_ms: int = option(
        "batch.interval_ms",
        default=5000,
        minimum=0,
        maximum=7 * 24 * 3_600_000,
        doc="A batch is written when its oldest record has waited this long, in milliseconds.",
    )
    buffer_memory: Size = option(
        "buffer.memory",
        default=Size(64 << 20),
        minimum=1 << 20,
        doc="Reading pauses while records that wait to be written take up this many bytes of memory.",
    )
    errors_tolerance: Literal["none", "all"] = option(
        "errors.tolerance",
        default="none",
        doc="What to do with a record that the destination rejects: fail (none), or make it a dead letter (all).",
    )
    dead_letter_topic: str | None = option(
        "errors.deadletterqueue.topic.name",
        default=None,
        doc="The topic of the dead letters; made if missing. Default: the connector's name with -dlq.",
    )
    retry_backoff_ms: int = option(
        "retry.backoff.ms", default=500, minimum=1, doc="The wait before the first retry, in milliseconds; it doubles."
    )
    retry_backoff_max_ms: int = option(
        "retry.backoff.max.ms", default=30_000, minimum=1, doc="The longest wait between retries, in milliseconds."
    )
