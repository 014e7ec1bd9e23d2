"""The embedded broker that survives: SQLite in a data directory, written by one thread, read by a few.

Knows nothing of records: `embedded` makes blobs of them, `_tables` has the SQL.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

import attrs

from streamhouse_connect import databases
from streamhouse_connect.brokers import _tables, _upkeep
from streamhouse_connect.brokers._directory import DataDirectory
from streamhouse_connect.brokers._storage import Storage
from streamhouse_connect.brokers._writer import Writer
from streamhouse_connect.brokers.embedded import EmbeddedBroker
from streamhouse_connect.errors import FatalError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from streamhouse_connect.brokers._blobs import Piece, Stored
    from streamhouse_connect.brokers._storage import Reader
    from streamhouse_connect.brokers._topics import TopicLog
    from streamhouse_connect.brokers.interface import Committed, Topic

__all__ = ["SqliteBroker"]

_READ_THREADS: Final = 4
_UPKEEP_SECONDS: Final = 30.0

R = TypeVar("R")


class SqliteBroker(EmbeddedBroker):
    """Keeps everything in `data_dir`, which it makes if there is none, and which one process at a time may hold.

    What an append or a commit has returned for survives a kill of the process and a power failure.
    """

    name: ClassVar[str] = "sqlite"

    def __init__(self, data_dir: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        self.data_dir = Path(data_dir)
        super().__init__(_SqliteStorage(self.data_dir, clock), clock=clock)


class _SqliteStorage(Storage):
    def __init__(self, data_dir: Path, clock: Callable[[], float]) -> None:
        self.logs: Mapping[str, TopicLog] = {}
        self._path = data_dir / "broker.db"
        self._directory = DataDirectory(data_dir)
        self._clock = clock
        self._opened: _Opened | None = None

    async def open(self, changed: Callable[[str], None]) -> None:
        await asyncio.to_thread(self._open, changed)

    def _open(self, changed: Callable[[str], None]) -> None:
        self._directory.hold()

        try:
            databases.create(self._path, page_size=_tables.PAGE_SIZE)
            connection = databases.connect(self._path)

            try:
                with databases.translated(self._path), databases.transaction(connection):
                    _tables.prepare(connection, self._path)
                    self.logs = _tables.load(connection)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            self._directory.release()
            raise

        writer = Writer(self._path, connection, chore=partial(self._upkeep, changed))
        self._opened = _Opened(writer, _Readers(self._path), changed)

    async def close(self) -> None:
        opened, self._opened = self._opened, None

        if opened is not None:
            await asyncio.to_thread(self._close, opened)

    def _close(self, opened: _Opened) -> None:
        opened.writer.close()
        opened.readers.close()
        self._directory.release()

    def _use(self) -> _Opened:
        if self._opened is None:
            raise FatalError(f"the broker of {self._path.parent} is not open; use it inside `async with`")

        return self._opened

    # ----------------------------------------------------------------------------------------------------- writing

    async def create_topic(self, topic: Topic) -> None:
        opened = self._use()

        def publish(log: TopicLog) -> None:
            self.logs = {**self.logs, topic.name: log}
            opened.changed(topic.name)

        await opened.write(lambda connection: _tables.create_topic(connection, topic), publish)

    async def delete_topic(self, log: TopicLog) -> None:
        opened = self._use()
        name = log.topic.name

        def publish(_: None) -> None:
            self.logs = {other: kept for other, kept in self.logs.items() if other != name}
            opened.changed(name)
            opened.writer.hurry()

        await opened.write(lambda connection: _tables.delete_topic(connection, log), publish)

    async def append(self, log: TopicLog, pieces: Sequence[Piece], *, now: int) -> list[int]:
        opened = self._use()

        def publish(firsts: list[int]) -> None:
            for piece, first in zip(pieces, firsts, strict=True):
                log.ends[piece.partition] = first + piece.count

            opened.changed(log.topic.name)

        return await opened.write(
            lambda connection: _tables.append(connection, log, pieces, now),
            publish,
            nbytes=sum(len(piece.data) for piece in pieces),
        )

    async def commit(self, group: str, offsets: Mapping[tuple[int, int], Committed]) -> None:
        await self._use().write(lambda connection: _tables.commit(connection, group, offsets), _publish_nothing)

    async def delete_group(self, group: str) -> None:
        await self._use().write(lambda connection: _tables.delete_group(connection, group), _publish_nothing)

    # ----------------------------------------------------------------------------------------------------- reading

    async def read(self, reading: Callable[[Reader], R]) -> R:
        readers = self._use().readers
        return await readers.run(lambda connection: reading(_Reader(self._path, connection)))

    async def committed(self, group: str) -> Mapping[tuple[int, int], Committed]:
        def read(connection: sqlite3.Connection) -> dict[tuple[int, int], Committed]:
            with databases.translated(self._path):
                return _tables.committed(connection, group)

        return await self._use().readers.run(read)

    # ------------------------------------------------------------------------------------ in the writer's thread

    def _upkeep(self, changed: Callable[[str], None], connection: sqlite3.Connection) -> float:
        """Drop what has expired and what deleted topics have left, a little at a time; return when to go on."""
        with databases.transaction(connection):
            more = _upkeep.sweep(connection)

        for log in self.logs.values():
            if log.topic.retention_ms is None and log.topic.retention_bytes is None:
                continue

            trimmed = [self._trim(connection, log, partition) for partition in range(log.topic.partitions)]

            if any(trimmed):
                more = True
                changed(log.topic.name)

        return 0.0 if more else _UPKEEP_SECONDS

    def _trim(self, connection: sqlite3.Connection, log: TopicLog, partition: int) -> bool:
        if log.starts[partition] == log.ends[partition]:
            return False

        with databases.transaction(connection):
            start = _upkeep.trim(connection, log, partition, int(self._clock() * 1000))

        if start is None:
            return False

        log.starts[partition] = start
        return True


@attrs.frozen
class _Opened:
    """What exists while the broker is open."""

    writer: Writer
    readers: _Readers
    changed: Callable[[str], None]

    async def write(
        self, work: Callable[[sqlite3.Connection], R], publish: Callable[[R], None], *, nbytes: int = 0
    ) -> R:
        return await asyncio.wrap_future(self.writer.submit(work, publish, nbytes=nbytes))


class _Readers:
    """Threads of their own, each read with a connection that no other has meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(_READ_THREADS, thread_name_prefix=f"read {path.name}")
        self._idle: deque[sqlite3.Connection] = deque()

    async def run(self, read: Callable[[sqlite3.Connection], R]) -> R:
        try:
            future = self._threads.submit(self._run, read)
        except RuntimeError as error:
            raise FatalError(f"cannot read {self._path}: it is closed; open it again") from error

        return await asyncio.wrap_future(future)

    def _run(self, read: Callable[[sqlite3.Connection], R]) -> R:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = databases.connect(self._path)

        try:
            return read(connection)
        finally:
            self._idle.append(connection)

    def close(self) -> None:
        self._threads.shutdown()

        while self._idle:
            self._idle.pop().close()


@attrs.frozen
class _Reader:
    path: Path
    connection: sqlite3.Connection

    def blobs(self, log: TopicLog, partition: int, offset: int, *, end: int, max_bytes: int) -> Sequence[Stored]:
        with databases.translated(self.path), databases.transaction(self.connection, "DEFERRED"):
            return _tables.blobs(self.connection, log, partition, offset, end=end, max_bytes=max_bytes)


def _publish_nothing(_: None) -> None:
    """The process keeps nothing of it."""
