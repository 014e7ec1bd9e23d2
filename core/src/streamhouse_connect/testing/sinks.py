"""What every sink of mixed batches keeps to: subclass, say how its place is read, and pytest runs the rest.

class TestMySink(SinkConformance):
    @pytest.fixture
    def place(self, database) -> Place:
        return MyPlace(database)
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from streamhouse_connect import Batch, RejectedBatch, RejectedRecords, TopicPartition
from streamhouse_connect.testing.factories import make_batch, make_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from streamhouse_connect import Sink

__all__ = ["Place", "SinkConformance", "deliver"]

_TOPICS: Final = {"orders": "orders-id", "returns": "returns-id"}
_PARTITIONS: Final = [TopicPartition(topic, partition) for topic in _TOPICS for partition in range(2)]
_ORDERS: Final = TopicPartition("orders", 0)
_NO_OBJECTS: Final = (b"", b"x", b"[]", b"null", b"{", b'{"n":1}{"n":2}', b'{"n":1}\n{"n":2}\n', b'{"n":"\xff"}')


class Place(Protocol):
    """Where the tests let sinks write."""

    def sink(self) -> Sink[Any]:
        """Return a new sink for the same place, not opened yet; it takes JSON objects with a number `n`."""

    async def numbers(self) -> Sequence[int]:
        """Return `n` of every record of the place, in any order; none if there is nothing yet."""


class SinkConformance:
    """The tests."""

    @pytest.fixture
    def place(self) -> Place:
        """Return a place that is empty."""
        raise NotImplementedError

    @pytest.fixture
    async def sink(self, place: Place) -> AsyncIterator[Sink[Any]]:
        """Return an open sink to which all partitions are assigned."""
        sink, _ = await opened(place)
        yield sink
        await sink.close()

    async def test_writes_every_record_of_a_batch(self, place: Place, sink: Sink[Any]) -> None:
        """When `write` returns, all of them are there, whatever their offsets are."""
        await sink.write(batch([0, 1, 5, 9]))

        assert sorted(await place.numbers()) == [0, 1, 5, 9]

    async def test_writes_topics_and_partitions_of_one_batch(self, place: Place, sink: Sink[Any]) -> None:
        """Records with the same offset do not take each other's place."""
        await sink.write(Batch.concat([batch(range(2), tp=tp) for tp in _PARTITIONS]))

        assert sorted(await place.numbers()) == sorted([*range(2)] * len(_PARTITIONS))

    async def test_holds_a_record_once_however_batches_are_cut_after_a_crash(
        self, place: Place, sink: Sink[Any]
    ) -> None:
        """What was written and not committed comes again, in other batches, and in another run."""
        await sink.write(batch(range(3)))
        await sink.write(batch(range(3, 5)))
        again, start = await opened(place)

        for first in range(start, 9, 2):
            await again.write(batch(range(first, min(first + 2, 9))))

        await again.close()
        assert sorted(await place.numbers()) == list(range(9))

    async def test_rejects_what_is_no_object_and_writes_the_rest(self, place: Place, sink: Sink[Any]) -> None:
        """Neither a record beside it suffers, nor does any of it get in."""
        good = [b'{"n":%d}' % n for n in range(len(_NO_OBJECTS))]
        values = [value for pair in zip(_NO_OBJECTS, good, strict=True) for value in pair]

        assert await deliver(sink, make_batch(values)) == list(range(0, len(values), 2))
        assert sorted(await place.numbers()) == list(range(len(good)))

    async def test_writes_as_many_batches_at_a_time_as_it_says(self, place: Place, sink: Sink[Any]) -> None:
        """None of them gets into the way of another."""
        batches = [batch(range(first, first + 10)) for first in range(0, 10 * sink.in_flight, 10)]
        await asyncio.gather(*map(sink.write, batches))

        assert sorted(await place.numbers()) == list(range(10 * sink.in_flight))

    async def test_goes_on_with_partitions_that_come_back(self, place: Place, sink: Sink[Any]) -> None:
        """And with those that stayed."""
        await sink.write(batch(range(2)))
        await sink.release([_ORDERS])
        await sink.write(batch(range(2), tp=_PARTITIONS[1]))
        start = (await sink.resume([_ORDERS])).get(_ORDERS, 0)
        await sink.write(batch(range(start, 4)))

        assert sorted(await place.numbers()) == [0, 0, 1, 1, 2, 3]

    async def test_checks_without_a_trace(self, place: Place) -> None:
        """A place that is as it should be has no problems, and is as it was."""
        sink = place.sink()
        problems = await sink.check()
        await sink.close()

        assert list(problems) == []
        assert list(await place.numbers()) == []

    async def test_closes_whenever_it_is_asked_to(self, place: Place) -> None:
        """Closing is harmless before opening, and twice."""
        sink = place.sink()
        await sink.close()
        sink, _ = await opened(place)
        await sink.close()
        await sink.close()

        assert list(await place.numbers()) == []

    def test_says_what_it_guarantees_and_why(self, place: Place) -> None:
        """In a sentence, for the status."""
        sink = place.sink()

        assert type(sink).guarantee(sink.config).reason


async def opened(place: Place) -> tuple[Sink[Any], int]:
    """Return an open sink with all partitions, and where it goes on in the first of them."""
    sink = place.sink()
    await sink.open(make_context(topic_ids=dict(_TOPICS), topic_partitions=dict.fromkeys(_TOPICS, 2)))
    held = await sink.resume(_PARTITIONS)
    return sink, held.get(_ORDERS, 0)


async def deliver(sink: Sink[Any], records: Batch) -> list[int]:
    """Write the records, as the runtime does where dead letters are wanted; return the indexes of those that were rejected."""
    try:
        await sink.write(records)
    except RejectedRecords as rejected:
        wrong = sorted(rejected.reasons)
        rest = [index for index in range(len(records)) if index not in rejected.reasons]

        if rejected.others_durable or not rest:
            return wrong

        return sorted([*wrong, *(rest[index] for index in await deliver(sink, records.select(rest)))])
    except RejectedBatch:
        middle = len(records) // 2

        if not middle:
            return [0]

        before = await deliver(sink, records[:middle])
        return [*before, *(middle + index for index in await deliver(sink, records[middle:]))]

    return []


def batch(offsets: Sequence[int], *, tp: TopicPartition = _ORDERS) -> Batch:
    """Return a batch of records whose numbers are their offsets."""
    values = [b'{"n":%d}' % offset for offset in offsets]
    return make_batch(values, offsets=offsets, topic=tp.topic, partition=tp.partition)
