"""The buffers between reading and writing."""

from __future__ import annotations

import math
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import Batch, TopicPartition
from streamhouse_connect.runtime.batching import Batcher, Limits
from streamhouse_connect.runtime.lanes import PIECE_OVERHEAD, RECORD_OVERHEAD, Flight
from streamhouse_connect.testing import make_batch

TP = TopicPartition("orders", 0)


def limits(
    records: int = 10,
    *,
    nbytes: int = 1 << 20,
    interval: float = 5.0,
    in_flight: int = 2,
    per_lane: int = 1,
    open_lanes: int | None = None,
) -> Limits:
    """Make limits; most tests are about one of them."""
    return Limits(records, nbytes, interval, in_flight, per_lane, open_lanes)


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
    assert batcher.due(0.0, crowding=[TP]) is None, "half of it is on the way"
    assert batcher.due(0.0, crowding=[TP, other]) is batcher.lanes[other, "larger"]


def test_much_of_what_takes_up_too_much_memory_is_written_at_the_same_time() -> None:
    """Of many small lanes one after the other would hardly make room."""
    batcher = Batcher(limits(1000, in_flight=10))

    for number in range(8):
        batcher.add((TP, str(number)), numbers(number, number + 1), 0.0)

    taken = 0

    while lane := batcher.due(0.0, crowding=[TP]):
        batcher.take(lane, 0.0)
        taken += 1

    assert 4 <= taken < 8


def test_of_several_partitions_in_one_lane_a_batch_at_a_time_makes_room() -> None:
    """What is behind it waits for a fuller batch."""
    batcher = Batcher(limits(2, in_flight=5, per_lane=5))
    batcher.add((None, ""), numbers(0, 3), 0.0)
    lane = batcher.due(0.0)
    assert lane is not None
    flight = batcher.take(lane, 0.0)
    assert batcher.due(0.0, crowding=[TP]) is None
    batcher.land(flight)
    assert batcher.due(0.0, crowding=[TP]) is lane


def test_what_is_held_is_known_by_partition() -> None:
    """Waiting or in flight, in a lane of its own or in one with others; with the objects that records are in."""
    batcher = Batcher(limits(2))
    mixed = Batch.concat([numbers(0, 3), make_batch([b"12345678"], partition=1)])
    batcher.add((None, ""), mixed, 0.0)
    batcher.add((TP, "a"), numbers(3, 4), 0.0)
    lane = batcher.due(0.0)
    assert lane is not None
    batcher.take(lane, 0.0)
    evenly = 3 + 4 * (4 + RECORD_OVERHEAD) + PIECE_OVERHEAD, 5 + RECORD_OVERHEAD
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
    assert batcher.hurry(TP)
    assert batcher.due(0.0) is batcher.lanes[TP, "early"]
    assert batcher.next_due() == -math.inf


def test_of_many_lanes_the_lowest_quarter_is_hurried_in_order() -> None:
    """One at a time would not catch up with as many that are written above; no more are hurried until those are on their way."""
    batcher = Batcher(limits(1000, in_flight=100))

    for number in range(8):
        batcher.add((TP, str(number)), numbers(number, number + 1), 0.0)

    assert batcher.hurry(TP)
    assert not batcher.hurry(TP)
    taken = []

    while lane := batcher.due(0.0):
        taken.append(lane.key[1])
        batcher.take(lane, 0.0)

    assert taken == ["0", "1"]
    assert batcher.hurry(TP)
    assert batcher.due(0.0) is batcher.lanes[TP, "2"]


def test_a_lane_on_its_way_is_not_hurried() -> None:
    """Its records are being written; there may be nothing else to hurry."""
    batcher = Batcher(limits(1000))
    batcher.add((TP, "a"), numbers(0, 1), 0.0)
    batcher.take(batcher.lanes[TP, "a"], 0.0)
    assert not batcher.hurry(TP)


