"""The buffers between reading and writing."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import Batch, TopicPartition
from streamhouse_connect.runtime.batching import RECORD_OVERHEAD, Batcher, Limits
from streamhouse_connect.testing import make_batch

TP = TopicPartition("orders", 0)


def limits(
    records: int = 10,
    *,
    nbytes: int = 1 << 20,
    interval: float = 5.0,
    in_flight: int = 2,
    per_lane: int = 1,
) -> Limits:
    """Make limits; most tests are about one of them."""
    return Limits(records, nbytes, interval, in_flight, per_lane)


def numbers(first: int, stop: int) -> Batch:
    """Make a batch whose values are its offsets, four digits each."""
    return make_batch([b"%04d" % n for n in range(first, stop)], first_offset=first)


def test_a_lane_is_due_when_it_has_enough_records() -> None:
    """batch.size records make a batch, and not fewer."""
    batcher = Batcher(limits(10))
    batcher.add((TP, ""), numbers(0, 9), 0.0)
    assert batcher.due(1.0) is None
    batcher.add((TP, ""), numbers(9, 10), 1.0)
    assert batcher.due(1.0) is not None


def test_a_batch_is_cut_at_the_number_of_records() -> None:
    """A batch never holds more than batch.size records; the rest waits."""
    batcher = Batcher(limits(10))
    batcher.add((TP, ""), numbers(0, 25), 0.0)
    lane = batcher.due(0.0)
    assert lane is not None
    flight = batcher.take(lane, 0.0)
    assert list(flight.batch.offsets) == list(range(10))
    assert lane.records == 15


def test_a_batch_is_cut_at_its_size() -> None:
    """A batch is cut near batch.bytes, and holds one record at least."""
    batcher = Batcher(limits(1000, nbytes=40))
    batcher.add((TP, ""), numbers(0, 25), 0.0)
    lane = batcher.due(0.0)
    assert lane is not None
    assert len(batcher.take(lane, 0.0).batch) == 10


def test_a_record_larger_than_the_limit_is_a_batch_of_its_own() -> None:
    """A single record is always taken."""
    batcher = Batcher(limits(1000, nbytes=3))
    batcher.add((TP, ""), numbers(0, 2), 0.0)
    lane = batcher.due(0.0)
    assert lane is not None
    assert len(batcher.take(lane, 0.0).batch) == 1


def test_a_lane_is_due_when_its_oldest_record_has_waited_long_enough() -> None:
    """The interval counts from the arrival of the oldest record, however few there are."""
    batcher = Batcher(limits(10, interval=5.0))
    batcher.add((TP, ""), numbers(0, 1), 100.0)
    batcher.add((TP, ""), numbers(1, 2), 104.0)
    assert batcher.due(104.9) is None
    assert batcher.next_due() == 105.0
    assert batcher.due(105.0) is not None


def test_one_flight_at_a_time_in_a_lane() -> None:
    """Successive batches of one route are written one after the other."""
    batcher = Batcher(limits(10, per_lane=1))
    batcher.add((TP, ""), numbers(0, 30), 0.0)
    lane = batcher.due(0.0)
    assert lane is not None
    flight = batcher.take(lane, 0.0)
    assert batcher.due(0.0) is None
    batcher.settle(flight, 10)
    batcher.land(flight)
    assert batcher.due(0.0) is lane


def test_the_number_of_flights_is_bounded() -> None:
    """However many lanes are due, no more than `in_flight` writes run."""
    batcher = Batcher(limits(1, in_flight=2))

    for path in "abc":
        batcher.add((TP, path), numbers(0, 1), 0.0)

    for _ in range(2):
        lane = batcher.due(0.0)
        assert lane is not None
        batcher.take(lane, 0.0)

    assert batcher.due(0.0) is None
    assert batcher.next_due() is None


def test_a_partition_that_takes_up_too_much_memory_has_its_largest_lane_written() -> None:
    """When it waits for more records that are not read until it holds less, something has to be written."""
    other = TopicPartition("orders", 1)
    batcher = Batcher(limits(1000))
    batcher.add((TP, "small"), numbers(0, 5), 0.0)
    batcher.add((TP, "large"), numbers(5, 20), 0.0)
    batcher.add((other, "larger"), numbers(0, 20), 0.0)
    assert batcher.due(0.0) is None
    lane = batcher.due(0.0, crowding=[TP])
    assert lane is not None
    assert lane.key == (TP, "large")
    batcher.take(lane, 0.0)
    assert batcher.due(0.0, crowding=[TP]) is None, "something of it is on the way"
    assert batcher.due(0.0, crowding=[TP, other]) is batcher.lanes[other, "larger"]


def test_what_is_held_is_known_by_partition() -> None:
    """Waiting or in flight, in a lane of its own or in one with others; with the objects that records are in."""
    batcher = Batcher(limits(2))
    mixed = Batch.concat([numbers(0, 3), make_batch([b"12345678"], partition=1)])
    batcher.add((None, ""), mixed, 0.0)
    batcher.add((TP, "a"), numbers(3, 4), 0.0)
    lane = batcher.due(0.0)
    assert lane is not None
    batcher.take(lane, 0.0)
    evenly = 3 + 4 * (4 + RECORD_OVERHEAD), 5 + RECORD_OVERHEAD
    assert batcher.held() == dict(zip([TP, TopicPartition("orders", 1)], evenly, strict=True)), (
        "in a batch of several, by their number"
    )


def test_a_flush_makes_the_lanes_of_its_partitions_due() -> None:
    """Only the partitions that are revoked are flushed; the others go on filling."""
    other = TopicPartition("orders", 1)
    batcher = Batcher(limits(1000))
    batcher.add((TP, ""), numbers(0, 1), 0.0)
    batcher.add((other, ""), make_batch([b"x"], partition=1), 0.0)
    lane = batcher.due(0.0, flush=[other])
    assert lane is not None
    assert lane.key == (other, "")


def test_a_mixed_lane_is_flushed_up_to_the_last_record_of_the_partition() -> None:
    """What others have waiting behind it may go on waiting for a fuller batch."""
    other = TopicPartition("orders", 1)
    batcher = Batcher(limits(3, in_flight=5, per_lane=5))
    batcher.add((None, ""), Batch.concat([numbers(0, 2), make_batch([b"x", b"y"], partition=1)]), 0.0)
    lane = batcher.due(0.0, flush=[TP])
    assert lane is not None
    assert [span.tp for span in batcher.take(lane, 0.0).batch.spans] == [TP, other]
    assert batcher.due(0.0, flush=[TP]) is None
    assert batcher.due(0.0, flush=[other]) is lane


def test_what_is_flushed_goes_before_what_is_due() -> None:
    """A flush has a deadline."""
    other = TopicPartition("orders", 1)
    batcher = Batcher(limits(2))
    batcher.add((other, ""), make_batch([b"x", b"y"], partition=1), 0.0)
    batcher.add((TP, ""), numbers(0, 1), 1.0)
    assert batcher.due(1.0) is batcher.lanes[other, ""]
    assert batcher.due(1.0, flush=[TP]) is batcher.lanes[TP, ""]


def test_the_lowest_offset_counts_what_waits_and_what_flies() -> None:
    """Nothing above an offset that is not durable may be committed."""
    batcher = Batcher(limits(10))
    batcher.add((TP, "a"), numbers(5, 15), 0.0)
    batcher.add((TP, "b"), numbers(15, 18), 0.0)
    lane = batcher.due(0.0)
    assert lane is not None
    flight = batcher.take(lane, 0.0)
    assert batcher.lowest(TP) == 5
    batcher.settle(flight, 4)
    assert batcher.lowest(TP) == 9
    batcher.land(flight)
    assert batcher.lowest(TP) == 15


def test_what_a_route_holds_already_is_dropped() -> None:
    """Records below the offset that an object was found to hold are not written again."""
    batcher = Batcher(limits(1000))
    batcher.add((TP, ""), numbers(0, 5), 0.0)
    batcher.add((TP, ""), numbers(5, 10), 0.0)
    lane = batcher.lanes[(TP, "")]
    assert batcher.drop_below(lane, 7) == 7
    assert batcher.lowest(TP) == 7
    assert lane.records == 3


def test_dropping_a_partition_leaves_the_others_in_a_mixed_lane() -> None:
    """Lost partitions vanish from a batch that has records of several."""
    other = TopicPartition("orders", 1)
    batcher = Batcher(limits(1000))
    batcher.add((None, ""), Batch.concat([numbers(0, 3), make_batch([b"x"], partition=1)]), 0.0)
    batcher.drop([TP])
    assert batcher.lowest(TP) is None
    assert batcher.lowest(other) == 0


def test_a_lane_that_must_be_flushed_first_is_due_at_once() -> None:
    """The lane that holds an offset back is found by its lowest record, and can be hurried."""
    batcher = Batcher(limits(1000))
    batcher.add((TP, "late"), numbers(5, 6), 0.0)
    batcher.add((TP, "early"), numbers(2, 3), 0.0)
    lane = batcher.holding_back(TP)
    assert lane is not None
    assert lane.key == (TP, "early")
    lane.since = -math.inf
    assert batcher.due(0.0) is lane


@given(
    pieces=st.lists(st.integers(1, 40), min_size=1, max_size=20),
    size=st.integers(1, 50),
    nbytes=st.integers(1, 300),
)
def test_every_record_leaves_once_and_in_order(pieces: list[int], size: int, nbytes: int) -> None:
    """However the pieces come and the limits are, batches joined give the records back, and the accounts end at zero."""
    batcher = Batcher(limits(size, nbytes=nbytes, interval=0.0))
    at = 0

    for count in pieces:
        batcher.add((TP, ""), numbers(at, at + count), 0.0)
        at += count

    seen: list[int] = []

    while (lane := batcher.due(1.0)) is not None:
        flight = batcher.take(lane, 1.0)
        assert len(flight.batch) <= size
        seen += flight.batch.offsets
        batcher.settle(flight, len(flight.batch))
        batcher.land(flight)

    assert seen == list(range(at))
    assert not batcher.held()
    assert not batcher.lanes
