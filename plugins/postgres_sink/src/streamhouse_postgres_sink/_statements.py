"""SQL text, and nothing that runs it. Every name is quoted by psycopg; types and defaults are PostgreSQL's own business.

A staged load, for all that COPY can't write to directly:

    COPY pg_temp.streamhouse_stage (…, seq, shape)      every record in its order, with the number of its shape
    INSERT INTO table … SELECT … WHERE shape = 0        one for each shape, nearly always just one; see `_merges`

A record that deletes has the shape TOMBSTONE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._modes import Mode

__all__ = ["TOMBSTONE", "Statements", "listed", "unused"]

TOMBSTONE: Final = -1


class Statements:
    """The statements for one table and mode that are about the stage, or about COPY."""

    def __init__(self, table: Table, *, mode: Mode, number: int = 0) -> None:
        """Take a number for the stage that no other table of the connection has."""
        columns = [column.name for column in table.columns if column.is_writable]
        arbiter = table.arbiters.get(frozenset(mode.key))
        self.table = table.name.identifier
        self.stage = f"streamhouse_stage_{number}" if number else "streamhouse_stage"
        self.staged = sql.Identifier("pg_temp", self.stage)
        self.mode = mode
        self.columns = tuple(columns)
        """All that may be written."""
        self.bases = {name: base for name, base in table.bases.items() if name not in mode.key}
        """The types of columns of the stage that are not those of the table."""
        self.conflict = listed(mode.key) if arbiter is None else sql.Composed([sql.SQL(arbiter)])
        """What ON CONFLICT means by the key."""
        self.seq = sql.Identifier(unused("streamhouse_seq", columns))
        self.shape = sql.Identifier(unused("streamhouse_shape", columns))

    def copy(self, columns: Sequence[str]) -> sql.Composed:
        """Load lines into the table itself."""
        return _copy(self.table, list(map(sql.Identifier, columns)))

    def copy_to_stage(self, columns: Sequence[str]) -> sql.Composed:
        """Load lines into the stage; each ends with its number and the number of its shape."""
        return _copy(self.staged, [*map(sql.Identifier, columns), self.seq, self.shape])

    def create_stage(self, *, is_lasting: bool = True) -> Sequence[sql.Composed]:
        """Make the stage anew: the same types and collations, but for domains that refuse NULL; no key is ever null.

        It lasts as long as the session, or else as the transaction.
        """
        numbers = [sql.SQL("NULL::int AS {}").format(name) for name in (self.seq, self.shape)]
        statements = [
            sql.SQL("DROP TABLE IF EXISTS {}").format(self.staged),
            sql.SQL("CREATE TEMP TABLE {} ON COMMIT {} AS SELECT {} FROM {} WITH NO DATA").format(
                sql.Identifier(self.stage),
                sql.SQL("DELETE ROWS" if is_lasting else "DROP"),
                _joined(
                    [
                        *(sql.SQL("{} AS {}").format(self.based(name), sql.Identifier(name)) for name in self.columns),
                        *numbers,
                    ]
                ),
                self.table,
            ),
        ]
        statements += [
            sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL").format(self.staged, sql.Identifier(name))
            for name in self.mode.key
        ]
        return statements

    def based(self, name: str, *, of: str | None = None) -> sql.Composable:
        """Return a column as one of the stage's type."""
        column = sql.Identifier(name) if of is None else sql.Identifier(of, name)
        base = self.bases.get(name)
        return column if base is None else sql.SQL("CAST({} AS {})").format(column, sql.SQL(base))

    def discard(self) -> sql.Composed:
        """Take rows out of the stage; the parameter is an array of their numbers."""
        return sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(self.staged, self.seq)

    def insert_defaults(self, count: int) -> sql.Composed:
        """Insert rows of nothing but defaults."""
        made = sql.SQL("INSERT INTO {} SELECT FROM generate_series(1, {})").format(self.table, sql.Literal(count))
        return made + sql.SQL(" ON CONFLICT DO NOTHING") if self.mode.insert == "insert_ignore" else made


def listed(names: Sequence[str], *, of: str | None = None) -> sql.Composed:
    """List columns, `of` an alias if there is one."""
    return _joined([sql.Identifier(name) if of is None else sql.Identifier(of, name) for name in names])


def unused(name: str, columns: Collection[str]) -> str:
    """Return a name that no column has."""
    while name in columns:
        name += "_"

    return name


def _copy(target: sql.Identifier, columns: Sequence[sql.Identifier]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN WITH (NULL 'null')").format(target, _joined(columns))


def _joined(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
