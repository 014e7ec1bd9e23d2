"""Lanes: queues of records that have to be written in order, and what of them is on its way. Pure.

`Lanes` finds what is asked for at every turn, with a thousand lanes as with one: it keeps account of every change, and looks
at all lanes only where something is to be chosen among all.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.records import Batch, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, ValuesView

    from streamhouse_connect.records import Span

__all__ = ["PIECE_OVERHEAD", "RECORD_OVERHEAD", "Flight", "Lane", "LaneKey", "Lanes"]

RECORD_OVERHEAD: Final = 320
"""Bytes that a record takes up besides its key and value: the objects they are in (of a message of librdkafka, 315)."""

PIECE_OVERHEAD: Final = 1000
"""Bytes that a part of a batch takes up besides its records, which counts where a batch falls apart into a hundred paths."""

LaneKey = tuple[TopicPartition | None, str]


@attrs.define(eq=False)
class Flight:
    """A batch being written; `batch` shrinks from its front as parts of it become durable.

    What is in it of `dropped` partitions is not ours any more: it is not held, and whatever becomes of it is not counted.
    """

    batch: Batch
    lane: Lane
    since: float = 0.0
    """When the oldest record that is not durable came."""
    filled_at: float | None = None
    """When it was taken from a lane that was full: its last records came just then. None: it was not full."""
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
    is_cut: bool = False
    """The first piece is the next batch."""

    def outstanding(self) -> Iterator[tuple[Batch, Span]]:
        """Yield what is not durable yet, in order."""
        for flight in self.flights:
            yield from ((flight.batch, span) for span in flight.batch.spans if span.tp not in flight.dropped)

        for piece in self.pieces:
            yield from ((piece, span) for span in piece.spans)

    def lowest(self, tp: TopicPartition) -> int | None:
        """Return the lowest offset of a partition that is not durable yet.

        In a lane of several partitions it counts from what was read, tombstones included, which needs no look at the records.
        """
        if self.key[0] is None:
            spans = (span for _, span in self.outstanding() if span.tp == tp and span.start < span.stop)
            return next((span.first_offset for span in spans), None)

        for flight in self.flights:
            if len(flight.batch) and not flight.dropped:
                return flight.batch.offsets[0]

        return self.pieces[0].offsets[0] if self.pieces else None

    def holds_any(self, partitions: Collection[TopicPartition]) -> bool:
        """Tell whether something of these partitions waits in it."""
        if self.key[0] is not None:
            return self.key[0] in partitions

        return any(span.tp in partitions for piece in self.pieces for span in piece.spans)

    def flying(self) -> int:
        """Return the bytes of memory that its flights hold, if it is one partition's."""
        return sum(_nbytes(flight.batch) for flight in self.flights if not flight.dropped)

    def occupied(self) -> int:
        """Return the bytes of memory that it holds, if it is one partition's."""
        return self.flying() + self.nbytes + RECORD_OVERHEAD * self.records + PIECE_OVERHEAD * len(self.pieces)


@attrs.define(eq=False)
class Lanes:
    """All lanes of a task, by their keys. `changed` has to be told of every change of one."""

    _all: dict[LaneKey, Lane] = attrs.field(factory=dict, init=False)
    _of: dict[TopicPartition | None, dict[LaneKey, Lane]] = attrs.field(factory=dict, init=False)
    _waiting: OrderedDict[LaneKey, Lane] = attrs.field(factory=OrderedDict, init=False)
    """Those in which records wait, the one that waits longest first."""
    _open: Counter[TopicPartition | None] = attrs.field(factory=Counter, init=False)
    _occupied: dict[LaneKey, int] = attrs.field(factory=dict, init=False)
    _held: Counter[TopicPartition] = attrs.field(factory=Counter, init=False)

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, key: LaneKey) -> Lane:
        return self._all[key]

    def __iter__(self) -> Iterator[Lane]:
        return iter([*self._all.values()])

    def at(self, key: LaneKey) -> Lane:
        """Return the lane of this key; it is made if there is none."""
        lane = self._all.get(key)

        if lane is None:
            lane = self._all[key] = Lane(key)
            self._of.setdefault(key[0], {})[key] = lane

        return lane

    def of(self, tp: TopicPartition | None) -> Collection[Lane]:
        """Return the lanes of one partition; of None those that several share."""
        return self._of.get(tp, {}).values()

    @property
    def waiting(self) -> ValuesView[Lane]:
        """Those in which records wait, the one that waits longest first."""
        return self._waiting.values()

    @property
    def open(self) -> Mapping[TopicPartition | None, int]:
        """In how many lanes of a partition records wait."""
        return self._open

    def held(self) -> dict[TopicPartition, int]:
        """Return the bytes of memory that are held of each partition: waiting and in flight."""
        found = +self._held

        for lane in self.of(None):
            for batch, span in lane.outstanding():
                found[span.tp] += _nbytes(batch) * (span.stop - span.start) // (len(batch) or 1)

        return found

    def changed(self, lane: Lane, *, since: float | None = None) -> None:
        """Take note of a change; `since` is the time at which what waits in it came, if that is another than before."""
        key = lane.key

        if since is not None:
            lane.since = since

        if lane.pieces and key not in self._waiting:
            self._waiting[key] = lane
            self._open[key[0]] += 1

        elif not lane.pieces and key in self._waiting:
            del self._waiting[key]
            self._open[key[0]] -= 1

        if since is not None and lane.pieces:
            self._waiting.move_to_end(key, last=since > -math.inf)

        if key[0] is not None:
            occupied = lane.occupied()
            self._held[key[0]] += occupied - self._occupied.get(key, 0)
            self._occupied[key] = occupied

        if not lane.flights and not lane.pieces:
            self._forget(key)

    def order(self) -> None:
        """Order what waits anew, after a lane has got back what had waited before."""
        for lane in sorted(self._waiting.values(), key=lambda lane: lane.since):
            self._waiting.move_to_end(lane.key)

    def _forget(self, key: LaneKey) -> None:
        self._occupied.pop(key, None)

        if self._all.pop(key, None) is not None:
            siblings = self._of[key[0]]
            del siblings[key]

            if not siblings:
                del self._of[key[0]], self._open[key[0]]


def _nbytes(batch: Batch) -> int:
    return batch.nbytes + RECORD_OVERHEAD * len(batch)
