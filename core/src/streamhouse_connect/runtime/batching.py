"""The buffers between reading and writing: what waits, what is due, and what is not durable yet. Pure: no clock, no I/O.

A lane is a queue of records that have to be written in order: one for all with `Batching.MIXED`, one for each partition and
path with `Batching.PER_ROUTE`. Records are first pieces in a lane, then part of a flight, then durable:

    add → Lane.pieces → take → Flight → settle
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.records import Batch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from streamhouse_connect.records import Span, TopicPartition

__all__ = ["RECORD_OVERHEAD", "Batcher", "Flight", "Lane", "Limits"]

RECORD_OVERHEAD: Final = 320
"""Bytes that a record takes up besides its key and value: the objects they are in (of a message of librdkafka, 315)."""

LaneKey = tuple["TopicPartition | None", str]


@attrs.frozen
class Limits:
    """When a lane is due, and how much may be on its way; `interval` is in seconds."""

    records: int
    nbytes: int
    interval: float
    in_flight: int
    in_flight_per_lane: int


@attrs.define(eq=False)
class Flight:
    """A batch being written; `batch` shrinks from its front as parts of it become durable.

    What is in it of `dropped` partitions is not ours any more: it is not held, and whatever becomes of it is not counted.
    """

    batch: Batch
    lane: Lane
    dropped: set[TopicPartition] = attrs.field(factory=set)

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        """The partitions that something in it is held of."""
        return frozenset(span.tp for span in self.batch.spans) - self.dropped

    @property
    def is_dropped(self) -> bool:
        """Whether nothing of it is ours any more."""
        return len(self.dropped) > 0 and not self.partitions


@attrs.define(eq=False)
class Lane:
    """Records that have to be written in their order. `since` is when the oldest waiting record came."""

    key: LaneKey
    pieces: deque[Batch] = attrs.field(factory=deque)
    flights: list[Flight] = attrs.field(factory=list)
    records: int = 0
    nbytes: int = 0
    since: float = 0.0

    def outstanding(self) -> Iterator[tuple[Batch, Span]]:
        """Yield what is not durable yet, in order."""
        for flight in self.flights:
            yield from ((flight.batch, span) for span in flight.batch.spans if span.tp not in flight.dropped)

        for piece in self.pieces:
            yield from ((piece, span) for span in piece.spans)


@attrs.define(eq=False)
class Batcher:
    """All lanes of a task."""

    limits: Limits
    lanes: dict[LaneKey, Lane] = attrs.field(factory=dict, init=False)
    flights: int = attrs.field(default=0, init=False)

    def held(self) -> dict[TopicPartition, int]:
        """Return the bytes of memory that are held of each partition: waiting and in flight."""
        found: Counter[TopicPartition] = Counter()

        for lane in self.lanes.values():
            for batch, span in lane.outstanding():
                nbytes = batch.nbytes + RECORD_OVERHEAD * len(batch)
                found[span.tp] += nbytes * (span.stop - span.start) // (len(batch) or 1)

        return found

    def add(self, key: LaneKey, piece: Batch, now: float) -> None:
        """Queue records behind those of their lane."""
        lane = self.lanes.get(key)

        if lane is None:
            lane = self.lanes[key] = Lane(key)

        if not lane.pieces:
            lane.since = now

        lane.pieces.append(piece)
        lane.records += len(piece)
        lane.nbytes += piece.nbytes

    def due(
        self,
        now: float,
        *,
        flush: Collection[TopicPartition] = (),
        crowding: Collection[TopicPartition] = (),
    ) -> Lane | None:
        """Return the lane to write from next: full, too old, or of a partition to be flushed; None: nothing may be written.

        A MIXED lane is flushed up to the last record of such a partition. If nothing else is due it is the largest lane of a partition that takes up too much
        memory, unless something of it is on the way already.
        """
        if self.flights >= self.limits.in_flight:
            return None

        ready = [lane for lane in self.lanes.values() if lane.pieces and self._has_room(lane)]
        flushed = [lane for lane in ready if _is_among(lane, flush)]
        due = flushed or [lane for lane in ready if self._is_due(lane, now)]

        if due:
            return min(due, key=lambda lane: lane.since)

        flying = {lane.key[0] for lane in self.lanes.values() if lane.flights}
        large = [lane for lane in ready if lane.key[0] not in flying and _is_among(lane, crowding)]
        return max(large, key=lambda lane: lane.nbytes, default=None)

    def next_due(self) -> float | None:
        """Return the time at which the next lane will be due by age; None if nothing waits that could be written."""
        if self.flights >= self.limits.in_flight:
            return None

        waiting = [lane.since for lane in self.lanes.values() if lane.pieces and self._has_room(lane)]
        return min(waiting) + self.limits.interval if waiting else None

    def take(self, lane: Lane, now: float) -> Flight:
        """Cut the next batch from a lane; what is left of the last piece goes on waiting."""
        taken: list[Batch] = []
        records = nbytes = 0

        while lane.pieces and records < self.limits.records and nbytes < self.limits.nbytes:
            piece = lane.pieces.popleft()
            room = self._room(piece, records, nbytes)

            if room < len(piece):
                lane.pieces.appendleft(piece[room:])
                piece = piece[:room]

            taken.append(piece)
            records += len(piece)
            nbytes += piece.nbytes

        lane.records -= records
        lane.nbytes = sum(piece.nbytes for piece in lane.pieces)
        lane.since = now if lane.records else 0.0
        flight = Flight(Batch.concat(taken), lane)
        lane.flights.append(flight)
        self.flights += 1
        return flight

    def settle(self, flight: Flight, records: int) -> None:
        """Note that the first `records` of a flight's batch are durable."""
        flight.batch = flight.batch[records:]

    def land(self, flight: Flight) -> None:
        """Forget a flight; what it has not settled is not held any more."""
        lane = flight.lane
        lane.flights.remove(flight)
        self.flights -= 1

        if not lane.flights and not lane.pieces:
            self.lanes.pop(lane.key, None)

    def drop_below(self, lane: Lane, offset: int) -> int:
        """Drop waiting records of a one-partition lane below an offset, as they are durable already; return how many."""
        dropped = 0

        while lane.pieces and lane.pieces[0].offsets[0] < offset:
            piece = lane.pieces.popleft()
            cut = bisect_left(piece.offsets, offset)
            dropped += cut

            if cut < len(piece):
                lane.pieces.appendleft(piece[cut:])

        lane.nbytes = sum(piece.nbytes for piece in lane.pieces)
        lane.records -= dropped
        return dropped

    def drop(self, partitions: Collection[TopicPartition]) -> None:
        """Drop all that waits of these partitions, and hold what is in flight no longer."""
        for key, lane in list(self.lanes.items()):
            for flight in lane.flights:
                flight.dropped.update(flight.partitions.intersection(partitions))

            lane.pieces = deque(part for piece in lane.pieces for part in _without(piece, partitions))
            lane.nbytes = sum(piece.nbytes for piece in lane.pieces)
            lane.records = sum(map(len, lane.pieces))

            if not lane.flights and not lane.pieces:
                del self.lanes[key]

    def lowest(self, tp: TopicPartition) -> int | None:
        """Return the lowest offset of a partition that is not durable yet; None if all that was read is.

        In a MIXED lane it counts from what was read, tombstones included, which needs no look at the records.
        """
        offsets = (
            span.first_offset if key[0] is None else batch.offsets[span.start]
            for key, lane in self.lanes.items()
            if key[0] in (None, tp)
            for batch, span in lane.outstanding()
            if span.tp == tp and span.start < span.stop
        )
        return min(offsets, default=None)

    def holding_back(self, tp: TopicPartition) -> Lane | None:
        """Return the lane in which the lowest offset of a partition waits."""
        lanes = [lane for lane in self.lanes.values() if lane.key[0] == tp and lane.pieces and not lane.flights]
        return min(lanes, key=lambda lane: lane.pieces[0].offsets[0], default=None)

    def _has_room(self, lane: Lane) -> bool:
        return len(lane.flights) < self.limits.in_flight_per_lane

    def _is_due(self, lane: Lane, now: float) -> bool:
        limits = self.limits
        full = lane.records >= limits.records or lane.nbytes >= limits.nbytes
        return full or now >= lane.since + limits.interval

    def _room(self, piece: Batch, records: int, nbytes: int) -> int:
        room = min(len(piece), self.limits.records - records)

        if nbytes + piece.nbytes > self.limits.nbytes:
            room = min(room, (self.limits.nbytes - nbytes) * len(piece) // piece.nbytes)

        return max(room, 1)


def _is_among(lane: Lane, partitions: Collection[TopicPartition]) -> bool:
    if lane.key[0] is not None:
        return lane.key[0] in partitions

    return any(span.tp in partitions for piece in lane.pieces for span in piece.spans)


def _without(piece: Batch, partitions: Collection[TopicPartition]) -> Iterator[Batch]:
    for span in piece.spans:
        if span.tp not in partitions:
            yield piece[span.start : span.stop]
