"""How far each partition is delivered, by what the database itself says. Pure: no SQL, no I/O.

A task claims its partitions, which begins a new generation of their rows, and remembers every row as it last read or wrote it.
Each transaction locks its rows, and compares them with what is remembered:

    equal                            write the records, and move the row to the end of what they cover
    own generation, further on       our own commit, whose answer was lost: leave out what it wrote, write the others
    another generation, behind, gone another task's, or a database that was restored: `Superseded`
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import attrs

from streamhouse_connect import Superseded, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from streamhouse_connect import Batch

__all__ = ["Key", "Move", "Moved", "Offsets", "Row", "compare"]

Key = tuple[str, int]
"""What tells the rows of one connector apart: the topic's id, and the partition."""


@attrs.frozen
class Row:
    """What the database says of a partition; `next_offset` is None where it says nothing, and the broker's commit counts."""

    generation: int
    next_offset: int | None

    def is_ahead_of(self, other: Row) -> bool:
        """True if only commits of its owner lie between."""
        return self.generation == other.generation and self.floor > other.floor

    @property
    def floor(self) -> int:
        """The offset below which nothing is to be written."""
        return -1 if self.next_offset is None else self.next_offset


@attrs.frozen
class Move:
    """A row as it has to be found, and the offset that a transaction moves it to."""

    tp: TopicPartition
    topic_id: str
    before: Row
    next_offset: int

    @property
    def key(self) -> Key:
        """The row's key."""
        return self.topic_id, self.tp.partition

    @property
    def after(self) -> Row:
        """The row as it is then."""
        return attrs.evolve(self.before, next_offset=self.next_offset)


class Moved(Exception):  # noqa: N818 - not an error: what was to be written is there
    """Commits whose answers were lost have moved these rows; nothing was written this time."""

    def __init__(self, rows: Mapping[TopicPartition, Row]) -> None:
        self.rows = rows
        super().__init__(", ".join(str(tp) for tp in sorted(rows)))


@attrs.frozen(eq=False)
class Offsets:
    """The rows of one task's partitions, as it last read or wrote them."""

    topic_ids: Mapping[str, str]
    _rows: dict[TopicPartition, Row] = attrs.field(factory=dict, init=False)

    def learn(self, rows: Mapping[TopicPartition, Row]) -> None:
        """Remember rows that were read."""
        self._rows.update(rows)

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Write nothing of these partitions until they are claimed again."""
        for tp in partitions:
            self._rows.pop(tp, None)

    def moves(self, batch: Batch) -> list[Move]:
        """Return how a transaction that writes the batch moves its rows, in the order in which they are locked.

        :raises Superseded: for partitions that are not claimed.
        """
        ends: dict[TopicPartition, int] = {}

        for span in batch.spans:
            ends[span.tp] = max(span.next_offset, ends.get(span.tp, 0))

        if unclaimed := ends.keys() - self._rows.keys():
            raise Superseded(unclaimed)

        return self._in_order(
            Move(tp, self.topic_ids[tp.topic], row := self._rows[tp], max(end, row.floor)) for tp, end in ends.items()
        )

    def skips(self, offsets: Mapping[TopicPartition, int]) -> list[Move]:
        """Return the moves to these offsets, of those rows that are ours and not there yet."""
        return self._in_order(
            Move(tp, self.topic_ids[tp.topic], self._rows[tp], end)
            for tp, end in offsets.items()
            if tp in self._rows and end > self._rows[tp].floor
        )

    def moved(self, moves: Collection[Move]) -> None:
        """Note that a transaction has committed; what was forgotten meanwhile stays forgotten."""
        self._rows.update({move.tp: move.after for move in moves if self._rows.get(move.tp) == move.before})

    def missing(self, batch: Batch) -> Sequence[int]:
        """Return the indexes of the records that the database does not hold yet."""
        floors = [row.floor if (row := self._rows.get(span.tp)) else -1 for span in batch.spans]

        if all(span.first_offset >= floor for span, floor in zip(batch.spans, floors, strict=True)):
            return range(len(batch))  # as nearly always, without a look at the records

        starts = [
            bisect_left(batch.offsets, floor, span.start, span.stop)
            for span, floor in zip(batch.spans, floors, strict=True)
        ]
        return [index for span, start in zip(batch.spans, starts, strict=True) for index in range(start, span.stop)]

    @staticmethod
    def _in_order(moves: Iterable[Move]) -> list[Move]:
        return sorted(moves, key=lambda move: move.key)


def compare(moves: Collection[Move], rows: Mapping[Key, Row]) -> None:
    """Compare rows that were locked with what was remembered of them.

    :raises Superseded: for partitions that are another task's, or whose rows are behind what was written, or gone.
    :raises Moved: if there are none of those, but own rows are further on.
    """
    others = {move.tp: rows.get(move.key) for move in moves if rows.get(move.key) != move.before}
    ahead = {move.tp: row for move in moves if (row := others.get(move.tp)) and row.is_ahead_of(move.before)}

    if lost := others.keys() - ahead.keys():
        raise Superseded(lost)

    if ahead:
        raise Moved(ahead)
