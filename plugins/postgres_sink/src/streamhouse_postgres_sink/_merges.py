"""SQL text that makes rows of what is in the stage, and nothing that runs it.

PostgreSQL itself decides which keys are equal, and which value of the guard is less. That rows are written, or locked before
that, in the order of their keys keeps two writers from waiting for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql

from streamhouse_postgres_sink._statements import TOMBSTONE, listed, unused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

    from streamhouse_postgres_sink._statements import Statements

__all__ = ["Merges"]

_ROW: Final = "streamhouse_row"
"""The row of the table."""
_NEW: Final = "streamhouse_new"
"""What is in the stage for it."""
_EXCLUDED: Final = "excluded"

_UPSERT: Final = "INSERT INTO {} AS {} ({}) {} ON CONFLICT ({}) DO {}"
_SET: Final = "UPDATE {} AS {} SET {} FROM ({}) AS {} WHERE {}"
_DIFFERS: Final = "ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record"
_LAST: Final = "SELECT DISTINCT ON ({}) {} FROM {} WHERE {} = {} ORDER BY {}"
_LOCK: Final = "SELECT {} FROM {} AS {} WHERE ({}) IN (SELECT {} FROM {}) ORDER BY {} {} OF {}"
_MISSING: Final = """
WITH {new} AS ({lock}) SELECT count(*) FROM {stage} AS {row} WHERE NOT EXISTS (SELECT FROM {new} WHERE {same})
"""
_DELETE: Final = "DELETE FROM {} WHERE ({}) IN (SELECT {} FROM {} WHERE {} = {})"
_MIXED: Final = """
SELECT array_agg({seq} ORDER BY {seq}), array_agg({seq} ORDER BY {seq})
FROM {stage} GROUP BY {key} HAVING min({shape}) <> max({shape})
"""
# A record counts if its guard is not less than that of any before it, since the row was deleted; dense_rank makes numbers of
# guards, of which there is a max whatever their type.
_JUDGED: Final = """
FROM (
  SELECT {new}.*, {shape} = {tombstone} OR {rank} >= max({rank}) OVER (PARTITION BY {key}, {life} ORDER BY {seq})
                  AND ({life} > 0 OR {not_older}) AS {counts}
  FROM (
    SELECT *, dense_rank() OVER (PARTITION BY {key}, {life} ORDER BY {guard} NULLS FIRST) AS {rank}
    FROM (SELECT {key}, {guard}, {seq}, {shape}, {lives} AS {life} FROM {stage} AS {new}) AS {new}
  ) AS {new} {join} (SELECT {row_key}, {row_guard} FROM {table} AS {row}) AS {row} ON {same}
) AS {new}
"""
_MIXED_GUARDED: Final = """
SELECT array_agg({seq} ORDER BY {seq}),
       coalesce(array_agg({seq} ORDER BY {seq}) FILTER (WHERE {counts}), ARRAY[]::int[])
{judged}
GROUP BY {key} HAVING min({shape}) <> max({shape})
"""
_OLDER: Final = "SELECT count(*) FILTER (WHERE {counts} IS NOT TRUE) {judged}"
_LIVES: Final = "count(*) FILTER (WHERE {} = {}) OVER (PARTITION BY {} ORDER BY {})"


class Merges:
    """The statements by which the staged rows of one table and mode are written."""

    def __init__(self, statements: Statements) -> None:
        self._table = statements.table
        self._staged = statements.staged
        self._mode = statements.mode
        self._columns = statements.columns
        self._seq = statements.seq
        self._shape = statements.shape
        self._conflict = statements.conflict
        self._based = statements.based

    def merge(self, columns: Sequence[str], *, shape: int) -> sql.Composed | None:
        """Move the staged rows of a shape, which have these columns, into the table; None if that would change nothing.

        Of the rows with one key the last counts, or the one with the greatest guard; for insert_ignore the first.
        """
        match self._mode.insert:
            case "upsert":
                return self._upsert(columns, shape)
            case "update":
                return self._update(columns, shape)
            case "insert_ignore" | "insert":
                return self._insert(columns, shape)

    def delete(self) -> sql.Composed:
        """Delete the rows whose keys have tombstones in the stage, or set the column that says so."""
        if self._mode.soft_column:
            soft = self._mode.soft_column
            return self._set([soft], self._last([*self._mode.key, soft], TOMBSTONE), [])

        key = listed(self._mode.key)
        return sql.SQL(_DELETE).format(self._table, key, key, self._staged, self._shape, sql.Literal(TOMBSTONE))

    def lock(self) -> sql.Composed:
        """Lock the rows whose keys are in the stage, in the order of their keys: for what needs several statements."""
        key = listed(self._mode.key, of=_ROW)
        lasts = not self._mode.deletes or self._mode.soft_column
        return sql.SQL(_LOCK).format(
            key,
            self._table,
            sql.Identifier(_ROW),
            key,
            listed(self._mode.key),
            self._staged,
            key,
            sql.SQL("FOR NO KEY UPDATE" if lasts else "FOR UPDATE"),
            sql.Identifier(_ROW),
        )

    def count_missing(self) -> sql.Composed:
        """Lock in the same way, and count the staged rows whose keys the table does not have."""
        return sql.SQL(_MISSING).format(
            new=sql.Identifier(_NEW),
            lock=self.lock(),
            stage=self._staged,
            row=sql.Identifier(_ROW),
            same=self._same_key(),
        )

    def mixed_keys(self) -> sql.Composed:
        """List, for each key that has rows of several shapes, the numbers of its rows, ascending; and of those that count.

        Older ones do not; but whether there are any from before the last tombstone makes no difference.
        """
        if self._mode.guard is not None:
            return self._judged(_MIXED_GUARDED, self._mode.guard)

        key = listed(self._mode.key)
        return sql.SQL(_MIXED).format(seq=self._seq, stage=self._staged, key=key, shape=self._shape)

    def count_older(self) -> sql.Composed | None:
        """Count the staged records that are older than what their key has before them; None if that does not matter."""
        return None if self._mode.guard is None else self._judged(_OLDER, self._mode.guard)

    def _judged(self, statement: LiteralString, guard: str) -> sql.Composed:
        """Say of each staged record whether it counts: it is not older than any before it."""
        key = listed(self._mode.key)
        tombstone = sql.Literal(TOMBSTONE)
        lives = sql.SQL(_LIVES).format(self._shape, tombstone, key, self._seq)
        counts, rank, life = (
            sql.Identifier(unused(name, self._columns))
            for name in ("streamhouse_counts", "streamhouse_rank", "streamhouse_life")
        )
        judged = sql.SQL(_JUDGED).format(
            join=sql.SQL("JOIN" if self._mode.insert == "update" else "LEFT JOIN"),
            seq=self._seq,
            shape=self._shape,
            stage=self._staged,
            table=self._table,
            key=listed(self._mode.key, of=_NEW),
            guard=sql.Identifier(_NEW, guard),
            row_key=listed(self._mode.key),
            row_guard=sql.Identifier(guard),
            row=sql.Identifier(_ROW),
            new=sql.Identifier(_NEW),
            same=self._same_key(),
            not_older=_all(self._guarded(_NEW)),
            lives=sql.Literal(0) if self._mode.soft_column else lives,
            tombstone=tombstone,
            counts=counts,
            rank=rank,
            life=life,
        )
        return sql.SQL(statement).format(
            judged=judged, counts=counts, seq=self._seq, shape=self._shape, key=listed(self._mode.key, of=_NEW)
        )

    def _insert(self, columns: Sequence[str], shape: int) -> sql.Composed:
        names = listed(columns)
        into = sql.SQL("INSERT INTO {} ({})" if columns else "INSERT INTO {}").format(self._table, names)
        start = sql.SQL("FROM {} WHERE {} = {}").format(self._staged, self._shape, sql.Literal(shape))
        rows = sql.SQL("SELECT {} {} ORDER BY {}").format(names, start, self._seq)

        if self._mode.insert == "insert":
            return sql.SQL("{} {}").format(into, rows)

        if not self._mode.key:
            return sql.SQL("{} {} ON CONFLICT DO NOTHING").format(into, rows)

        key = listed(self._mode.key)
        return sql.SQL("{} SELECT {} {} ORDER BY {}, {} ON CONFLICT ({}) DO NOTHING").format(
            into, names, start, key, self._seq, self._conflict
        )

    def _upsert(self, columns: Sequence[str], shape: int) -> sql.Composed:
        others = self._others(columns if self._mode.is_partial else self._columns)  # EXCLUDED has the defaults, too
        conditions = [*self._guarded(_EXCLUDED), *self._changed(others, _EXCLUDED)]
        change = sql.SQL("UPDATE SET {}{}{}").format(
            _assignments(others, _EXCLUDED), sql.SQL(" WHERE " if conditions else ""), _all(conditions)
        )
        return sql.SQL(_UPSERT).format(
            self._table,
            sql.Identifier(_ROW),
            listed(columns),
            self._last(columns, shape),
            self._conflict,
            change if others else sql.SQL("NOTHING"),
        )

    def _update(self, columns: Sequence[str], shape: int) -> sql.Composed | None:
        others = self._others(columns)
        return self._set(others, self._last(columns, shape), self._guarded(_NEW)) if others else None

    def _set(self, columns: Sequence[str], rows: sql.Composed, guarded: Sequence[sql.Composable]) -> sql.Composed:
        return sql.SQL(_SET).format(
            self._table,
            sql.Identifier(_ROW),
            _assignments(columns, _NEW),
            rows,
            sql.Identifier(_NEW),
            _all([self._same_key(), *guarded, *self._changed(columns, _NEW)]),
        )

    def _last(self, columns: Sequence[str], shape: int) -> sql.Composed:
        """Select one row of each key."""
        key = listed(self._mode.key)
        order = [key]

        if self._mode.guard and shape != TOMBSTONE:
            order.append(sql.SQL("{} DESC NULLS LAST").format(sql.Identifier(self._mode.guard)))

        order.append(sql.SQL("{} DESC").format(self._seq))
        return sql.SQL(_LAST).format(
            key, listed(columns), self._staged, self._shape, sql.Literal(shape), sql.SQL(", ").join(order)
        )

    def _others(self, columns: Sequence[str]) -> list[str]:
        return [name for name in columns if name not in self._mode.key]

    def _same_key(self) -> sql.Composed:
        return _all([_about("{} = {}", name, _ROW, _NEW) for name in self._mode.key])

    def _guarded(self, new: str) -> list[sql.Composed]:
        """Null is older than everything, and equals are not older."""
        if self._mode.guard is None:
            return []

        return [_about("({0} IS NULL OR {1} >= {0})", self._mode.guard, _ROW, new)]

    def _changed(self, columns: Sequence[str], new: str) -> list[sql.Composed]:
        """Compare the bytes: not every type has an equality, and to some more is equal than is the same."""
        if not self._mode.skip_unchanged:
            return []

        rows = [sql.SQL(", ").join([self._based(name, of=alias) for name in columns]) for alias in (_ROW, new)]
        return [sql.SQL(_DIFFERS).format(*rows)]


def _assignments(columns: Sequence[str], new: str) -> sql.Composed:
    return sql.SQL(", ").join(
        [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier(new, name)) for name in columns]
    )


def _about(template: LiteralString, name: str, *aliases: str) -> sql.Composed:
    return sql.SQL(template).format(*(sql.Identifier(alias, name) for alias in aliases))


def _all(conditions: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(" AND ").join(conditions)
