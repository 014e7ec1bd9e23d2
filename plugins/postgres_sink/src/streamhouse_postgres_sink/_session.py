"""One connection to the database, the table as this connection knows it, and loads: each one transaction.

    open → prepare → load … → close
              ↑         │
              └── DDL ──┘

A load that fails has written nothing. Where the offsets are kept beside the rows, they move in the same transaction. Who calls
decides what happens after a failure; this module knows nothing of retries.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

import psycopg

from streamhouse_connect import RejectedBatch, RejectedRecords
from streamhouse_postgres_sink._catalogue import check, read_table
from streamhouse_postgres_sink._connection import connect
from streamhouse_postgres_sink._copying import Copying
from streamhouse_postgres_sink._deletes import mark_of, marked
from streamhouse_postgres_sink._errors import Meaning, culprit, meaning, translate
from streamhouse_postgres_sink._ledger import Ledger
from streamhouse_postgres_sink._loads import Load, planned
from streamhouse_postgres_sink._rows import Lines
from streamhouse_postgres_sink._shapes import Shapes
from streamhouse_postgres_sink._staging import Staging
from streamhouse_postgres_sink._statements import Statements
from streamhouse_postgres_sink._url import place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence

    from streamhouse_connect import DeliveryError, SinkContext, TopicPartition
    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._config import PostgresConfig
    from streamhouse_postgres_sink._connection import Connection
    from streamhouse_postgres_sink._offsets import Move, Row
    from streamhouse_postgres_sink._rows import Decoded
    from streamhouse_postgres_sink._shapes import Group

__all__ = ["Session", "StaleCatalogue"]


class StaleCatalogue(Exception):  # noqa: N818 - it is the catalogue that is stale
    """The table has changed since `prepare`; `otherwise` is what to raise if it has not."""

    def __init__(self, otherwise: DeliveryError) -> None:
        self.otherwise = otherwise
        super().__init__(str(otherwise))


class Session:
    """A connection that is ready to load; use `open`, then `prepare`."""

    def __init__(self, connection: Connection, config: PostgresConfig, context: SinkContext) -> None:
        self._connection = connection
        self._config = config
        self._mode = config.mode
        self._context = context
        self._place = place(config.url)
        self._table: Table
        self._shapes: Shapes
        self._statements: Statements
        self._copying: Copying
        self._staging: Staging
        self._ledger: Ledger

    @classmethod
    async def open(cls, config: PostgresConfig, context: SinkContext) -> Session:
        """Connect.

        :raises RetriableError: the server can't be reached.
        :raises FatalError: it can, but not like this.
        """
        return cls(await connect(config, connector=context.connector), config, context)

    async def prepare(self) -> None:
        """Read the catalogue, and make the stage if loads need one, and the table of offsets.

        :raises FatalError: if the table is not there, or is not fit for this configuration.
        """
        with self._translated():
            self._table = await read_table(self._connection, self._config.table)
            check(self._table, mode=self._mode)
            writable = [column.name for column in self._table.columns if column.is_writable]
            self._statements = Statements(self._table.name, columns=writable, mode=self._mode)
            self._shapes = Shapes(self._table.columns, key=self._mode.required, update=self._mode.updates)
            self._copying = Copying(self._connection, self._table, shows_values=self._config.shows_values)
            self._staging = Staging(
                self._copying, statements=self._statements, shapes=self._shapes, rules=self._config.rules
            )
            self._ledger = Ledger(self._connection, self._table.name.schema, self._context)

            if self._config.keeps_offsets:
                await self._ledger.prepare()

            if self._is_staged:
                await self._staging.prepare()

    @property
    def table(self) -> Table:
        """The table, as it was when the session was prepared."""
        return self._table

    async def claim(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Row]:
        """See `Ledger.claim`."""
        with self._translated():
            return await self._ledger.claim(partitions)

    async def set_offsets(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """See `Ledger.set`."""
        with self._translated():
            await self._ledger.set(offsets)

    async def abandon_offsets(self) -> None:
        """See `Ledger.abandon`."""
        with self._translated():
            await self._ledger.abandon()

    async def move(self, moves: Sequence[Move]) -> None:
        """Move offsets without any rows.

        :raises Superseded: see `load`.
        :raises Moved: the same.
        """
        with self._translated():
            async with self._transaction(moves):
                pass

    async def load(self, decoded: Decoded, moves: Sequence[Move]) -> Counter[str]:
        """Write all the records and move their offsets, or do nothing; return the events that are to be counted.

        :raises RejectedRecords: PostgreSQL refuses these.
        :raises RejectedBatch: it refuses one of them.
        :raises Superseded: these partitions are another task's.
        :raises Moved: some of it is there already.
        :raises StaleCatalogue: prepare again, and try again.
        """
        decoded = self._marked(decoded)
        plan = planned(self._shapes, decoded)

        if plan.rejected:
            raise RejectedRecords(plan.rejected)

        with self._translated(count=len(decoded.records)):
            async with self._transaction(moves):
                if self._is_staged and (decoded.tombstones or any(group.columns for group in plan.groups)):
                    counts = await self._staging.load(decoded, plan.groups)
                else:
                    counts = await self._load_directly(decoded, plan.groups)

        counts["unknown_field"] = plan.unknown
        return counts

    async def close(self) -> None:
        """Disconnect at once; harmless to repeat."""
        await self._connection.close()

    @contextlib.asynccontextmanager
    async def _transaction(self, moves: Sequence[Move]) -> AsyncIterator[None]:
        """Commit with the moves made, or roll back."""
        try:
            await (self._ledger.begin(moves) if moves else self._connection.begin())
            yield
            await self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(psycopg.Error):  # a connection that is lost needs none
                await self._connection.rollback()

            raise

    @property
    def _is_staged(self) -> bool:
        return self._mode.is_staged or not self._table.is_copyable

    def _marked(self, decoded: Decoded) -> Decoded:
        """Say of each record whether its row is deleted, if there is a column for it."""
        column = next((column for column in self._table.columns if column.name == self._mode.soft_column), None)
        mark = column and mark_of(column)
        return marked(decoded, column, mark) if column and mark else decoded

    async def _load_directly(self, decoded: Decoded, groups: Sequence[Group]) -> Counter[str]:
        rejected: dict[int, str] = {}
        counts = Counter[str]()

        for group in groups:
            if not group.columns:
                made = await self._connection.execute(self._statements.insert_defaults(len(group.indexes)))
                counts["row_ignored"] += len(group.indexes) - made.rowcount
                continue

            load = Load(decoded, Lines(group.columns, self._config.rules, fill=group.is_ragged), group.indexes)

            if rejected:  # nothing will be written: only collect what else is wrong
                rejected.update(load.rejected())
                continue

            try:
                statement = self._statements.copy(group.names)
                await self._copying.send(statement, load, relation=self._table.name.name)
            except RejectedRecords as error:
                rejected.update(error.reasons)

        if rejected:
            raise RejectedRecords(rejected)

        return counts

    @contextlib.contextmanager
    def _translated(self, *, count: int = 0) -> Iterator[None]:
        """Raise the runtime's errors; `count` is the number of records that the statements are about."""
        try:
            yield
        except psycopg.Error as error:
            found = meaning(error)

            if found is Meaning.RECORD and count:
                why = self._copying.reason(error, culprit(error, relation=None, columns=self._table.columns))
                raise (RejectedRecords({0: why}) if count == 1 else RejectedBatch(why)) from None

            if found is Meaning.STALE:
                raise StaleCatalogue(translate(error, place=self._place)) from error

            raise translate(error, place=self._place) from error
