"""What the catalogue says of a table or a schema.

Reads only; whether a table will do, and whether an error means that the catalogue has to be read again, is decided elsewhere.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs
from psycopg import sql

from streamhouse_postgres_sink._errors import CHANGED
from streamhouse_postgres_sink._names import TableName
from streamhouse_postgres_sink._types import Column, Kind
from streamhouse_postgres_sink._uniqueness import arbiters, keys, unique_indexes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import AsyncConnection

__all__ = ["Schema", "Table", "find_schema", "find_table"]

_SHAPE: Final = (
    "coalesce(string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod), ',' ORDER BY a.attnum), '')"
)
_ATTRIBUTES: Final = "FROM pg_attribute a WHERE a.attrelid = {} AND a.attnum > 0 AND NOT a.attisdropped"

# Without a schema the search path decides, but no stage of ours is found, as to_regclass would.
# The casts to text take the catalogue's internal types name and "char" to str on every server.
_TABLE: Final = """
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, row_security_active(c.oid),
       ARRAY(SELECT p FROM unnest(ARRAY['INSERT', 'UPDATE', 'SELECT']) p WHERE NOT has_any_column_privilege(c.oid, p)),
       has_database_privilege(current_database(), 'TEMP'), has_table_privilege(c.oid, 'DELETE'), c.relpersistence <> 'u',
       (SELECT {shape} {attributes}),
       ARRAY(SELECT coalesce(a.attname::text, '') FROM pg_partitioned_table t, unnest(t.partattrs::int2[]) AS x (attnum)
             LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.attnum WHERE t.partrelid = c.oid),
       current_user::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = CASE WHEN %(qualified)s::text IS NOT NULL THEN to_regclass(%(qualified)s) ELSE (
  SELECT r.oid FROM pg_class r JOIN pg_namespace s ON s.oid = r.relnamespace
  WHERE r.relname = %(name)s::name AND s.nspname = ANY(current_schemas(false))
  ORDER BY array_position(current_schemas(false), s.nspname) LIMIT 1
) END
""".replace("{shape}", _SHAPE).replace("{attributes}", _ATTRIBUTES.format("c.oid"))

# A domain is what it is made of, in arrays too; a type of another schema that is called jsonb is not jsonb.
_COLUMNS: Final = """
WITH RECURSIVE c AS (
  SELECT attnum, attname, format_type(atttypid, atttypmod) AS type, atttypid AS base, atttypmod AS modifier,
         atthasdef OR attidentity = 'd' AS has_default, attgenerated = '' AND attidentity <> 'a' AS writable
  FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT attnum, attname, type, typbasetype, greatest(modifier, typtypmod), has_default OR typdefault IS NOT NULL, writable
  FROM c JOIN pg_type t ON t.oid = base WHERE typtype = 'd'
), elements AS (
  SELECT oid AS array, typelem AS base, -1 AS modifier FROM pg_type WHERE typcategory = 'A' AND oid IN (SELECT base FROM c)
  UNION
  SELECT elements.array, typbasetype, greatest(modifier, typtypmod) FROM elements JOIN pg_type t ON t.oid = base WHERE typtype = 'd'
)
SELECT c.attname::text, c.type,
       CASE WHEN coalesce(e.typnamespace, t.typnamespace) = 'pg_catalog'::regnamespace
            THEN coalesce(e.typname, t.typname)::text ELSE '' END,
       e.oid IS NOT NULL, coalesce(e.typdelim, ',')::text, c.has_default, c.writable,
       greatest(c.modifier, elements.modifier)
FROM c JOIN pg_type t ON t.oid = c.base AND t.typtype <> 'd'
LEFT JOIN (elements JOIN pg_type e ON e.oid = elements.base AND e.typtype <> 'd') ON elements.array = t.oid AND t.typtype <> 'd'
ORDER BY c.attnum
"""

_NOT_NULL: Final = """
SELECT a.attname::text, a.attidentity <> '' OR a.attgenerated <> '' OR EXISTS (
         SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey)),
       a.attidentity <> ''
FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
"""

_SCHEMA: Final = """
SELECT n.nspname::text, has_schema_privilege(n.oid, 'CREATE') FROM pg_namespace n WHERE n.nspname = coalesce(%s, current_schema())
"""

# What stands for a table that has changed is an undefined table, 42P01: the catalogue is stale.
_STILL: Final = """
SELECT CASE {shape} WHEN {expected} THEN 'pg_catalog.pg_class' ELSE {changed} END::regclass
{attributes}
"""

# Opens it with the least of locks, for which no privilege is needed.
_WAIT: Final = "SELECT pg_relation_size(to_regclass(%s))"

_KINDS: Final = {"r": "table", "p": "partitioned table", "f": "foreign table", "v": "view"}
_OTHER_KINDS: Final = {"m": "a materialized view", "i": "an index", "I": "an index", "S": "a sequence", "c": "a type"}


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
    oid: int = 0
    shape: str | None = None
    """Its columns and their types, as `still` compares them."""
    not_null: frozenset[str] = frozenset()
    """The columns that are NOT NULL."""
    never_null: frozenset[str] = frozenset()
    """Those of them that can't be otherwise: in the primary key, identities."""
    identities: frozenset[str] = frozenset()
    user: str = ""
    """Whose privileges these are."""
    partition_key: tuple[str, ...] = ()
    """The columns that it is partitioned by; an expression is empty."""
    bases: Mapping[str, str] = attrs.field(factory=dict)
    """The types that columns are made of whose domain refuses NULL."""
    arbiters: Mapping[frozenset[str], str] = attrs.field(factory=dict)
    """Key → what ON CONFLICT has to name to mean an index of `unique`, where another one takes more keys for equal than the columns do."""

    @cached_property
    def still(self) -> bytes:
        """A statement that fails with 42P01 if the columns have changed; after a load nobody changes them until COMMIT."""
        attributes = sql.SQL(_ATTRIBUTES).format(self.oid)
        statement = sql.SQL(_STILL).format(
            shape=sql.SQL(_SHAPE), expected=self.shape or "", changed=f'"{CHANGED}"', attributes=attributes
        )
        return statement.as_bytes(None)

    @property
    def is_relation(self) -> bool:
        """There is something that rows go to."""
        return self.kind in _KINDS.values()

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


async def find_table(connection: AsyncConnection, name: TableName, *, waits: bool = False) -> Table | None:
    """Read what the catalogue says of a table, whether it can be written to or not.

    `waits` for who is changing it; the name has to have a schema then.
    """
    wanted = {"name": name.name, "qualified": name.schema and str(name)}

    if waits:
        await connection.execute(_WAIT, [str(name)])

    row = await (await connection.execute(_TABLE, wanted)).fetchone()

    if row is None:
        return None

    oid, schema, relation, kind, secured, lacking, can_stage, can_delete, is_logged, shape, partition_key, user = row
    columns = await (await connection.execute(_COLUMNS, [oid])).fetchall()
    indexes = await unique_indexes(connection, oid)
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
                modifier=modifier,
            )
            for name, type_, base, is_array, delimiter, has_default, is_writable, modifier in columns
        ),
        unique=keys(indexes),
        arbiters=arbiters(indexes),
        lacking=tuple(lacking),
        has_row_security=secured,
        can_stage=can_stage,
        can_delete=can_delete,
        is_logged=is_logged,
        oid=oid,
        shape=shape,
        not_null=frozenset(name for name, *_ in not_null),
        never_null=frozenset(name for name, is_fixed, _ in not_null if is_fixed),
        identities=frozenset(name for name, _, is_identity in not_null if is_identity),
        partition_key=tuple(partition_key),
        user=user,
    )
