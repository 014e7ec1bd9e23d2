"""Records that go: what has expired, and what deleted topics have left. Each function is one step inside a transaction.

Steps are small, so that appends need not wait long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamhouse_connect.brokers.retention import Extent, expired

if TYPE_CHECKING:
    import sqlite3

    from streamhouse_connect.brokers._topics import TopicLog

__all__ = ["sweep", "trim"]

_STEP: Final = 512


def trim(connection: sqlite3.Connection, log: TopicLog, partition: int, now: int) -> int | None:
    """Drop some of what has expired in a partition, return where it starts now; call it again until it returns None."""
    where = "FROM blobs WHERE topic = ? AND partition = ?"
    key = (log.key, partition)
    total = 0

    if log.topic.retention_bytes is not None:
        total = connection.execute(f"SELECT coalesce(sum(size), 0) {where}", key).fetchone()[0]

    rows = connection.execute(f"SELECT next_offset, size, appended_at {where} ORDER BY next_offset LIMIT {_STEP}", key)
    start = expired(
        [Extent(*row) for row in rows],
        total=total,
        retention_ms=log.topic.retention_ms,
        retention_bytes=log.topic.retention_bytes,
        now=now,
    )

    if start is None:
        return None

    connection.execute(f"DELETE {where} AND next_offset <= ?", (*key, start))
    connection.execute("UPDATE partitions SET first_offset = ? WHERE topic = ? AND partition = ?", (start, *key))
    return start


def sweep(connection: sqlite3.Connection) -> bool:
    """Drop some of the blobs of deleted topics; return whether there may be more."""
    row = connection.execute("SELECT key FROM deleted_topics LIMIT 1").fetchone()

    if row is None:
        return False

    rows = connection.execute(f"SELECT rowid FROM blobs WHERE topic = ? LIMIT {_STEP}", row).fetchall()  # noqa: S608 - a constant
    connection.executemany("DELETE FROM blobs WHERE rowid = ?", rows)

    if not rows:
        connection.execute("DELETE FROM deleted_topics WHERE key = ?", row)

    return True
