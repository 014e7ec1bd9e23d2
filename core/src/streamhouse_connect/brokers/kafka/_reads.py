"""What one read brought: messages by partition, and what the library says in between. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from confluent_kafka import Message

from streamhouse_connect.brokers.kafka._messages import by_partition
from streamhouse_connect.librdkafka import AT_END, MISPLACED, NO_TOPIC, translate
from streamhouse_connect.records import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamhouse_connect.errors import StreamHouseError

__all__ = ["Read", "sort"]


@attrs.frozen
class Read:
    """Messages, and the ends that were reached: what lies before such an offset and was not handed out is no record."""

    placing: int
    """How often partitions had been placed when it was read."""
    messages: Mapping[TopicPartition, list[Message]] = attrs.field(factory=dict)
    ends: Mapping[TopicPartition, int] = attrs.field(factory=dict)
    misplaced: Sequence[TopicPartition] = ()
    """There is nothing at their position."""
    failure: StreamHouseError | None = None


def sort(messages: list[Message], placing: int) -> Read:
    """Tell messages from events."""
    if not any(map(Message.error, messages)):
        return Read(placing, by_partition(messages))

    errors = [message.error() for message in messages]
    ends: dict[TopicPartition, int] = {}
    misplaced: list[TopicPartition] = []
    failure: StreamHouseError | None = None

    for message, error in zip(messages, errors, strict=True):
        if error is None or error.code() in NO_TOPIC:  # a topic that is not there yet is waited for
            continue

        tp = TopicPartition(message.topic() or "", message.partition() or 0)

        if error.code() == AT_END:
            ends[tp] = message.offset() or 0
        elif error.code() in MISPLACED:
            misplaced.append(tp)
        elif not error.retriable():
            failure = failure or translate(error, f"read {tp}" if message.topic() else "read")

    kept = [message for message, error in zip(messages, errors, strict=True) if error is None]
    return Read(placing, by_partition(kept), ends, misplaced, failure)
