"""SQLite database files that are private and durable, and SQLite's errors in words.

A file has mode 0600 whatever the umask, its -wal and -shm too; it is in WAL mode with `synchronous=FULL`, so that what was
committed survives a kill of the process and a power failure. Knows nothing of what is stored.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Final

from streamhouse_connect.errors import DeliveryError, FatalError, RetriableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["connect", "create", "lay_out", "make_directory", "transaction", "translate", "translated"]

_BUSY_SECONDS: Final = 5.0
_CHECKPOINT_BYTES: Final = 16 * 2**20
_MODE: Final = 0o600

_RETRIABLE: Final = {
    "SQLITE_FULL": "free some space on its disk",
    "SQLITE_BUSY": "another program holds it; close that program",
    "SQLITE_LOCKED": "another program holds it; close that program",
    "SQLITE_PROTOCOL": "another program holds it; close that program",
    "SQLITE_IOERR": "check the disk it is on, and the kernel's log",
    "SQLITE_NOMEM": "give the process more memory",
    "SQLITE_INTERRUPT": "try again",
}
_FATAL: Final = {
    "SQLITE_CORRUPT": "it is damaged; restore it from a backup",
    "SQLITE_NOTADB": "something else lies there; choose another place, or restore it from a backup",
    "SQLITE_READONLY": "make it and its directory writable",
    "SQLITE_CANTOPEN": "make it and its directory readable and writable",
    "SQLITE_PERM": "make it and its directory readable and writable",
    "SQLITE_AUTH": "make it and its directory readable and writable",
    "SQLITE_TOOBIG": "a record is larger than SQLite can hold; append smaller ones",
}


def make_directory(path: Path) -> None:
    """Make a directory that only its owner can enter, durably; one that is there already stays as it is.

    :raises OSError: if it cannot be made.
    """
    if path.is_dir():
        return

    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)

    # Its name in the parent must survive a power failure as its files do.
    descriptor = os.open(path.parent, os.O_RDONLY)

    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create(path: Path, *, page_size: int = 4096) -> None:
    """Make the file if there is none, and private in any case. Call it while this process has no connection to it.

    The page size counts for a new file only.

    :raises RetriableError: if the disk is full or fails.
    :raises FatalError: if it is no database, or cannot be written.
    """
    # An existing database is never opened here: closing any descriptor of it would drop SQLite's locks (POSIX).
    try:
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE)
            os.fchmod(descriptor, _MODE)
            os.close(descriptor)

        for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            with contextlib.suppress(FileNotFoundError):
                name.chmod(_MODE)
    except OSError as error:
        raise FatalError(f"cannot write {path}: {error.strerror}; make it and its directory writable") from error

    with translated(path), contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute("PRAGMA journal_mode=WAL")


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection to a file that `create` has made; any one thread at a time may use it.

    :raises RetriableError: if the disk is full or fails.
    :raises FatalError: if it is no database, or cannot be written.
    """
    with translated(path):
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)

        try:
            connection.execute("PRAGMA synchronous=FULL")
            page_size: int = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_BYTES // page_size}")
            connection.execute(f"PRAGMA journal_size_limit={4 * _CHECKPOINT_BYTES}")
        except BaseException:
            connection.close()
            raise

        return connection


def lay_out(
    connection: sqlite3.Connection, path: Path, statements: Iterable[str], *, application: int, version: int
) -> None:
    """Make the tables of a new file, which is marked as the application's and of that version; in a transaction of the caller.

    :raises FatalError: if the file is of another version or another application.
    """
    its_application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    its_version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]

    if not tables:
        for statement in (
            *statements,
            f"PRAGMA application_id = {application}",
            f"PRAGMA user_version = {version}",
        ):
            connection.execute(statement)

        return

    if its_application != application:
        raise FatalError(f"{path} is another application's database; choose another data directory")

    if its_version != version:
        raise FatalError(
            f"{path} has format {its_version}, this version reads {version}; install the version that wrote it"
        )


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Commit at the end of the block; roll back if it raises, or if the commit does."""
    connection.execute(f"BEGIN {kind}")

    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # After some errors (a full disk, an I/O error) SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")

        raise


def translate(error: sqlite3.Error, path: Path) -> DeliveryError:
    """Return what an error of SQLite means: `RetriableError` where waiting may help, else `FatalError`."""
    name = getattr(error, "sqlite_errorname", None) or ""

    for prefix, remedy in _RETRIABLE.items():
        if name.startswith(prefix):
            return RetriableError(f"cannot use {path}: {error} ({name}); {remedy}")

    remedy = next(
        (remedy for prefix, remedy in _FATAL.items() if name.startswith(prefix)), "see SQLite's documentation"
    )
    return FatalError(f"cannot use {path}: {error} ({name or type(error).__name__}); {remedy}")


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise what `translate` makes of SQLite's errors in the block."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error
