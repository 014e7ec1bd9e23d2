"""What the catalogue says of the table, and whether the sink can write to it.

Reads only; whether an error means that the catalogue has to be read again is decided elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from psycopg import sql

from streamhouse_connect import FatalError, Problem
from streamhouse_postgres_sink._deletes import mark_of
from streamhouse_postgres_sink._names import TableName
from streamhouse_postgres_sink._types import Column, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg import AsyncConnection

    from streamhouse_postgres_sink._modes import Mode

__all__ = ["Needs", "Schema", "Table", "absence", "check", "find_schema", "find_table", "problems_with", "weakness"]

# Without a schema the search path decides, but no stage of ours is found, as to_regclass would.
# The casts to text take the catalogue's internal types name and "char" to str on every server.
_TABLE: Final = """
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, row_security_active(c.oid),
       ARRAY(SELECT p FROM unnest(ARRAY['INSERT', 'UPDATE', 'SELECT']) p WHERE NOT has_any_column_privilege(c.oid, p)),
       has_database_privilege(current_database(), 'TEMP'), has_table_privilege(c.oid, 'DELETE'), c.relpersistence <> 'u'
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = CASE WHEN %(qualified)s::text IS NOT NULL THEN to_regclass(%(qualified)s) ELSE (
  SELECT r.oid FROM pg_class r JOIN pg_namespace s ON s.oid = r.relnamespace
  WHERE r.relname = %(name)s::name AND s.nspname = ANY(current_schemas(false))
  ORDER BY array_position(current_schemas(false), s.nspname) LIMIT 1
) END
"""

# A domain is what it is made of, in arrays too; a type of another schema that is called jsonb is not jsonb.
_COLUMNS: Final = """
WITH RECURSIVE c AS (
  SELECT attnum, attname, format_type(atttypid, atttypmod) AS type, atttypid AS base,
         atthasdef OR attidentity = 'd' AS has_default, attgenerated = '' AND attidentity <> 'a' AS writable
  FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT attnum, attname, type, typbasetype, has_default OR typdefault IS NOT NULL, writable
  FROM c JOIN pg_type t ON t.oid = base WHERE typtype = 'd'
), elements AS (
  SELECT oid AS array, typelem AS base FROM pg_type WHERE typcategory = 'A' AND oid IN (SELECT base FROM c)
  UNION
  SELECT elements.array, typbasetype FROM elements JOIN pg_type t ON t.oid = base WHERE typtype = 'd'
)
SELECT c.attname::text, c.type,
       CASE WHEN coalesce(e.typnamespace, t.typnamespace) = 'pg_catalog'::regnamespace
            THEN coalesce(e.typname, t.typname)::text ELSE '' END,
       e.oid IS NOT NULL, coalesce(e.typdelim, ',')::text, c.has_default, c.writable
FROM c JOIN pg_type t ON t.oid = c.base AND t.typtype <> 'd'
LEFT JOIN (elements JOIN pg_type e ON e.oid = elements.base AND e.typtype <> 'd') ON elements.array = t.oid AND t.typtype <> 'd'
ORDER BY c.attnum
"""

_NOT_NULL: Final = """
SELECT a.attname::text, a.attidentity <> '' OR a.attgenerated <> '' OR EXISTS (
         SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey))
FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
"""

_UNIQUE: Final = """
SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1]))
FROM pg_index i
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
"""

_SCHEMA: Final = """
SELECT n.nspname::text, has_schema_privilege(n.oid, 'CREATE') FROM pg_namespace n WHERE n.nspname = coalesce(%s, current_schema())
"""

_KINDS: Final = {"r": "table", "p": "partitioned table", "f": "foreign table", "v": "view"}
_TYPES_OF: Final = {
    Kind.JSONB: ("jsonb", {Kind.JSONB, Kind.JSON}),
    Kind.INSTANT: ("timestamptz", {Kind.INSTANT, Kind.TIMESTAMP}),
}
"""The type to make a column of, and the kinds that do as well."""
_OTHER_KINDS: Final = {"m": "a materialized view", "i": "an index", "I": "an index", "S": "a sequence", "c": "a type"}


@attrs.frozen
class Needs:
    """What a table has to offer beside what the mode needs."""

    columns: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """The columns that it must have, by the options that name them."""
    kinds: Mapping[str, tuple[str, Kind]] = attrs.field(factory=dict)
    """The kinds that columns must have if they are there, by column, with the options that name these."""
    changes: bool = False
    """It must be possible to change it."""


@attrs.frozen
class Table:
    """A table that exists."""

    name: TableName
    """With its schema."""
    kind: str
    columns: tuple[Column, ...]
    unique: frozenset[frozenset[str]]
    """The columns of each unique index that ON CONFLICT can use."""
    lacking: tuple[str, ...]
    """The privileges among INSERT, UPDATE and SELECT that the user has on no column."""
    has_row_security: bool
    can_stage: bool
    """The user may create temporary tables."""
    can_delete: bool
    is_logged: bool = True
    """It is as it was after a crash; else it is empty then."""
    not_null: frozenset[str] = frozenset()
    """The columns that are NOT NULL."""
    never_null: frozenset[str] = frozenset()
    """Those of them that can't be otherwise: in the primary key, identities."""

    @property
    def is_copyable(self) -> bool:
        """COPY can write to it."""
        return self.kind != "view" and not self.has_row_security


@attrs.frozen
class Schema:
    """A schema that exists."""

    name: str
    can_create: bool
    """The user may make tables in it."""


