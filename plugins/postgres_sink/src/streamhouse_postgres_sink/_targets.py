"""The tables that one connection writes to: found in the catalogue, made and changed where records need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_connect import FatalError, RejectedRecords
from streamhouse_postgres_sink._catalogue import find_table
from streamhouse_postgres_sink._changes import change
from streamhouse_postgres_sink._domains import with_bases
from streamhouse_postgres_sink._evolution import add_columns, additions, create_table, widen
from streamhouse_postgres_sink._fitness import Needs, absence, check
from streamhouse_postgres_sink._loads import planned
from streamhouse_postgres_sink._probing import probe, with_writable
from streamhouse_postgres_sink._shapes import Shapes
from streamhouse_postgres_sink._table_config import METADATA
from streamhouse_postgres_sink._target import Target
from streamhouse_postgres_sink._types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from psycopg.sql import Composed

    from streamhouse_connect import SinkContext
    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._config import PostgresConfig
    from streamhouse_postgres_sink._connection import Connection
    from streamhouse_postgres_sink._evolution import Additions
    from streamhouse_postgres_sink._loads import Load
    from streamhouse_postgres_sink._names import TableName
    from streamhouse_postgres_sink._parts import Part
    from streamhouse_postgres_sink._rows import Decoded, Fields
    from streamhouse_postgres_sink._shapes import Plan

__all__ = ["Targets", "Work", "needs_of"]


@attrs.frozen
class Work:
    """What a part of a batch means for its table."""

    part: Part
    target: Target
    decoded: Decoded
    plan: Plan
    loads: Sequence[Load]


class Targets:
    """Tables by name, as the connection knows them."""

    def __init__(self, connection: Connection, config: PostgresConfig, context: SinkContext) -> None:
        self._connection = connection
        self._config = config
        self._mode = config.mode
        self._log = context.log
        self._needs = needs_of(config)
        self._targets: dict[TableName, Target] = {}
        self._found: dict[TableName, Table] = {}
        """What the catalogue says of the tables; those of the targets know more."""
        self._numbers: dict[TableName, int] = {}

    async def read(self, names: Iterable[TableName]) -> None:
        """Read the catalogue anew.

        :raises FatalError: if a table is not there, and is not to be made, or is not fit for the configuration.
        """
        self._targets.clear()

        for name in dict.fromkeys(names):
            await self._read(name)

    @property
    def tables(self) -> list[Table]:
        """Those that there are, as they were when they were read."""
        return [target.table for target in self._targets.values()]

    async def fit(self, part: Part) -> Work | None:
        """Plan for records, once their table has columns for them; None if there is nothing to do for lack of a table.

        :raises FatalError: see `read` and `change`.
        :raises RejectedRecords: no table can be as these need it.
        """
        target = self._targets.get(part.table) or await self._read(part.table) or await self._create(part)

        if target is None:
            return None

        work = _work(part, target)

        if work.plan.unknown and self._config.adds_columns and await self._add(part, target):
            return _work(part, self._targets[part.table])

        return work

    def fitting(self, part: Part) -> Work | None:
        """Plan for records beforehand; None if their table may have to be made or changed for them."""
        target = self._targets.get(part.table)
        work = _work(part, target) if target else None
        return None if work and work.plan.unknown and self._config.adds_columns else work

    def knows(self, work: Work) -> bool:
        """Tell whether the table of work that was planned beforehand is still what it was then."""
        return self._targets.get(work.part.table) is work.target

    async def have_changed(self, parts: Iterable[Part]) -> bool:
        """Tell whether a table of these parts is not what it was when it was read; who is changing one is waited for."""
        found = [self._found[part.table] for part in parts if part.table in self._targets]
        return any([await find_table(self._connection, table.name, waits=True) != table for table in found])

    async def widen(self, parts: Collection[Part]) -> bool:
        """Make columns wide enough for records that were refused; false if that is not what they need."""
        is_wider = False

        for part in parts:
            if part.table not in self._targets:
                continue

            records = [record for _, record in _live(part.decoded)]
            inserts = self._mode.insert != "update"

            def decide(table: Table | None) -> Composed | None:
                return widen(table, records, key=self._mode.key, inserts=inserts) if table else None  # noqa: B023 - called at once

            if decide(self._targets[part.table].table) is not None:
                await self._change(part.table, decide)
                is_wider = True

        return is_wider

    async def _read(self, name: TableName) -> Target | None:
        self._targets.pop(name, None)
        table = await find_table(self._connection, name)

        if table is None:
            if self._config.auto_create:
                return None

            raise FatalError(absence(name))

        self._found[name] = table
        table = await with_bases(self._connection, await with_writable(self._connection, table))
        check(table, mode=self._mode, needs=self._needs)
        await probe(self._connection, table, mode=self._mode)
        number = self._numbers.setdefault(name, len(self._numbers))
        target = Target(self._connection, table, self._config, number=number)
        await target.prepare()
        self._targets[name] = target
        return target

    async def _create(self, part: Part) -> Target | None:
        """Make a table for records, if there are any that do not delete."""
        if not (records := _live(part.decoded)):
            return None

        shapes = Shapes((), key=self._mode.required, update=False)

        if lacking := planned(shapes, part.decoded).rejected:
            raise RejectedRecords(part.located(lacking))

        types = _types(self._config)
        given = (self._config.unknown_column, self._mode.soft_column, *self._config.metadata.values())
        fixed = {name: types[name] for name in (*self._mode.required, *given) if name is not None and name in types}
        found = additions(records, known=fixed, types=types, room=self._config.max_columns - len(fixed))
        columns = {**found.columns, **fixed}
        untyped = [name for name in self._mode.required if name not in columns]
        rejected = dict(found.rejected)

        if untyped:
            why = f"has null in the field {', '.join(untyped)}, for which a column can't be made of that; see columns.types"
            rejected |= {index: why for index, _ in records if index not in rejected}

        if rejected:
            raise RejectedRecords(part.located(rejected))

        made = create_table(part.table, columns, key=self._mode.key_fields)
        await self._change(part.table, lambda table: None if table else made)
        return self._targets.get(part.table)

    async def _add(self, part: Part, target: Target) -> bool:
        """Add columns for the fields that have none; false if none is needed."""
        records = _live(target.plan(part.decoded)[0])
        types = _types(self._config)

        def lacking(table: Table) -> Additions:
            known = {column.name for column in table.columns}
            return additions(records, known=known, types=types, room=self._config.max_columns - len(known))

        found = lacking(target.table)

        if found.rejected:
            raise RejectedRecords(part.located(found.rejected))

        if not found.columns:
            return False

        def decide(table: Table | None) -> Composed | None:
            columns = lacking(table).columns if table else {}
            return add_columns(table.name, columns) if table and columns else None

        await self._change(part.table, decide)
        return True

    async def _change(self, name: TableName, decide: Callable[[Table | None], Composed | None]) -> None:
        """Change a table, and read the catalogue again: be it for what somebody else has changed."""
        statement = await change(self._connection, name, decide)

        if statement is not None:
            self._log.info("table_changed statement=%s", statement.as_string(None))

        await self._read(name)


def _live(decoded: Decoded) -> list[tuple[int, Fields]]:
    return [(index, record) for index, record in enumerate(decoded.records) if index not in decoded.tombstones]


def _work(part: Part, target: Target) -> Work:
    decoded, plan = target.plan(part.decoded)
    return Work(part, target, decoded, plan, target.loads(decoded, plan.groups))


def needs_of(config: PostgresConfig) -> Needs:
    """Return what tables must have for the options; what is added with the first record need not be there before."""
    metadata = config.metadata
    unknown = config.unknown_column
    kinds = {unknown: ("unknown.fields", Kind.JSONB)} if unknown else {}

    if "ingested_at" in metadata:
        kinds[metadata["ingested_at"]] = ("metadata.columns", Kind.INSTANT)

    columns = {
        "metadata.columns": () if config.adds_columns else tuple(metadata.values()),
        "unknown.fields": (unknown,) if unknown else (),
    }
    return Needs(columns=columns, kinds=kinds, changes=config.auto_evolve != "none")


def _types(config: PostgresConfig) -> Mapping[str, str]:
    """Return the types that columns are given whatever values say."""
    positions = config.key_columns if config.pk_mode == "kafka" else ()
    types = dict(zip(positions, ("text", "integer", "bigint"), strict=bool(positions)))
    types |= {column: METADATA[name] for name, column in config.metadata.items()}
    types |= {config.unknown_column: "jsonb"} if config.unknown_column else {}
    types |= {config.delete_soft_column: "boolean"} if config.delete_soft_column else {}
    return {**types, **config.declared_types}
