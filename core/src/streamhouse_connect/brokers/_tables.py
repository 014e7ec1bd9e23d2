"""The tables of the embedded broker: each function is one step inside a transaction of its caller.

A blob's row comes with the offset after its last record, so that one range of the index holds what follows a position. Next
offsets have a table of their own: they must outlive the records. A topic's key is never used again, so what is left of a
deleted topic can be swept away later, in small steps.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from streamhouse_connect import databases
from streamhouse_connect.brokers._blobs import Stored
from streamhouse_connect.brokers._topics import TopicLog, topic_exists, unknown_topic
from streamhouse_connect.brokers.interface import Committed, Topic
from streamhouse_connect.errors import FatalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from streamhouse_connect.brokers._blobs import Piece

__all__ = [
    "PAGE_SIZE",
    "append",
    "blobs",
    "commit",
    "committed",
    "create_topic",
    "delete_group",
    "delete_topic",
    "load",
    "prepare",
]

PAGE_SIZE: Final = 16_384
"""Blobs are long: large pages have fewer links between them."""

_VERSION: Final = 1
_APPLICATION: Final = 0x53484342  # "SHCB"

_SCHEMA: Final = """
CREATE TABLE topics (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,
    retention_ms INTEGER,
    retention_bytes INTEGER
);
CREATE TABLE partitions (
    topic INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE blobs (
    topic INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    size INTEGER NOT NULL,
    appended_at INTEGER NOT NULL,
    nbytes INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX blobs_by_offset ON blobs (topic, partition, next_offset, size, appended_at);
CREATE TABLE commits (
    consumer_group TEXT NOT NULL,
    topic INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
) WITHOUT ROWID;
CREATE TABLE deleted_topics (key INTEGER PRIMARY KEY);
"""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in a new file.

    :raises FatalError: if the file is of another version or another application.
    """
    databases.lay_out(connection, path, _SCHEMA.split(";\n"), application=_APPLICATION, version=_VERSION)


def load(connection: sqlite3.Connection) -> dict[str, TopicLog]:
    """Return the topics by name."""
    bounds: dict[int, list[tuple[int, int]]] = {}

    for key, first, end in connection.execute(
        "SELECT topic, first_offset, next_offset FROM partitions ORDER BY topic, partition"
    ):
        bounds.setdefault(key, []).append((first, end))

    rows = connection.execute("SELECT key, name, id, partitions, retention_ms, retention_bytes FROM topics").fetchall()

    return {
        name: TopicLog(
            Topic(name, uid, partitions, retention_ms, retention_bytes),
            key,
            [first for first, _ in bounds[key]],
            [end for _, end in bounds[key]],
        )
        for key, name, uid, partitions, retention_ms, retention_bytes in rows
    }


def create_topic(connection: sqlite3.Connection, topic: Topic) -> TopicLog:
    """:raises ConflictError: if there is one of this name."""
    if connection.execute("SELECT 1 FROM topics WHERE name = ?", (topic.name,)).fetchone():
        raise topic_exists(topic.name)

    key = connection.execute(
        "INSERT INTO topics (id, name, partitions, retention_ms, retention_bytes) VALUES (?, ?, ?, ?, ?)",
        (topic.id, topic.name, topic.partitions, topic.retention_ms, topic.retention_bytes),
    ).lastrowid
    assert key is not None
    connection.executemany(
        "INSERT INTO partitions VALUES (?, ?, 0, 0)", [(key, partition) for partition in range(topic.partitions)]
    )

    return TopicLog(topic, key, [0] * topic.partitions, [0] * topic.partitions)


def delete_topic(connection: sqlite3.Connection, log: TopicLog) -> None:
    """Forget a topic; its blobs are left to `sweep`.

    :raises NotFoundError: if it was deleted already.
    """
    if not connection.execute("DELETE FROM topics WHERE key = ?", (log.key,)).rowcount:
        raise unknown_topic(log.topic.name)

    connection.execute("DELETE FROM partitions WHERE topic = ?", (log.key,))
    connection.execute("DELETE FROM commits WHERE topic = ?", (log.key,))
    connection.execute("INSERT INTO deleted_topics VALUES (?)", (log.key,))


def append(connection: sqlite3.Connection, log: TopicLog, pieces: Sequence[Piece], now: int) -> list[int]:
    """Store pieces and return the first offset of each.

    :raises NotFoundError: if the topic was deleted.
    """
    firsts = []

    for piece in pieces:
        place = (log.key, piece.partition)
        row = connection.execute(
            "SELECT next_offset FROM partitions WHERE topic = ? AND partition = ?", place
        ).fetchone()

        if row is None:
            raise unknown_topic(log.topic.name)

        first: int = row[0]
        end = first + piece.count
        connection.execute("UPDATE partitions SET next_offset = ? WHERE topic = ? AND partition = ?", (end, *place))
        connection.execute(
            "INSERT INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*place, end, first, len(piece.data), now, piece.nbytes, piece.checksum, piece.data),
        )
        firsts.append(first)

    return firsts


def blobs(
    connection: sqlite3.Connection, log: TopicLog, partition: int, offset: int, *, end: int, max_bytes: int
) -> list[Stored]:
    """Return the blobs that hold `offset` and what follows below `end`, without gaps, at least one if there is one.

    :raises FatalError: if blobs are missing.
    """
    bounds = connection.execute(
        "SELECT first_offset, next_offset FROM partitions WHERE topic = ? AND partition = ?", (log.key, partition)
    ).fetchone()

    if bounds is None:
        return []

    start = max(offset, bounds[0])
    found: list[Stored] = []
    expected = start
    nbytes = 0

    for row in connection.execute(
        "SELECT first_offset, next_offset, nbytes, data, checksum FROM blobs"
        " WHERE topic = ? AND partition = ? AND next_offset > ? ORDER BY next_offset",
        (log.key, partition, start),
    ):
        blob = Stored(*row)

        if blob.first_offset > expected:
            break

        found.append(blob)
        expected = blob.next_offset
        nbytes += len(blob.data)

        if expected >= end or nbytes >= max_bytes:
            break

    if not found and start < bounds[1]:
        raise FatalError(
            f"the records of {log.topic.name}-{partition} from offset {start} are missing, though it ends at {bounds[1]}; "
            "restore the data directory from a backup, or read on from a later offset"
        )

    return found


def committed(connection: sqlite3.Connection, group: str) -> dict[tuple[int, int], Committed]:
    """Return a group's commits by topic key and partition."""
    rows = connection.execute(
        "SELECT topic, partition, next_offset, metadata FROM commits WHERE consumer_group = ?", (group,)
    )

    return {(key, partition): Committed(offset, metadata) for key, partition, offset, metadata in rows}


def commit(connection: sqlite3.Connection, group: str, offsets: Mapping[tuple[int, int], Committed]) -> None:
    """Keep a group's commits; those of deleted topics vanish."""
    connection.executemany(
        "INSERT INTO commits SELECT ?, topic, partition, ?, ? FROM partitions WHERE topic = ? AND partition = ?"
        " ON CONFLICT (consumer_group, topic, partition)"
        " DO UPDATE SET next_offset = excluded.next_offset, metadata = excluded.metadata",
        [(group, each.offset, each.metadata, *key) for key, each in offsets.items()],
    )


def delete_group(connection: sqlite3.Connection, group: str) -> None:
    connection.execute("DELETE FROM commits WHERE consumer_group = ?", (group,))
