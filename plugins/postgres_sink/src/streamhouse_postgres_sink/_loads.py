"""What one COPY sends, made a chunk at a time: while the server takes one in or works on another batch, the next is made.

Knows the records and the form of the lines; sends nothing itself.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_postgres_sink._shapes import Plan
from streamhouse_postgres_sink._statements import TOMBSTONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg import sql

    from streamhouse_postgres_sink._rows import Decoded, Lines
    from streamhouse_postgres_sink._shapes import Group, Shapes

__all__ = ["Load", "planned", "tails"]

_CHUNK: Final = 500


@attrs.define(eq=False)
class Load:
    """Some of the records of a batch, by their indexes in it, as lines of a form."""

    statement: sql.Composed
    """The COPY that takes the lines."""
    decoded: Decoded
    lines: Lines
    indexes: Sequence[int]
    """Line → index in the batch, from 0."""
    tails: Sequence[bytes] = ()
    """What follows each line; see `tails`."""
    _made: deque[tuple[bytes, dict[int, str]]] = attrs.field(factory=deque, init=False)
    _count: int = attrs.field(default=0, init=False)
    """The number of records whose lines were made."""

    def step(self) -> bool:
        """Make the next lines; return whether there were any to make."""
        indexes = self.indexes[self._count : self._count + _CHUNK]

        if not len(indexes):
            return False

        records, escapes = self.decoded.records, self.decoded.escapes
        data, rejected = self.lines.encode(
            [records[index] for index in indexes],
            escapes=[at for at, index in enumerate(indexes) if index in escapes] if escapes else [],
            tails=self.tails[self._count : self._count + _CHUNK],
        )
        self._made.append((data, {indexes[at]: why for at, why in rejected.items()}))
        self._count += len(indexes)
        return True

    def chunks(self) -> Iterator[tuple[bytes, dict[int, str]]]:
        """Yield lines for COPY, once, and, by index in the batch, why a record has none; if there is any, don't send."""
        while self._made or self.step():
            yield self._made.popleft()

    def rejected(self) -> dict[int, str]:
        """Return why records have no lines, without making any to send."""
        return {index: why for _, rejected in self.chunks() for index, why in rejected.items()}


def planned(shapes: Shapes, decoded: Decoded) -> Plan:
    """Plan for the records that do not delete."""
    if not decoded.tombstones:
        return shapes.plan(decoded.records)

    live = [index for index in range(len(decoded.records)) if index not in decoded.tombstones]
    plan = shapes.plan([decoded.records[index] for index in live])
    return Plan(
        tuple(attrs.evolve(group, indexes=[live[at] for at in group.indexes]) for group in plan.groups),
        plan.unknown,
        {live[at]: why for at, why in plan.rejected.items()},
    )


def tails(groups: Sequence[Group], *, count: int, first: int = 0, shapes: Sequence[tuple[str, ...]]) -> list[bytes]:
    """Return what ends the lines of a stage: each record's number, and the number of its shape in `shapes`.

    Of `count` records those that are in no group are tombstones.
    """
    numbers = [TOMBSTONE] * count

    for group in groups:
        shape = shapes.index(group.names)

        for index in group.indexes:
            numbers[index] = shape

    return [b"\t%d\t%d" % (first + index, shape) for index, shape in enumerate(numbers)]