def test_with_too_many_lanes_open_the_one_that_is_open_longest_is_due() -> None:
    """A lane more than may be open, and then no lane more; what is being written is not open any more."""
    batcher = Batcher(limits(1000, open_lanes=2))
    batcher.add((TP, "a"), numbers(0, 1), 0.0)
    batcher.add((TP, "b"), numbers(1, 50), 1.0)
    assert batcher.due(2.0) is None
    batcher.add((TP, "c"), numbers(50, 51), 2.0)
    lane = batcher.due(2.0)
    assert lane is batcher.lanes[TP, "a"]
    batcher.take(lane, 2.0)
    assert batcher.due(2.0) is None


def test_a_lane_that_is_being_written_may_not_be_the_next_however_many_are_open() -> None:
    """Its order would be lost; the next one in age is written meanwhile."""
    batcher = Batcher(limits(2, open_lanes=1))
    batcher.add((TP, "a"), numbers(0, 3), 0.0)
    batcher.take(batcher.lanes[TP, "a"], 0.0)
    batcher.add((TP, "b"), numbers(3, 4), 1.0)
    assert batcher.due(1.0) is batcher.lanes[TP, "b"]


def test_every_partition_may_have_a_lane_open() -> None:
    """With more partitions than lanes that may be open, files would else be as small as what one poll brings."""
    batcher = Batcher(limits(1000, open_lanes=2))
    others = [TopicPartition("orders", number) for number in range(1, 4)]

    for tp in (TP, *others):
        batcher.add((tp, "12h"), make_batch([b"x"], partition=tp.partition), 0.0)

    assert batcher.due(0.0) is None
    batcher.add((others[1], "13h"), make_batch([b"x"], partition=2), 1.0)
    assert batcher.due(1.0) is batcher.lanes[others[1], "12h"]


def test_what_is_due_goes_before_what_is_open_too_long() -> None:
    """A full batch makes a better file, and frees more memory."""
    batcher = Batcher(limits(10, open_lanes=1))
    batcher.add((TP, "a"), numbers(0, 1), 0.0)
    batcher.add((TP, "b"), numbers(1, 11), 1.0)
    assert batcher.due(1.0) is batcher.lanes[TP, "b"]


