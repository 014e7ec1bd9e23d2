import sqlite3
from pathlib import Path

import pytest

from streamhouse_connect import DeliveryError, FatalError, RetriableError, databases


def _error(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("it went wrong")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("name", "kind", "remedy"),
    [
        ("SQLITE_FULL", RetriableError, "free some space"),
        ("SQLITE_BUSY", RetriableError, "another program"),
        ("SQLITE_BUSY_SNAPSHOT", RetriableError, "another program"),
        ("SQLITE_IOERR_FSYNC", RetriableError, "check the disk"),
        ("SQLITE_CORRUPT_VTAB", FatalError, "backup"),
        ("SQLITE_NOTADB", FatalError, "backup"),
        ("SQLITE_READONLY_DBMOVED", FatalError, "writable"),
        ("SQLITE_TOOBIG", FatalError, "smaller"),
        ("SQLITE_MISUSE", FatalError, "documentation"),
    ],
)
def test_errors_say_what_to_do(name: str, kind: type[DeliveryError], remedy: str) -> None:
    """Each error of SQLite becomes one of ours, naming the file, SQLite's words and a remedy."""
    error = databases.translate(_error(name), Path("data/broker.db"))

    assert type(error) is kind
    assert str(error).startswith("cannot use data/broker.db: it went wrong")
    assert name in str(error)
    assert remedy in str(error)


def test_an_error_without_a_name_is_fatal() -> None:
    """Errors of the sqlite3 module itself have no code: they are mistakes of ours."""
    error = databases.translate(sqlite3.ProgrammingError("cannot operate on a closed database"), Path("broker.db"))

    assert isinstance(error, FatalError)
    assert "ProgrammingError" in str(error)


def test_a_connection_is_durable(tmp_path: Path) -> None:
    """Every connection waits for the disk: WAL, and synchronous=FULL (2)."""
    path = tmp_path / "t.db"
    databases.create(path, page_size=16_384)
    connection = databases.connect(path)

    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA page_size").fetchone() == (16_384,)
    connection.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """What was done in a block that raises is rolled back."""
    path = tmp_path / "t.db"
    databases.create(path)
    connection = databases.connect(path)
    connection.execute("CREATE TABLE t (x)")

    with pytest.raises(KeyError), databases.transaction(connection):
        connection.execute("INSERT INTO t VALUES (1)")
        raise KeyError

    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.close()
