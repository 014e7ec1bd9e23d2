"""SQL text, and nothing that runs it. Every name is quoted by psycopg; types and defaults are PostgreSQL's own business.

A staged load, for upserts and for what COPY can't write to directly:

    COPY pg_temp.streamhouse_stage (…, seq, shape)      every record in its order, with the number of its shape
    INSERT INTO table … SELECT … WHERE shape = 0        one for each shape, nearly always just one
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from streamhouse_postgres_sink._names import TableName

__all__ = ["STAGE", "Statements"]

STAGE: Final = "streamhouse_stage"

_STAGE: Final = sql.Identifier("pg_temp", STAGE)


class Statements:
    """The statements for one table and key."""

    def __init__(self, table: TableName, *, columns: Sequence[str], key: Sequence[str]) -> None:
        """Take all columns that may be written, and the key: empty where rows are only inserted."""
        self._table = table.identifier
        self._columns = tuple(columns)
        self._key = tuple(key)
        self._seq = _unused("streamhouse_seq", columns)
        self._shape = _unused("streamhouse_shape", columns)

    def copy(self, columns: Sequence[str]) -> sql.Composed:
        """Load lines into the table itself."""
        return _copy(self._table, columns)

    def copy_to_stage(self, columns: Sequence[str]) -> sql.Composed:
        """Load lines into the stage; each ends with its number and the number of its shape."""
        return _copy(_STAGE, (*columns, self._seq, self._shape))

    def create_stage(self) -> Sequence[sql.Composed]:
        """Make the stage anew: the same types and collations; no key is ever null, everything else may be."""
        numbers = [
            sql.SQL("NULL::int AS {}").format(sql.Identifier(self._seq)),
            sql.SQL("NULL::int AS {}").format(sql.Identifier(self._shape)),
        ]
        statements = [
            sql.SQL("DROP TABLE IF EXISTS {}").format(_STAGE),
            sql.SQL("CREATE TEMP TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA").format(
                sql.Identifier(STAGE), _list([*map(sql.Identifier, self._columns), *numbers]), self._table
            ),
        ]
        statements += [
            sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL").format(_STAGE, sql.Identifier(name))
            for name in self._key
        ]
        return statements

    def merge(self, columns: Sequence[str], *, shape: int) -> sql.Composed:
        """Move the staged rows of a shape into the table.

        PostgreSQL itself decides which keys are equal: of the rows with one key the last counts. That the rows come in
        the order of their keys keeps two writers from waiting for each other.
        """
        listed = _names(columns)
        into = sql.SQL("INSERT INTO {} ({})" if columns else "INSERT INTO {}").format(self._table, listed)
        where = sql.SQL("FROM {} WHERE {} = {}").format(_STAGE, sql.Identifier(self._shape), sql.Literal(shape))
        seq = sql.Identifier(self._seq)

        if not self._key:
            return sql.SQL("{} SELECT {} {} ORDER BY {}").format(into, listed, where, seq)

        key = _names(self._key)
        return sql.SQL(
            "{} SELECT DISTINCT ON ({}) {} {} ORDER BY {}, {} DESC ON CONFLICT ({}) DO {}"
        ).format(into, key, listed, where, key, seq, key, self._action(columns))  # fmt: skip

    def mixed_keys(self) -> sql.Composed:
        """List, for each key that has rows of several shapes, the numbers of its rows, ascending."""
        return sql.SQL(
            "SELECT array_agg({seq} ORDER BY {seq}) FROM {} GROUP BY {} HAVING min({shape}) <> max({shape})"
        ).format(_STAGE, _names(self._key), seq=sql.Identifier(self._seq), shape=sql.Identifier(self._shape))

    def discard(self) -> sql.Composed:
        """Take rows out of the stage; the parameter is an array of their numbers."""
        return sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(_STAGE, sql.Identifier(self._seq))

    def insert_defaults(self, count: int) -> sql.Composed:
        """Insert rows of nothing but defaults."""
        return sql.SQL("INSERT INTO {} SELECT FROM generate_series(1, {})").format(self._table, sql.Literal(count))

    def _action(self, columns: Sequence[str]) -> sql.Composable:
        others = [sql.Identifier(name) for name in columns if name not in self._key]

        if not others:
            return sql.SQL("NOTHING")

        return sql.SQL("UPDATE SET {}").format(_list([sql.SQL("{0} = EXCLUDED.{0}").format(name) for name in others]))


def _copy(target: sql.Identifier, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN WITH (NULL 'null')").format(target, _names(columns))


def _names(names: Sequence[str]) -> sql.Composed:
    return _list([sql.Identifier(name) for name in names])


def _list(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def _unused(name: str, columns: Collection[str]) -> str:
    while name in columns:
        name += "_"

    return name