async def find_schema(connection: AsyncConnection, name: str | None) -> Schema | None:
    """Read what the catalogue says of a schema; without a name, of the one in which tables without a schema are made."""
    row = await (await connection.execute(_SCHEMA, [name])).fetchone()
    return None if row is None else Schema(*row)


async def find_table(connection: AsyncConnection, name: TableName) -> Table | None:
    """Read what the catalogue says of a table, whether it can be written to or not."""
    wanted = {"name": name.name, "qualified": name.schema and str(name)}
    row = await (await connection.execute(_TABLE, wanted)).fetchone()

    if row is None:
        return None

    oid, schema, relation, kind, secured, lacking, can_stage, can_delete, is_logged = row
    columns = await (await connection.execute(_COLUMNS, [oid])).fetchall()
    unique = await (await connection.execute(_UNIQUE, [oid])).fetchall()
    not_null = await (await connection.execute(_NOT_NULL, [oid])).fetchall()
    return Table(
        name=TableName(schema, relation),
        kind=_KINDS.get(kind) or _OTHER_KINDS.get(kind, "no table"),
        columns=tuple(
            Column(
                name=name,
                type=type_,
                kind=Kind.of(base),
                is_array=is_array,
                delimiter=delimiter,
                has_default=has_default or kind == "v",  # the table's below
                is_writable=is_writable,
            )
            for name, type_, base, is_array, delimiter, has_default, is_writable in columns
        ),
        unique=frozenset(frozenset(names) for (names,) in unique),
        lacking=tuple(lacking),
        has_row_security=secured,
        can_stage=can_stage,
        can_delete=can_delete,
        is_logged=is_logged,
        not_null=frozenset(name for name, _ in not_null),
        never_null=frozenset(name for name, is_fixed in not_null if is_fixed),
    )


def absence(name: TableName) -> str:
    """Say that there is no such table."""
    return f"table {name} does not exist; create it, or correct table.name, or set auto.create=true"


def weakness(table: Table, *, keeps_offsets: bool) -> str | None:
    """Say why less is promised of rows in this table than of others."""
    if table.kind == "foreign table" and keeps_offsets:
        return f"{table.name} is a foreign table, whose rows are not committed together with offsets"

    if not table.is_logged:
        return f"{table.name} is an unlogged table, which PostgreSQL empties after a crash"

    return None


def check(table: Table, *, mode: Mode, needs: Needs) -> None:
    """Verify that rows can be written in this mode.

    :raises FatalError: naming everything that is wrong.
    """
    if problems := list(problems_with(table, mode=mode, needs=needs)):
        raise FatalError("; ".join(problem.message for problem in problems))


def problems_with(table: Table, *, mode: Mode, needs: Needs) -> Iterator[Problem]:
    """Yield why rows can't be written in this mode, by the options to correct."""
    if table.kind not in _KINDS.values():
        yield Problem("table.name", f"{table.name} is {table.kind}; give a table or a view as table.name")
        return

    yield from _troubles(table, mode, needs)
    yield from _wrong_types(table, needs)


def _troubles(table: Table, mode: Mode, needs: Needs) -> Iterator[Problem]:
    lacking = (*table.lacking, *(() if table.can_delete else ("DELETE",)))

    if missing := [privilege for privilege in mode.privileges if privilege in lacking]:
        grant = f"GRANT {', '.join(missing)} ON {table.name} TO the user of connection.url"
        yield Problem("connection.url", f"the user lacks privileges: {grant}")

    if (mode.is_staged or not table.is_copyable) and not table.can_stage:
        grant = "GRANT TEMP ON DATABASE … TO the user of connection.url"
        yield Problem("connection.url", f"the user lacks the privilege TEMP: {grant}")

    columns = {column.name: column for column in table.columns}

    if needs.changes and table.kind in ("view", "foreign table"):
        yield Problem(
            "auto.evolve",
            f"{table.name} is a {table.kind}, which gets no columns by itself: auto.evolve has to be none",
        )

    for option, names in (*mode.columns.items(), *needs.columns.items()):
        if absent := [name for name in names if name not in columns]:
            yield Problem(option, f"{table.name} has no column {', '.join(absent)}; correct {option}")

        if generated := [name for name in names if name in columns and not columns[name].is_writable]:
            listed = ", ".join(generated)
            yield Problem(
                option, f"column {listed} of {table.name} is GENERATED ALWAYS and can't be written; correct {option}"
            )

    if mode.soft_column and (soft := columns.get(mode.soft_column)) and mark_of(soft) is None:
        yield Problem(
            "delete.soft.column",
            f"column {soft.name} of {table.name} is of type {soft.type}, and can't say whether a row is deleted; name one of "
            "type boolean, timestamp or timestamptz as delete.soft.column",
        )

    if (
        mode.needs_index
        and columns.keys() >= set(mode.key)
        and table.kind != "view"
        and frozenset(mode.key) not in table.unique
    ):
        listed = sql.SQL(", ").join(map(sql.Identifier, mode.key)).as_string(None)
        yield Problem(
            "pk.fields",
            f"{table.name} has no unique index on exactly {listed}: CREATE UNIQUE INDEX ON {table.name} ({listed}), "
            "or correct pk.fields",
        )


def _wrong_types(table: Table, needs: Needs) -> Iterator[Problem]:
    for column in table.columns:
        if column.name not in needs.kinds:
            continue

        option, kind = needs.kinds[column.name]
        type_, kinds = _TYPES_OF[kind]

        if column.is_array or column.kind not in kinds:
            yield Problem(
                option,
                f"column {column.name} of {table.name} is of type {column.type}; {option} needs {type_}",
            )
