"""The columns of librdkafka's messages: extracted when somebody asks, and never more than asked for."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeVar

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from streamhouse_connect.columns import Columns
from streamhouse_connect.records import NO_TIMESTAMP, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamhouse_connect.columns import Headers

__all__ = ["MessageColumns", "by_partition"]

T = TypeVar("T")

_TYPE: Final = 0


class MessageColumns(Columns):
    """Consecutive messages of one partition, in offset order."""

    __slots__ = ("_headers", "_keys", "_messages", "_offsets", "_timestamps", "_values")

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        self._values: Sequence[bytes | None] | None = None
        self._keys: Sequence[bytes | None] | None = None
        self._offsets: Sequence[int] | None = None
        self._timestamps: Sequence[int] | None = None
        self._headers: Sequence[Headers] | None = None

    @property
    def values(self) -> Sequence[bytes | None]:
        if self._values is None:
            self._values = list(map(Message.value, self._messages))

        return self._values

    @property
    def keys(self) -> Sequence[bytes | None]:
        if self._keys is None:
            self._keys = list(map(Message.key, self._messages))

        return self._keys

    @property
    def offsets(self) -> Sequence[int]:
        if self._offsets is None:
            self._offsets = _offsets(self._messages)

        return self._offsets

    @property
    def timestamps(self) -> Sequence[int]:
        if self._timestamps is None:
            pairs = map(Message.timestamp, self._messages)
            self._timestamps = [NO_TIMESTAMP if kind == TIMESTAMP_NOT_AVAILABLE else time for kind, time in pairs]

        return self._timestamps

    @property
    def headers(self) -> Sequence[Headers]:
        if self._headers is None:
            self._headers = [tuple(headers) if headers else () for headers in map(Message.headers, self._messages)]  # type: ignore[arg-type]  # the same

        return self._headers

    def slice(self, start: int, stop: int) -> Columns:
        return MessageColumns(self._messages[start:stop])

    def gather(self, indexes: Sequence[int]) -> Columns:
        if len(indexes) > 1:
            return MessageColumns(itemgetter(*indexes)(self._messages))

        return MessageColumns([self._messages[index] for index in indexes])


def _offsets(messages: Sequence[Message]) -> Sequence[int]:
    """Return the offsets; without gaps, which is most of the time, at no cost."""
    if not messages:
        return ()

    first, last = messages[0].offset(), messages[-1].offset()
    assert first is not None
    assert last is not None

    if last - first + 1 == len(messages):
        return range(first, last + 1)

    return list(map(Message.offset, messages))  # type: ignore[arg-type]  # a message that was read has one


def by_partition(messages: list[Message]) -> dict[TopicPartition, list[Message]]:
    """Sort messages by where they come from, keeping their order."""
    if not messages:
        return {}

    partitions = list(map(Message.partition, messages))
    topics = list(map(Message.topic, messages))

    is_one_topic = topics.count(topics[0]) == len(messages)

    if is_one_topic and partitions.count(partitions[0]) == len(messages):
        return {_place(messages[0]): messages}

    # Of one topic the partition's number tells them apart, which takes half the time.
    places: Iterable[object] = partitions if is_one_topic else zip(topics, partitions, strict=True)
    found: defaultdict[object, list[Message]] = defaultdict(list)

    for place, message in zip(places, messages, strict=True):
        found[place].append(message)

    return {_place(own[0]): own for own in found.values()}


def _place(message: Message) -> TopicPartition:
    topic, partition = message.topic(), message.partition()
    assert topic is not None
    assert partition is not None
    return TopicPartition(topic, partition)
