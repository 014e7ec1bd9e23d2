"""One table as one connection knows it: how records go to it, and a load, within the transaction of the caller.

Knows nothing of the other tables of a batch, and changes no table.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from streamhouse_connect import RejectedRecords
from streamhouse_postgres_sink._copying import Copying
from streamhouse_postgres_sink._deletes import mark_of, marked
from streamhouse_postgres_sink._loads import Load, planned
from streamhouse_postgres_sink._mapping import gathered, with_nulls
from streamhouse_postgres_sink._rows import Lines
from streamhouse_postgres_sink._shapes import Shapes
from streamhouse_postgres_sink._staging import Staging
from streamhouse_postgres_sink._statements import Statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._config import PostgresConfig
    from streamhouse_postgres_sink._connection import Connection
    from streamhouse_postgres_sink._rows import Decoded
    from streamhouse_postgres_sink._shapes import Group, Plan

__all__ = ["Target"]


class Target:
    """A table that records go to; use `prepare` first."""

    def __init__(self, connection: Connection, table: Table, config: PostgresConfig, *, number: int) -> None:
        """Take a number that no other table of the connection has."""
        mode = config.mode
        self.table = table
        self._connection = connection
        self._config = config
        self._mode = mode
        self._statements = Statements(table, mode=mode, number=number)
        self._shapes = Shapes(table.columns, key=mode.required, update=mode.updates and mode.is_partial)
        self._copying = Copying(connection, table, shows_values=config.shows_values)
        self._staging = Staging(self._copying, statements=self._statements, shapes=self._shapes, rules=config.rules)
        self._nullable = [name for name in self._statements.columns if name not in table.not_null]

    async def prepare(self) -> None:
        """Make the stage, if loads need one."""
        if self._is_staged:
            await self._staging.prepare()

    def plan(self, decoded: Decoded) -> tuple[Decoded, Plan]:
        """Return the records as they are to be loaded, and how."""
        decoded = self._marked(decoded)

        if (column := self._config.unknown_column) is not None:
            decoded = gathered(decoded, known=[column.name for column in self.table.columns], column=column)

        if self._config.missing_fields == "null":
            decoded = with_nulls(decoded, self._nullable)

        plan = planned(self._shapes, decoded)

        if plan.unknown and self._config.unknown_fields == "fail":
            plan = attrs.evolve(plan, rejected={**self._unknown(decoded), **plan.rejected})

        return decoded, plan

    def loads(self, decoded: Decoded, groups: Sequence[Group]) -> list[Load]:
        """Return what is to be copied of the records, as they were planned."""
        if self._goes_to_stage(decoded, groups):
            return [self._staging.staged(decoded, groups)]

        return [
            Load(
                self._statements.copy(group.names),
                decoded,
                Lines(group.columns, self._config.rules, fill=group.is_ragged),
                group.indexes,
            )
            for group in groups
            if group.columns
        ]

    async def load(self, decoded: Decoded, groups: Sequence[Group], loads: Sequence[Load]) -> Counter[str]:
        """Write all the records, as they were planned, by these `loads`; return the events that are to be counted.

        :raises RejectedRecords: PostgreSQL refuses these.
        """
        if self._goes_to_stage(decoded, groups):
            (load,) = loads
            return await self._staging.load(load, groups)

        return await self._load_directly(groups, loads)

    @property
    def _is_staged(self) -> bool:
        return self._mode.is_staged or not self.table.is_copyable

    def _goes_to_stage(self, decoded: Decoded, groups: Sequence[Group]) -> bool:
        return self._is_staged and (bool(decoded.tombstones) or any(group.columns for group in groups))

    def _marked(self, decoded: Decoded) -> Decoded:
        """Say of each record whether its row is deleted, if there is a column for it."""
        column = next((column for column in self.table.columns if column.name == self._mode.soft_column), None)
        mark = column and mark_of(column)
        return marked(decoded, column, mark) if column and mark else decoded

    def _unknown(self, decoded: Decoded) -> dict[int, str]:
        known = {column.name for column in self.table.columns}
        found = {index: record.keys() - known for index, record in enumerate(decoded.records)}
        return {
            index: f"has the field {', '.join(sorted(names))}, for which {self.table.name} has no column (unknown.fields=fail)"
            for index, names in found.items()
            if names
        }

    async def _load_directly(self, groups: Sequence[Group], loads: Sequence[Load]) -> Counter[str]:
        rejected: dict[int, str] = {}
        counts = Counter[str]()

        for load in loads:
            if rejected:  # nothing will be written: only collect what else is wrong
                rejected.update(load.rejected())
                continue

            try:
                await self._copying.send(load, relation=self.table.name.name)
            except RejectedRecords as error:
                rejected.update(error.reasons)

        if rejected:
            raise RejectedRecords(rejected)

        for group in groups:
            if not group.columns:
                made = await self._connection.execute(self._statements.insert_defaults(len(group.indexes)))
                counts["row_ignored"] += len(group.indexes) - made.rowcount

        return counts
