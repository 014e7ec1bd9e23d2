"""Definitions in a SQLite file of their own, which only its owner can read: configurations hold secrets.

Who holds the data directory of the embedded broker holds this file too; alone, it may be opened by several processes.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

import attrs

from streamhouse_connect import databases
from streamhouse_connect.definitions import codec
from streamhouse_connect.definitions._errors import (
    connector_exists,
    damaged,
    state_changed,
    unknown_connector,
    version_changed,
)
from streamhouse_connect.definitions.interface import Definition, DefinitionStore
from streamhouse_connect.errors import ConflictError, FatalError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

__all__ = ["SqliteDefinitionStore"]

_VERSION: Final = 1
_APPLICATION: Final = 0x53484344  # "SHCD"

_SCHEMA: Final = (
    "CREATE TABLE definitions (name TEXT PRIMARY KEY, uid TEXT NOT NULL, definition BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE states (uid TEXT, key TEXT, value BLOB NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (uid, key))",
)

R = TypeVar("R")


class SqliteDefinitionStore(DefinitionStore):
    """Keeps definitions in `data_dir`; what a method has returned for survives a kill and a power failure."""

    durable: ClassVar[bool] = True

    def __init__(self, data_dir: str | Path) -> None:
        self.path = Path(data_dir) / "definitions.db"
        self._opened: _Opened | None = None

    async def open(self) -> None:
        """Make the file and its directory if there are none.

        :raises FatalError: if it cannot be used.
        """
        connection = await asyncio.to_thread(self._open)
        self._opened = _Opened(connection, ThreadPoolExecutor(1, thread_name_prefix=f"definitions {self.path.name}"))

    def _open(self) -> sqlite3.Connection:
        try:
            databases.make_directory(self.path.parent)
        except OSError as error:
            raise FatalError(f"cannot make {self.path.parent}: {error.strerror}; choose another place") from error

        databases.create(self.path)
        connection = databases.connect(self.path)

        try:
            with databases.translated(self.path), databases.transaction(connection):
                databases.lay_out(connection, self.path, _SCHEMA, application=_APPLICATION, version=_VERSION)
        except BaseException:
            connection.close()
            raise

        return connection

    async def close(self) -> None:
        opened, self._opened = self._opened, None

        if opened is not None:
            await asyncio.to_thread(opened.close)

    async def all(self) -> list[Definition]:
        return [row for row in await self._run(_rows) if isinstance(row, Definition)]

    async def damaged(self) -> Mapping[str, str]:
        return {row.name: str(row.error) for row in await self._run(_rows) if isinstance(row, _Damaged)}

    async def create(self, definition: Definition) -> Definition:
        definition = attrs.evolve(definition, version=1)
        text = codec.encode(definition)

        def write(connection: sqlite3.Connection) -> Definition:
            match _row(connection, definition.name):
                case None:
                    pass
                case _Damaged() as found:
                    raise found.error
                case _:
                    raise connector_exists(definition.name)

            connection.execute("INSERT INTO definitions VALUES (?, ?, ?)", (definition.name, definition.uid, text))
            return definition

        return await self._run(write)

    async def replace(self, definition: Definition, *, expected: int | None = None) -> Definition:
        def write(connection: sqlite3.Connection) -> Definition:
            version = _find(connection, definition.name, expected).version
            kept = attrs.evolve(definition, version=version + 1)
            connection.execute(
                "UPDATE definitions SET uid = ?, definition = ? WHERE name = ?",
                (kept.uid, codec.encode(kept), kept.name),
            )
            return kept

        return await self._run(write)

    async def delete(self, name: str, *, expected: int | None = None) -> None:
        def write(connection: sqlite3.Connection) -> None:
            found = _row(connection, name)
            uid = (
                found.uid if isinstance(found, _Damaged) and expected is None else _find(connection, name, expected).uid
            )
            connection.execute("DELETE FROM states WHERE uid = ?", (uid,))
            connection.execute("DELETE FROM definitions WHERE name = ?", (name,))

        await self._run(write)

    async def get_state(self, uid: str, key: str) -> tuple[bytes, int] | None:
        return await self._run(lambda connection: _state(connection, uid, key))

    async def put_state(self, uid: str, key: str, value: bytes, *, expected: int | None) -> int:
        def write(connection: sqlite3.Connection) -> int:
            found = _state(connection, uid, key)
            version = None if found is None else found[1]

            if version != expected:
                raise state_changed(key, expected=expected, found=version)

            connection.execute(
                "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?)", (uid, key, value, (version or 0) + 1)
            )
            return (version or 0) + 1

        return await self._run(write)

    async def _run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Do `work` in a transaction, in the store's thread."""
        if self._opened is None:
            raise FatalError(f"the store of {self.path} is not open; use it inside `async with`")

        opened = self._opened

        def transact() -> R:
            with databases.translated(self.path), databases.transaction(opened.connection):
                return work(opened.connection)

        try:
            future = opened.thread.submit(transact)
        except RuntimeError as error:
            raise FatalError(f"the store of {self.path} is closed; open it again") from error

        return await asyncio.wrap_future(future)


@attrs.frozen
class _Opened:
    """What exists while the store is open."""

    connection: sqlite3.Connection
    thread: ThreadPoolExecutor

    def close(self) -> None:
        self.thread.shutdown()
        self.connection.close()


@attrs.frozen
class _Damaged:
    """A row whose definition can't be read."""

    name: str
    uid: str
    error: ConflictError


def _rows(connection: sqlite3.Connection) -> list[Definition | _Damaged]:
    rows = connection.execute("SELECT name, uid, definition FROM definitions ORDER BY name").fetchall()
    return [_read(*row) for row in rows]


def _row(connection: sqlite3.Connection, name: str) -> Definition | _Damaged | None:
    row = connection.execute("SELECT name, uid, definition FROM definitions WHERE name = ?", (name,)).fetchone()
    return _read(*row) if row else None


def _read(name: str, uid: str, text: bytes) -> Definition | _Damaged:
    try:
        found = codec.decode(text)
    except (TypeError, ValueError) as error:
        return _Damaged(name, uid, damaged(name, str(error)))

    return found if found.name == name else _Damaged(name, uid, damaged(name, "it is another connector's"))


def _find(connection: sqlite3.Connection, name: str, expected: int | None) -> Definition:
    found = _row(connection, name)

    if found is None:
        raise unknown_connector(name)

    if isinstance(found, _Damaged):
        raise found.error

    if expected not in (None, found.version):
        raise version_changed(name, expected=expected, found=found.version)

    return found


def _state(connection: sqlite3.Connection, uid: str, key: str) -> tuple[bytes, int] | None:
    row: tuple[bytes, int] | None = connection.execute(
        "SELECT value, version FROM states WHERE uid = ? AND key = ?", (uid, key)
    ).fetchone()

    return row
