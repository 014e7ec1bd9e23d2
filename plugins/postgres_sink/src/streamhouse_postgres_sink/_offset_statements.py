"""The SQL of the table in which a target's schema keeps offsets, and nothing that runs it.

One row for each connector's uid and partition. The epoch is a column, not a part of the key, so that a task of an older epoch
meets the generation of the newer one, and is told. Several rows are always locked in the order of their keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql

from streamhouse_postgres_sink._names import TableName

if TYPE_CHECKING:
    from typing import LiteralString

    from streamhouse_postgres_sink._catalogue import Table

__all__ = ["FORGET_MOVE", "MOVE_PREPARED", "NAME", "OffsetStatements", "lacks"]

NAME: Final = "streamhouse_offsets"

_KEY: Final = ("uid", "topic_id", "partition")
_COLUMNS: Final = {
    "uid": "text NOT NULL",
    "topic_id": "text NOT NULL",
    "partition": "integer NOT NULL",
    "epoch": "bigint NOT NULL",
    "next_offset": "bigint",
    "generation": "bigint NOT NULL",
    "connector": "text NOT NULL",
    "topic": "text NOT NULL",
    "updated_at": "timestamptz NOT NULL DEFAULT now()",
}

_TYPES: Final = {
    "text": "text",
    "integer": "integer",
    "bigint": "bigint",
    "timestamptz": "timestamp with time zone",
}
"""The types of these columns, as the catalogue calls them."""

# Half of each page stays free, so that a new version of a row finds room beside the old one and no index has to change.
_CREATE: Final = "CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({})) WITH (fillfactor = 50)"
_GRANT: Final = "GRANT SELECT, INSERT, UPDATE ON {} TO {}"

_CLAIM: Final = """
INSERT INTO {} AS o (uid, topic_id, partition, epoch, generation, connector, topic)
SELECT %(uid)s::text, w.topic_id, w.partition, %(epoch)s::bigint, 1, %(connector)s::text, w.topic
FROM unnest(%(topic_ids)s::text[], %(partitions)s::integer[], %(topics)s::text[]) AS w (topic_id, partition, topic)
ORDER BY w.topic_id, w.partition
ON CONFLICT (uid, topic_id, partition) DO UPDATE
SET generation = o.generation + 1, epoch = EXCLUDED.epoch, connector = EXCLUDED.connector, topic = EXCLUDED.topic,
    next_offset = CASE o.epoch WHEN EXCLUDED.epoch THEN o.next_offset END, updated_at = now()
WHERE o.epoch <= EXCLUDED.epoch
RETURNING o.topic_id, o.partition, o.generation, o.next_offset
"""
_SET: Final = """
INSERT INTO {} AS o (uid, topic_id, partition, epoch, next_offset, generation, connector, topic)
SELECT %(uid)s::text, w.topic_id, w.partition, %(epoch)s::bigint, w.next_offset, 1, %(connector)s::text, w.topic
FROM unnest(%(topic_ids)s::text[], %(partitions)s::integer[], %(topics)s::text[], %(next_offsets)s::bigint[])
  AS w (topic_id, partition, topic, next_offset)