@pytest.mark.parametrize("lanes", [10, 1000])
def test_a_poll_costs_no_more_with_a_thousand_lanes(lanes: int) -> None:
    """Neither what is held, nor what is due next, is found by looking at all lanes; counted in calls."""
    batcher = Batcher(limits(1000, open_lanes=None))

    for number in range(lanes):
        batcher.add((TP, str(number)), numbers(number, number + 1), float(number) / lanes)

    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)

    try:
        batcher.due(1.0)
        batcher.held()
        batcher.next_due()
    finally:
        sys.setprofile(None)

    assert calls < 50


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["add", "take", "settle", "land", "drop", "hurry", "below"]),
            st.integers(0, 3),
            st.integers(1, 9),
        ),
        max_size=60,
    )
)
def test_the_accounts_agree_with_what_is_there(steps: list[tuple[str, int, int]]) -> None:
    """Whatever happens to lanes: what is held, open and lowest is what a look at all of them finds."""
    batcher = Batcher(limits(5, in_flight=100))
    flights: list[Flight] = []
    at = 0

    for now, (step, number, amount) in enumerate(steps):
        tp = TopicPartition("orders", number % 2)
        waiting = [*batcher.lanes.waiting]

        if step == "add":
            batcher.add(
                (tp, "ab"[number // 2]), make_batch([b"1234"] * amount, first_offset=at, partition=number % 2), now
            )
            at += amount
        elif step == "take" and (lane := batcher.due(now + 100.0)):
            flights.append(batcher.take(lane, now))
        elif step == "settle" and flights:
            batcher.settle(flights[0], min(amount, len(flights[0].batch)))
        elif step == "land" and flights:
            batcher.land(flights.pop(0))
        elif step == "drop":
            batcher.drop([tp])
        elif step == "hurry":
            batcher.hurry(tp)
        elif step == "below" and waiting:
            batcher.drop_below(waiting[0], waiting[0].pieces[0].offsets[0] + amount)

        check_accounts(batcher, flights)


def check_accounts(batcher: Batcher, flights: list[Flight]) -> None:
    """Compare what is kept account of with what there is."""
    waiting = [lane for lane in batcher.lanes if lane.pieces]
    assert {lane.key for lane in batcher.lanes.waiting} == {lane.key for lane in waiting}
    assert [lane.since for lane in batcher.lanes.waiting] == sorted(lane.since for lane in waiting)
    assert {flight.lane for flight in flights} <= {*batcher.lanes}
    held: Counter[TopicPartition] = Counter()

    for tp in (TP, TopicPartition("orders", 1)):
        lanes = [lane for lane in batcher.lanes if lane.key[0] == tp]
        outstanding = [(batch, span) for lane in lanes for batch, span in lane.outstanding() if span.start < span.stop]
        assert batcher.lowest(tp) == min((batch.offsets[span.start] for batch, span in outstanding), default=None)
        assert batcher.lanes.open.get(tp, 0) == sum(1 for lane in lanes if lane.pieces)
        held[tp] = sum(batch.nbytes + RECORD_OVERHEAD * len(batch) for batch, _ in outstanding)
        held[tp] += PIECE_OVERHEAD * sum(len(lane.pieces) for lane in lanes)

    assert batcher.held() == +held


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
    assert not len(batcher.lanes)


def test_a_route_is_cut_at_the_size_that_the_sink_wants() -> None:
    """Within batch.bytes, and each route at its own."""
    wanted = {"a": 40, "b": 1 << 20, "c": None}
    batcher = Batcher(limits(1000, nbytes=80, in_flight=9), lambda _, path: wanted[path])

    for path in wanted:
        batcher.add((TP, path), numbers(0, 25), 0.0)

    sizes = {}

    while (lane := batcher.due(0.0)) is not None:
        sizes[lane.key[1]] = len(batcher.take(lane, 0.0).batch)

    assert sizes == {"a": 10, "b": 20, "c": 20}


def test_what_a_flight_gives_back_comes_first_again() -> None:
    """In front of what came since, which fills the next batch up; a flight that gave all back holds nothing."""
    batcher = Batcher(limits(10))
    batcher.add((TP, ""), numbers(0, 10), 0.0)
    flight = taken(batcher, 0.0)
    batcher.add((TP, ""), numbers(10, 14), 1.0)
    batcher.settle(flight, 7)
    batcher.give_back(flight)
    assert batcher.lowest(TP) == 7
    batcher.land(flight)

    assert batcher.lowest(TP) == 7
    assert batcher.due(1.0) is None
    assert batcher.held() == {TP: 7 * (4 + RECORD_OVERHEAD) + 2 * PIECE_OVERHEAD}
    batcher.add((TP, ""), numbers(14, 20), 2.0)
    assert list(taken(batcher, 2.0).batch.offsets) == list(range(7, 17))


def test_what_came_last_waits_as_if_it_had_come_just_then() -> None:
    """A full batch was full with its last records; what is left of it has the whole interval."""
    batcher = Batcher(limits(10, interval=5.0))
    batcher.add((TP, ""), numbers(0, 10), 0.0)
    flight = taken(batcher, 4.0)
    batcher.settle(flight, 7)
    batcher.give_back(flight)
    batcher.land(flight)

    assert batcher.next_due() == 9.0


def test_what_is_given_back_as_a_whole_waits_no_longer_than_it_would_have() -> None:
    """Nothing of it was written: its first record is as old as before."""
    batcher = Batcher(limits(10, interval=5.0))
    batcher.add((TP, ""), numbers(0, 10), 0.0)
    flight = taken(batcher, 4.0)
    batcher.give_back(flight)
    batcher.land(flight)

    assert batcher.next_due() == 5.0


def test_what_is_given_back_is_in_line_by_its_age() -> None:
    """A lane that came later does not go before it, nor hide that it is due."""
    batcher = Batcher(limits(10, interval=5.0))
    batcher.add((TP, "old"), numbers(0, 10), 0.0)
    flight = taken(batcher, 1.0)
    batcher.add((TP, "new"), numbers(10, 11), 2.0)
    batcher.give_back(flight)
    batcher.land(flight)

    assert batcher.next_due() == 5.0
    assert taken(batcher, 5.0).lane.key == (TP, "old")


def test_what_is_left_of_an_old_batch_is_due_at_once() -> None:
    """It has waited long enough already."""
    batcher = Batcher(limits(100, interval=5.0))
    batcher.add((TP, ""), numbers(0, 10), 0.0)
    flight = taken(batcher, 5.0)
    batcher.settle(flight, 7)
    batcher.give_back(flight)
    batcher.land(flight)

    assert list(taken(batcher, 5.0).batch.offsets) == [7, 8, 9]


def taken(batcher: Batcher, now: float) -> Flight:
    """Take what is due."""
    lane = batcher.due(now)
    assert lane is not None
    return batcher.take(lane, now)


def test_the_next_batch_of_a_full_lane_is_known_while_it_has_to_wait() -> None:
    """The very object that is cut later, whatever comes in between; it is told once."""
    batcher = Batcher(limits(10, in_flight=1))
    batcher.add((None, ""), numbers(0, 6), 0.0)
    batcher.add((None, ""), numbers(6, 25), 0.0)
    first = batcher.take(lane := batcher.lanes[None, ""], 0.0)
    ahead = batcher.ahead()
    assert ahead is not None
    assert list(ahead.offsets) == list(range(10, 20))
    assert batcher.ahead() is None
    assert (lane.records, batcher.lowest(TP)) == (15, 0)
    batcher.add((None, ""), numbers(25, 30), 0.0)
    batcher.land(first)
    assert batcher.take(lane, 1.0).batch is ahead
    assert list(batcher.take(lane, 2.0).batch.offsets) == list(range(20, 30))


def test_a_batch_that_is_cut_ahead_by_bytes_is_cut_once() -> None:
    """Though by the size of its records it might be cut otherwise a second time."""
    batcher = Batcher(Limits(1000, 100, 5.0, 1, 1))
    sizes = [1, 1, 1, 60, 60, 60, 1, 90, 1]
    batcher.add((None, ""), make_batch([b"x" * size for size in sizes * 3]), 0.0)
    first = batcher.take(lane := batcher.lanes[None, ""], 0.0)
    ahead = batcher.ahead()
    assert ahead is not None
    assert batcher.ahead() is None
    batcher.land(first)
    assert batcher.take(lane, 1.0).batch is ahead


@pytest.mark.parametrize(("records", "taken"), [(15, True), (25, False)])
def test_no_batch_is_cut_ahead_that_may_still_grow_or_need_not_wait(records: int, taken: bool) -> None:
    """Neither one that is not full, nor one that is about to be taken."""
    batcher = Batcher(limits(10, in_flight=1))
    batcher.add((None, ""), numbers(0, records), 0.0)

    if taken:
        batcher.take(batcher.lanes[None, ""], 0.0)

    assert batcher.ahead() is None


def test_a_batch_that_was_cut_ahead_is_cut_anew_when_partitions_go() -> None:
    """What is of them must not be written."""
    other = TopicPartition("orders", 1)
    batcher = Batcher(limits(10, in_flight=1))
    batcher.add((None, ""), numbers(0, 10), 0.0)
    batcher.add((None, ""), numbers(10, 15), 0.0)
    batcher.add((None, ""), make_batch([b"x"] * 15, topic="orders", partition=1), 0.0)
    batcher.take(lane := batcher.lanes[None, ""], 0.0)
    ahead = batcher.ahead()
    assert ahead is not None
    batcher.drop([TP])
    again = batcher.ahead()
    assert again is not None
    assert again is not ahead
    assert [span.tp for span in again.spans] == [other]
    assert lane.records == 15
