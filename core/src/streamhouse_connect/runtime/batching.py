"""The buffers between reading and writing: what waits, what is due, and what is not durable yet. Pure: no clock, no I/O.

A lane is a queue of records that have to be written in order: one for all with `Batching.MIXED`, one for each partition and
path with `Batching.PER_ROUTE`. Records are first pieces in a lane, then part of a flight, then durable:

    add → Lane.pieces (→ ahead) → take → Flight → settle
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.records import Batch
from streamhouse_connect.runtime.lanes import Flight, Lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.lanes import Lane, LaneKey

__all__ = ["Batcher", "Limits"]

_HURRIED_SHARE: Final = 4


@attrs.frozen
class Limits:
    """When a lane is due, and how much may be on its way; `interval` is in seconds.

    `open_lanes` is how many lanes may have records waiting (None: any number), but each partition may have one.
    """

    records: int
    nbytes: int
    interval: float
    in_flight: int
    in_flight_per_lane: int
    open_lanes: int | None = None


@attrs.define(eq=False)
class Batcher:
    """All lanes of a task."""

    limits: Limits
    wanted: Callable[[TopicPartition, str], int | None] = lambda _tp, _path: None
    """The size at which the sink would have a route's batches cut, within `limits`; None: it does not know."""
    lanes: Lanes = attrs.field(factory=Lanes, init=False)
    flights: int = attrs.field(default=0, init=False)
    _full: dict[LaneKey, Lane] = attrs.field(factory=dict, init=False)

    def held(self) -> dict[TopicPartition, int]:
        """Return the bytes of memory that are held of each partition: waiting and in flight."""
        return self.lanes.held()

    def add(self, key: LaneKey, piece: Batch, now: float) -> None:
        """Queue records behind those of their lane."""
        lane = self.lanes.at(key)
        since = None if lane.pieces else now
        lane.pieces.append(piece)
        lane.records += len(piece)
        lane.nbytes += piece.nbytes
        self._changed(lane, since=since)

    def due(
        self,
        now: float,
        *,
        flush: Collection[TopicPartition] = (),
        crowding: Collection[TopicPartition] = (),
    ) -> Lane | None:
        """Return the lane to write from next: full, too old, or of a partition to be flushed; None: nothing may be written.

        A MIXED lane is flushed up to the last record of such a partition. If nothing else is due it is the largest lane of a partition that takes up too much
        memory, unless much of it is on the way already; or else, with too many lanes open, the one that is open longest.
        """
        if self.flights >= self.limits.in_flight:
            return None

        if flush and (lane := next((lane for lane in self._ready() if lane.holds_any(flush)), None)):
            return lane

        due = [lane for lane in self._full.values() if self._has_room(lane)]
        oldest = next(self._ready(), None)

        if oldest is not None and now >= oldest.since + self.limits.interval:
            due.append(oldest)

        if due:
            return min(due, key=lambda lane: lane.since)

        return self._crowding(crowding) or self._too_many()

    def next_due(self) -> float | None:
        """Return the time at which the next lane will be due by age; None if nothing waits that could be written."""
        if self.flights >= self.limits.in_flight:
            return None

        oldest = next(self._ready(), None)
        return oldest.since + self.limits.interval if oldest else None

    def take(self, lane: Lane, now: float) -> Flight:
        """Cut the next batch from a lane; what is left of the last piece goes on waiting."""
        since, filled_at = lane.since, now if self._is_full(lane) else None
        flight = Flight(self._cut(lane), lane, since, filled_at)
        lane.flights.append(flight)
        self.flights += 1
        self._recount(lane, since=now)
        return flight

    def ahead(self) -> Batch | None:
        """Cut the batch that `take` will return from the lane of several partitions, if that is full but has to wait; only once.

        It goes on waiting; should records be dropped, another will be cut.
        """
        for lane in self.lanes.of(None):
            if lane.key in self._full and not self._has_room(lane) and not lane.is_cut:
                batch = self._cut(lane)
                lane.pieces.appendleft(batch)
                lane.is_cut = True
                self._recount(lane)
                return batch

        return None

    def settle(self, flight: Flight, records: int) -> None:
        """Note that the first `records` of a flight's batch are durable."""
        flight.batch = flight.batch[records:]

        if flight.filled_at is not None:
            flight.since = flight.filled_at

        self._changed(flight.lane)

    def give_back(self, flight: Flight) -> None:
        """Put what a flight has not settled in front of its lane again."""
        lane, rest = flight.lane, flight.batch
        flight.batch = rest[:0]
        lane.pieces.appendleft(rest)
        self._recount(lane, since=flight.since)
        self.lanes.order()

    def land(self, flight: Flight) -> None:
        """Forget a flight; what it has not settled is not held any more."""
        flight.lane.flights.remove(flight)
        self.flights -= 1
        self._changed(flight.lane)

    def drop_below(self, lane: Lane, offset: int) -> int:
        """Drop waiting records of a one-partition lane below an offset, as they are durable already; return how many."""
        before = lane.records

        while lane.pieces and lane.pieces[0].offsets[0] < offset:
            piece = lane.pieces.popleft()
            cut = bisect_left(piece.offsets, offset)

            if cut < len(piece):
                lane.pieces.appendleft(piece[cut:])

        self._recount(lane)
        return before - lane.records

    def drop(self, partitions: Collection[TopicPartition]) -> None:
        """Drop all that waits of these partitions, and hold what is in flight no longer."""
        for lane in self.lanes:
            if lane.key[0] is not None and lane.key[0] not in partitions:
                continue

            for flight in lane.flights:
                flight.dropped.update(flight.partitions.intersection(partitions))

            lane.pieces = deque(part for piece in lane.pieces for part in _without(piece, partitions))
            lane.is_cut = False
            self._recount(lane)

    def lowest(self, tp: TopicPartition) -> int | None:
        """Return the lowest offset of a partition that is not durable yet; None if all that was read is."""
        lanes = (*self.lanes.of(tp), *self.lanes.of(None))
        return min((offset for lane in lanes if (offset := lane.lowest(tp)) is not None), default=None)

    def hurry(self, tp: TopicPartition) -> bool:
        """Make the lanes that hold the lowest offsets of a partition due at once; return whether there are such.

        It is the lane that holds the lowest, and of many lanes a quarter: as many paths as are written above that offset in the
        meantime, so many marks are added. While some of them have yet to be written it is none.
        """
        waiting = [lane for lane in self.lanes.of(tp) if lane.pieces and not lane.flights]

        if not waiting or any(lane.since == -math.inf for lane in waiting):
            return False

        waiting.sort(key=lambda lane: lane.pieces[0].offsets[0])

        for lane in reversed(waiting[: max(1, len(waiting) // _HURRIED_SHARE)]):  # the lowest is to be the first
            self._changed(lane, since=-math.inf)

        return True

    def _ready(self) -> Iterator[Lane]:
        """Yield the lanes from which something may be written, the one that waits longest first."""
        return (lane for lane in self.lanes.waiting if self._has_room(lane))

    def _cut(self, lane: Lane) -> Batch:
        if lane.is_cut:  # by bytes it might be cut otherwise a second time
            lane.is_cut = False
            return lane.pieces.popleft()

        taken: list[Batch] = []
        records = nbytes = 0
        most = self._most_bytes(lane)

        while lane.pieces and records < self.limits.records and nbytes < most:
            piece = lane.pieces.popleft()
            room = self._room(piece, records, nbytes, most)

            if room < len(piece):
                lane.pieces.appendleft(piece[room:])
                piece = piece[:room]

            taken.append(piece)
            records += len(piece)
            nbytes += piece.nbytes

        return Batch.concat(taken)

    def _crowding(self, partitions: Collection[TopicPartition]) -> Lane | None:
        """Return the largest lane of partitions that take up too much memory, unless half of that is on its way already."""
        if not partitions:
            return None

        held = self.lanes.held()
        pressing = [
            lane
            for tp in partitions
            if sum(lane.flying() for lane in self.lanes.of(tp)) * 2 < held.get(tp, 0)
            for lane in self.lanes.of(tp)
        ]
        mixed = [lane for lane in self.lanes.of(None) if not lane.flights and lane.holds_any(partitions)]
        ready = (lane for lane in (*pressing, *mixed) if lane.pieces and self._has_room(lane))
        return max(ready, key=lambda lane: lane.nbytes, default=None)

    def _too_many(self) -> Lane | None:
        """Return the lane that is open longest, if more are open than may be, of a partition that has several.

        The longest, not the largest: lanes that fill slowly would stay, and leave no room to those that fill fast. It also keeps
        few paths written above the offset that can be committed.
        """
        if self.limits.open_lanes is None or len(self.lanes.waiting) <= self.limits.open_lanes:
            return None

        return next((lane for lane in self._ready() if self.lanes.open[lane.key[0]] > 1), None)

    def _has_room(self, lane: Lane) -> bool:
        return len(lane.flights) < self.limits.in_flight_per_lane

    def _recount(self, lane: Lane, *, since: float | None = None) -> None:
        lane.nbytes = sum(piece.nbytes for piece in lane.pieces)
        lane.records = sum(map(len, lane.pieces))
        self._changed(lane, since=since)

    def _changed(self, lane: Lane, *, since: float | None = None) -> None:
        self.lanes.changed(lane, since=since)

        if lane.pieces and self._is_full(lane):
            self._full[lane.key] = lane
        else:
            self._full.pop(lane.key, None)

    def _is_full(self, lane: Lane) -> bool:
        return lane.records >= self.limits.records or lane.nbytes >= self._most_bytes(lane)

    def _most_bytes(self, lane: Lane) -> int:
        tp, path = lane.key
        wanted = None if tp is None else self.wanted(tp, path)
        return self.limits.nbytes if wanted is None else min(wanted, self.limits.nbytes)

    def _room(self, piece: Batch, records: int, nbytes: int, most: int) -> int:
        room = min(len(piece), self.limits.records - records)

        if nbytes + piece.nbytes > most:
            room = min(room, (most - nbytes) * len(piece) // piece.nbytes)

        return max(room, 1)


def _without(piece: Batch, partitions: Collection[TopicPartition]) -> Iterator[Batch]:
    for span in piece.spans:
        if span.tp not in partitions:
            yield piece[span.start : span.stop]
