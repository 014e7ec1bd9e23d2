"""Columns whose domain refuses NULL, which stands in a stage for what a record lacks: there they are what the domain is made of.

PostgreSQL checks the domain when the row is written, and only for the columns that are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from psycopg import errors, sql

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from streamhouse_postgres_sink._catalogue import Table

__all__ = ["with_bases"]

_DOMAINS: Final = """
WITH RECURSIVE c AS (
  SELECT attname, atttypid AS type, atttypmod AS modifier, false AS is_domain
  FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT attname, typbasetype, typtypmod, true FROM c JOIN pg_type t ON t.oid = type WHERE typtype = 'd'
)
SELECT attname::text, format_type(type, modifier) FROM c JOIN pg_type t ON t.oid = type WHERE is_domain AND typtype <> 'd'
"""


async def with_bases(connection: AsyncConnection, table: Table) -> Table:
    """Find out what such columns are made of; not in a transaction."""
    found = await (await connection.execute(_DOMAINS, [str(table.name)])).fetchall()
    types = {column.name: column.type for column in table.columns}
    bases = {name: base for name, base in found if await _refuses_null(connection, types[name])}
    return attrs.evolve(table, bases=bases)


async def _refuses_null(connection: AsyncConnection, domain: str) -> bool:
    try:
        await connection.execute(sql.SQL("SELECT NULL::{}").format(sql.SQL(domain)))
    except errors.IntegrityError:
        return True

    return False
