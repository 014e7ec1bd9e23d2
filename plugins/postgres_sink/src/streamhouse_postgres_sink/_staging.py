"""A load through the stage: records in their order, then a statement for each shape that makes rows of them.

    COPY → (lock) → (fold) → (delete) → merge …

What is in brackets is for batches whose records differ in their fields, or delete. All of it is one transaction, which is the
caller's.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from streamhouse_postgres_sink._folding import firsts, folding
from streamhouse_postgres_sink._loads import Load, tails
from streamhouse_postgres_sink._merges import Merges
from streamhouse_postgres_sink._rows import Lines
from streamhouse_postgres_sink._shapes import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import sql

    from streamhouse_postgres_sink._cells import Rules
    from streamhouse_postgres_sink._copying import Copying
    from streamhouse_postgres_sink._rows import Decoded
    from streamhouse_postgres_sink._shapes import Shapes
    from streamhouse_postgres_sink._statements import Statements

__all__ = ["Staging"]


class Staging:
    """Loads records into a table through the stage of one connection."""

    def __init__(self, copying: Copying, *, statements: Statements, shapes: Shapes, rules: Rules) -> None:
        self._copying = copying
        self._connection = copying.connection
        self._table = copying.table
        self._statements = statements
        self._merges = Merges(statements)
        self._shapes = shapes
        self._rules = rules
        self._mode = statements.mode

    async def prepare(self) -> None:
        """Make the stage, unless each transaction has to make its own."""
        if not self._connection.is_pooled:
            await self._create()

    def staged(self, decoded: Decoded, groups: Sequence[Group]) -> Load:
        """Return how the records come to the stage; those in no group delete."""
        every = [*groups, *([self._tombstones] if decoded.tombstones else [])]
        columns = self._shapes.union(every)
        shapes = [group.names for group in groups]

        return Load(
            self._statements.copy_to_stage([column.name for column in columns]),
            decoded,
            Lines(columns, self._rules, fill=len(every) > 1 or every[0].is_ragged),
            range(len(decoded.records)),
            tails(groups, count=len(decoded.records), shapes=shapes),
        )

    async def load(self, load: Load, groups: Sequence[Group]) -> Counter[str]:
        """Write the records, which are `staged`; return what is to be counted."""
        decoded = load.decoded
        differ = len(groups) > 1 or bool(decoded.tombstones)
        shapes = [group.names for group in groups]
        counts = Counter[str]()

        if self._connection.is_pooled:
            await self._create()

        await self._copying.send(load, relation=self._statements.stage)

        if (older := self._merges.count_older()) is not None:
            counts["row_older"] = await self._count(older)

        if self._mode.insert == "update":
            counts["row_missing"] = await self._count(self._merges.count_missing())
        elif differ and self._mode.insert == "upsert":
            await self._connection.execute(self._merges.lock())

        if differ and self._mode.key:
            await self._fold(load, shapes)

        if decoded.tombstones:
            await self._connection.execute(self._merges.delete())

        statements = [self._merges.merge(present, shape=shape) for shape, present in enumerate(shapes)]
        written = sum([(await self._connection.execute(statement)).rowcount for statement in statements if statement])

        if self._mode.insert == "insert_ignore":
            counts["row_ignored"] = len(decoded.records) - written

        return counts

    async def _create(self) -> None:
        async with self._connection.pipeline():
            for statement in self._statements.create_stage(is_lasting=not self._connection.is_pooled):
                await self._connection.execute(statement)

    async def _fold(self, load: Load, shapes: list[tuple[str, ...]]) -> None:
        """Make one row of all the rows of a key that differ in shape."""
        decoded = load.decoded
        rows = await (await self._connection.execute(self._merges.mixed_keys())).fetchall()

        if not rows:
            return

        if self._mode.insert == "insert_ignore":
            found = firsts(rows)
        else:
            found = folding(
                rows,
                tombstones=decoded.tombstones,
                is_soft=self._mode.soft_column is not None,
                is_partial=self._mode.is_partial,
            )

        await self._connection.execute(self._statements.discard(), [found.discarded])

        if not found.runs:
            return

        folded = decoded.folded(found.runs)
        groups = self._shapes.plan(folded.records).groups
        shapes += [group.names for group in groups if group.names not in shapes]
        ends = tails(groups, count=len(found.runs), first=len(decoded.records), shapes=shapes)
        more = attrs.evolve(load, decoded=folded, indexes=range(len(found.runs)), tails=ends)
        await self._copying.send(more, relation=None)

    async def _count(self, statement: sql.Composed) -> int:
        ((count,),) = await (await self._connection.execute(statement)).fetchall()
        return int(count)

    @property
    def _tombstones(self) -> Group:
        names = (*self._mode.key, self._mode.soft_column)
        return Group(tuple(column for column in self._table.columns if column.name in names), ())
