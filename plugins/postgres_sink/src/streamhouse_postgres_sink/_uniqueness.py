"""Which keys the unique indexes of a table tell apart as its columns do, so that ON CONFLICT and DISTINCT mean the same rows.

An index may take other values for equal: by its operator class, or by its collation if one of them is not deterministic. Rows of
one key to it would be rows of several to the columns, and one statement would meet a row twice (SQLSTATE 21000).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_postgres_sink._statements import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import AsyncConnection

__all__ = ["UniqueIndex", "arbiters", "index_remedy", "keys", "unique_indexes"]

_UNIQUE: Final = """
SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1])), k.is_same, k.named
FROM pg_index i, LATERAL (
  SELECT bool_and((c.opcdefault OR EXISTS (
           SELECT FROM pg_opclass d
           JOIN pg_amop o ON o.amopfamily = d.opcfamily AND o.amopstrategy = 3
                         AND (o.amoplefttype, o.amoprighttype) = (d.opcintype, d.opcintype)
           JOIN pg_amop p ON p.amopfamily = c.opcfamily AND p.amopopr = o.amopopr AND p.amopstrategy = 3
           WHERE d.opcdefault AND (d.opcmethod, d.opcintype) = (c.opcmethod, c.opcintype)
         )) AND (l.oid IS NULL OR l.oid = m.oid OR l.collisdeterministic AND m.collisdeterministic)),
         string_agg(format('%%I%%s %%I.%%I', a.attname,
           CASE WHEN l.oid IS NOT NULL THEN format(' COLLATE %%I.%%I', l.collnamespace::regnamespace, l.collname) END,
           c.opcnamespace::regnamespace, c.opcname), ', ')
  FROM unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[]) AS x (attnum, operators, locale)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = x.attnum
  JOIN pg_opclass c ON c.oid = x.operators
  LEFT JOIN pg_collation l ON l.oid = x.locale
  LEFT JOIN pg_collation m ON m.oid = a.attcollation
) AS k (is_same, named)
WHERE i.indrelid = %s AND i.indisunique AND NOT i.indisexclusion AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
"""


@attrs.frozen
class UniqueIndex:
    """An index that ON CONFLICT can use."""

    columns: frozenset[str]
    is_same: bool
    """It takes the same for equal as its columns do."""
    named: str
    """What ON CONFLICT has to name to mean no other."""


async def unique_indexes(connection: AsyncConnection, oid: int) -> Sequence[UniqueIndex]:
    """Read those of a table."""
    rows = await (await connection.execute(_UNIQUE, [oid])).fetchall()
    return [UniqueIndex(frozenset(names), is_same, named) for names, is_same, named in rows]


def keys(indexes: Sequence[UniqueIndex]) -> frozenset[frozenset[str]]:
    """Return the keys that rows can be told apart by."""
    return frozenset(index.columns for index in indexes if index.is_same)


def arbiters(indexes: Sequence[UniqueIndex]) -> Mapping[frozenset[str], str]:
    """Return what ON CONFLICT has to name for the keys of which not all indexes are the same."""
    others = {index.columns for index in indexes if not index.is_same}
    return {index.columns: index.named for index in indexes if index.is_same and index.columns in others}


def index_remedy(table: str, key: Sequence[str], *, kind: str, partition_key: Sequence[str]) -> str:
    """Say what helps a table, given as SQL writes it, that has no unique index on the key."""
    if kind == "foreign table":
        return "a foreign table can't have one; correct pk.fields, or insert.mode: it takes insert and update"

    if "" in partition_key:
        return "a table that is partitioned by an expression can't have one; correct insert.mode: it takes insert and update"

    if lacking := [name for name in partition_key if name not in key]:
        names = ", ".join(lacking)
        return (
            f"that of a partitioned table has to have the columns that it is partitioned by: add {names} to pk.fields"
        )

    return f"CREATE UNIQUE INDEX ON {table} ({listed(key).as_string(None)}), or correct pk.fields"
