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
from streamhouse_postgres_sink._catalogue import find_schema
from streamhouse_postgres_sink._connection import connect
from streamhouse_postgres_sink._errors import CHANGED, Meaning, culprit, meaning, reason, translate
from streamhouse_postgres_sink._ledger import Ledger
from streamhouse_postgres_sink._parts import table_of
from streamhouse_postgres_sink._targets import Targets
from streamhouse_postgres_sink._url import place

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from streamhouse_connect import DeliveryError, SinkContext, TopicPartition
    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._config import PostgresConfig
    from streamhouse_postgres_sink._connection import Connection
    from streamhouse_postgres_sink._offsets import Move, Row
    from streamhouse_postgres_sink._parts import Part
    from streamhouse_postgres_sink._targets import Work

__all__ = ["Session", "StaleCatalogue"]


class StaleCatalogue(Exception):  # noqa: N818 - it is the catalogue that is stale
    """The table has changed since `prepare`; `otherwise` is what to raise if it has not. None: it has for certain."""

    def __init__(self, otherwise: DeliveryError | None = None) -> None:
        self.otherwise = otherwise
        super().__init__(str(otherwise or CHANGED))


class Session:
    """A connection that is ready to load; use `open`, then `prepare`."""

    def __init__(self, connection: Connection, config: PostgresConfig, context: SinkContext) -> None:
        self._connection = connection
        self._config = config
        self._context = context
        self._place = place(config.url)
        self._targets = Targets(connection, config, context)
        self._ledger: Ledger

    @classmethod
    async def open(cls, config: PostgresConfig, context: SinkContext) -> Session:
        """Connect.

        :raises RetriableError: the server can't be reached.
        :raises FatalError: it can, but not like this.
        """
        return cls(await connect(config, connector=context.connector), config, context)

    async def prepare(self) -> None:
        """Read the catalogue, and make the stages if loads need any, and the table of offsets.

        :raises FatalError: if a table is not there, or is not fit for this configuration.
        """
        tables = self._config.tables
        names = [tables.name] if tables.is_single else [table_of(topic, tables) for topic in self._context.topic_ids]

        with self._translated():
            await self._targets.read(names)
            self._ledger = Ledger(self._connection, await self._schema(), self._context)

            if self._config.keeps_offsets:
                await self._ledger.prepare()

    @property
    def tables(self) -> list[Table]:
        """The tables that there are, as they were when they were read."""
        return self._targets.tables

    @property
    def has_sent(self) -> asyncio.Event:
        """Set while nothing is to be done but to wait for the server, if for anything."""
        return self._connection.has_sent

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

    def fitting(self, parts: Sequence[Part]) -> list[Work]:
        """Plan for `load` beforehand, as far as no table has to be made or changed."""
        return [work for part in parts if (work := self._targets.fitting(part))]

    async def load(self, parts: Sequence[Part], moves: Sequence[Move], works: Sequence[Work] = ()) -> Counter[str]:
        """Write all the records and move their offsets, or do nothing; return the events that are to be counted.

        `works` are what was planned for them beforehand; each is good for once. Tables are made and changed before, where the configuration says so.

        :raises RejectedRecords: PostgreSQL refuses these.
        :raises RejectedBatch: it refuses one of them.
        :raises Superseded: these partitions are another task's.
        :raises Moved: some of it is there already.
        :raises StaleCatalogue: prepare again, and try again.
        """
        planned = {work.part.table: work for work in works}

        while True:
            with self._translated():
                fitted = [await self._fit(part, planned.pop(part.table, None)) for part in parts]

            try:
                return await self._load([work for work in fitted if work], moves)
            except (RejectedRecords, RejectedBatch) as error:
                with self._translated():
                    if await self._targets.have_changed(parts):
                        raise StaleCatalogue from error

                    if not (self._config.widens_columns and await self._targets.widen(parts)):
                        raise

    async def close(self) -> None:
        """Disconnect at once; harmless to repeat."""
        await self._connection.close()

    async def _fit(self, part: Part, work: Work | None) -> Work | None:
        return work if work and self._targets.knows(work) else await self._targets.fit(part)

    async def _load(self, works: Sequence[Work], moves: Sequence[Move]) -> Counter[str]:
        counts = Counter[str]()

        if rejected := {index: why for work in works for index, why in work.part.located(work.plan.rejected).items()}:
            raise RejectedRecords(rejected)

        with self._translated(works=works):
            async with self._transaction(moves, last=[work.target.table.still for work in works]):
                for work in works:
                    try:
                        with self._translated(works=[work]):
                            counts += await work.target.load(work.decoded, work.plan.groups, work.loads)
                    except RejectedRecords as error:
                        raise RejectedRecords(work.part.located(error.reasons)) from error

        counts["unknown_field"] = sum(work.plan.unknown for work in works)
        return counts

    async def _schema(self) -> str | None:
        """Return the schema in which offsets are kept: that of the table, or in which tables are made."""
        tables = self._config.tables

        if tables.is_single and self._targets.tables:
            return self._targets.tables[0].name.schema

        found = await find_schema(self._connection, tables.name.schema)
        return found.name if found else tables.name.schema

    def _transaction(self, moves: Sequence[Move], *, last: Iterable[bytes] = ()) -> AbstractAsyncContextManager[None]:
        """Commit with the moves made, or roll back."""
        return self._connection.transact(self._begin(moves) if moves else None, last=last)

    async def _begin(self, moves: Sequence[Move]) -> None:
        with self._translated():  # what is refused here is no record
            await self._ledger.begin(moves)

    @contextlib.contextmanager
    def _translated(self, *, works: Sequence[Work] = ()) -> Iterator[None]:
        """Raise the runtime's errors; `works` is what the statements are about."""
        try:
            yield
        except psycopg.Error as error:
            found = meaning(error)
            count = sum(len(work.decoded.records) for work in works)

            if found is Meaning.RECORD and count:
                columns = [column for work in works for column in work.target.table.columns]
                why = reason(
                    error, culprit(error, relation=None, columns=columns), with_values=self._config.shows_values
                )
                raise (RejectedRecords({0: why}) if count == 1 else RejectedBatch(why)) from None

            if found is Meaning.STALE:
                is_certain = CHANGED in (error.diag.message_primary or "")
                raise StaleCatalogue(None if is_certain else translate(error, place=self._place)) from error

            raise translate(error, place=self._place) from error