ORDER BY w.topic_id, w.partition
ON CONFLICT (uid, topic_id, partition) DO UPDATE
SET generation = o.generation + 1, epoch = EXCLUDED.epoch, next_offset = EXCLUDED.next_offset, updated_at = now()
WHERE o.epoch <= EXCLUDED.epoch
RETURNING o.topic_id, o.partition, o.generation, o.next_offset
"""
_LOCK: Final = """
SELECT o.topic_id, o.partition, o.generation, o.next_offset
FROM {} o
WHERE o.uid = %s AND (o.topic_id, o.partition) IN (SELECT * FROM unnest(%s::text[], %s::integer[]))
ORDER BY o.topic_id, o.partition
FOR UPDATE OF o
"""
_MOVE: Final = """
UPDATE {} o SET next_offset = w.next_offset, updated_at = now()
FROM (SELECT %s::text, * FROM unnest(%s::text[], %s::integer[], %s::bigint[])) AS w (uid, topic_id, partition, next_offset)
WHERE o.uid = w.uid AND o.topic_id = w.topic_id AND o.partition = w.partition
"""
_MOVE_ONE: Final = """
UPDATE {} SET next_offset = {}, updated_at = now()
WHERE uid = {} AND topic_id = {} AND partition = {} AND generation = {} AND next_offset IS NOT DISTINCT FROM {}
"""
_PREPARE_MOVE: Final = """
PREPARE streamhouse_move (bigint, text, text, integer, bigint, bigint) AS {}
"""
MOVE_PREPARED: Final = b"EXECUTE streamhouse_move (%b, %b, %b, %b, %b, %b)"
"""Does what `move_one` does, in half the time, once `prepare_move` was executed."""
FORGET_MOVE: Final = b"DEALLOCATE streamhouse_move"
_ABANDON: Final = """
UPDATE {} SET next_offset = NULL, generation = generation + 1, updated_at = now()
WHERE uid = %(uid)s AND next_offset IS NOT NULL
"""

_OTHERWISE: Final = "or set offsets.storage=broker, which promises less"

# Who has locked a row has left the number of his transaction in it. That he is another task of ours is shown by his name.
_END_HOLDERS: Final = """
SELECT h.pid FROM (
  SELECT DISTINCT l.pid
  FROM {} o
  JOIN unnest(%(topic_ids)s::text[], %(partitions)s::integer[]) AS w (topic_id, partition)
    ON o.uid = %(uid)s AND o.topic_id = w.topic_id AND o.partition = w.partition
  JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted AND l.transactionid = o.xmax
  JOIN pg_stat_activity a ON a.pid = l.pid AND a.usename = current_user
    AND a.application_name = current_setting('application_name')
  WHERE l.pid <> pg_backend_pid()
) AS h
WHERE pg_terminate_backend(h.pid)
"""


class OffsetStatements:
    """The statements for the table of one schema; those of every load are text already."""

    def __init__(self, schema: str | None) -> None:
        self.table = TableName(schema, NAME)
        self.create = sql.SQL(_CREATE).format(
            self.table.identifier,
            sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in _COLUMNS.items()),
            sql.SQL(", ").join(map(sql.Identifier, _KEY)),
        )
        self.claim = self._about(_CLAIM)
        self.set = self._about(_SET)
        self.lock = self._about(_LOCK).as_bytes(None)
        self.move = self._about(_MOVE).as_bytes(None)
        self.move_one = self._about(_MOVE_ONE, *[sql.SQL("%b")] * 6).as_bytes(None)
        """For six values, as SQL writes them."""
        self.prepare_move = sql.SQL(_PREPARE_MOVE).format(
            sql.SQL(_MOVE_ONE).format(self.table.identifier, *(sql.SQL(f"${number}") for number in range(1, 7)))
        )
        self.abandon = self._about(_ABANDON)
        self.end_holders = self._about(_END_HOLDERS)

    def grant(self, user: str) -> sql.Composed:
        """Allow a user what the others need."""
        return sql.SQL(_GRANT).format(self.table.identifier, sql.Identifier(user))

    def not_made(self, user: str) -> str:
        """Say what is to be run if the user may not make the table."""
        made, granted = self.create.as_string(None), self.grant(user).as_string(None)
        return f"the user may not make the table in which offsets are kept; run {made}; {granted}, {_OTHERWISE}"

    def unfit(self, table: Table, user: str) -> str | None:
        """Say why the user can't keep offsets in what has the table's name, and what helps; None if he can."""
        if why := lacks(table):
            return f"{self.table} {why}, so that no offsets can be kept in it; rename it: the table will be made anew"

        if table.lacking:
            granted = self.grant(user).as_string(None)
            return f"the user lacks privileges on the table of offsets; run {granted}, {_OTHERWISE}"

        return None

    def _about(self, statement: LiteralString, *values: sql.SQL) -> sql.Composed:
        """Put the table in; where there are parameters, a % of its schema's name must not begin one."""
        schema = None if self.table.schema is None else self.table.schema.replace("%", "%%")
        return sql.SQL(statement).format(TableName(schema, NAME).identifier, *values)


def lacks(table: Table) -> str | None:
    """Return why a table of that name is not the one; None if it is."""
    types = {column.name: column.type.strip('"') for column in table.columns}  # see quote_all_identifiers

    if table.kind != "table" or not table.is_logged:
        return "is no ordinary table" if table.is_logged else "is unlogged and empty after a crash"

    if absent := [name for name in _COLUMNS if name not in types]:
        return f"has no column {', '.join(absent)}"

    for name, definition in _COLUMNS.items():
        if types[name] != (wanted := _TYPES[definition.partition(" ")[0]]):
            return f"has a column {name} of type {types[name]}, not {wanted}"

    for column in table.columns:
        if column.name in table.not_null - _COLUMNS.keys() and column.is_writable and not column.has_default:
            return f"has a column {column.name} that is NOT NULL and has no default"

    if frozenset(_KEY) not in table.unique:
        return f"has no unique index on exactly {', '.join(_KEY)}"

    return None
