"""Messages as columns: what is extracted, and what is left alone."""

from __future__ import annotations

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, KafkaError, Message

from streamhouse_connect import NotFoundError, TopicPartition
from streamhouse_connect.brokers.kafka._messages import MessageColumns, by_partition
from streamhouse_connect.brokers.kafka._reads import sort


def message(
    offset: int, *, topic: str = "t", partition: int = 0, error: KafkaError | None = None, time: int = -1
) -> Message:
    """Make a message whose value is its offset."""
    kind = TIMESTAMP_NOT_AVAILABLE if time < 0 else TIMESTAMP_CREATE_TIME
    return Message(
        topic=topic,
        partition=partition,
        offset=offset,
        key=None if offset % 2 else b"k",
        value=b"%d" % offset,
        headers=[("h", b"1"), ("h", None)] if offset == 1 else None,
        timestamp=(kind, time),
        error=error,
    )


def test_every_column_is_extracted() -> None:
    """Nulls, headers of one name, and a time that is not known included."""
    columns = MessageColumns([message(0, time=5), message(1)])
    assert columns.values == [b"0", b"1"]
    assert columns.keys == [b"k", None]
    assert columns.timestamps == [5, -1]
    assert columns.headers == [(), (("h", b"1"), ("h", None))]


def test_offsets_without_gaps_are_a_range() -> None:
    """Nobody pays for offsets that follow from the first one; with gaps each is asked for."""
    assert MessageColumns([message(3), message(4)]).offsets == range(3, 5)
    assert MessageColumns([message(3), message(5)]).offsets == [3, 5]
    assert MessageColumns([]).offsets == ()


@pytest.mark.parametrize(("indexes", "offsets"), [([], []), ([1], [1]), ([0, 2], [0, 2])])
def test_parts_hold_their_own_messages(indexes: list[int], offsets: list[int]) -> None:
    """A part that was gathered, or cut off, knows its own offsets."""
    columns = MessageColumns([message(n) for n in range(3)])
    assert list(columns.gather(indexes).offsets) == offsets
    assert columns.slice(1, 3).values == [b"1", b"2"]


def test_messages_are_sorted_by_partition_in_their_order() -> None:
    """Also where partitions of two topics have one number."""
    mixed = [message(0), message(7, partition=1), message(1), message(5, topic="u")]
    found = by_partition(mixed)
    assert {tp: [each.offset() for each in own] for tp, own in found.items()} == {
        TopicPartition("t", 0): [0, 1],
        TopicPartition("t", 1): [7],
        TopicPartition("u", 0): [5],
    }
    assert by_partition([]) == {}


def test_messages_of_one_topic_are_sorted_by_the_number_of_their_partition() -> None:
    """They come in runs, or one by one."""
    found = by_partition([message(0), message(1), message(7, partition=1), message(2)])
    assert {tp: [each.offset() for each in own] for tp, own in found.items()} == {
        TopicPartition("t", 0): [0, 1, 2],
        TopicPartition("t", 1): [7],
    }


def test_events_are_told_from_messages() -> None:
    """An end that was reached, a position at which there is nothing, and what the brokers refuse."""
    events = [
        message(0),
        message(9, partition=1, error=KafkaError(KafkaError._PARTITION_EOF)),
        message(3, partition=2, error=KafkaError(KafkaError._AUTO_OFFSET_RESET)),
        message(0, partition=3, error=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)),
        message(0, partition=4, error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)),
    ]
    read = sort(events, 7)
    assert list(read.messages) == [TopicPartition("t", 0)]
    assert read.ends == {TopicPartition("t", 1): 9}
    assert read.misplaced == [TopicPartition("t", 2)]
    assert "allow the user" in str(read.failure)
    assert read.placing == 7


def test_a_topic_that_is_not_there_yet_is_no_failure() -> None:
    """It is waited for."""
    read = sort([message(0, error=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))], 0)
    assert not isinstance(read.failure, NotFoundError)
    assert read.messages == {}
