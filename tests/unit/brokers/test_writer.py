import logging
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import attrs
import pytest

from streamhouse_connect import ConflictError, FatalError, RetriableError, databases
from streamhouse_connect.brokers._writer import Writer

SOON = 10.0
HOURS = 3_600.0


@attrs.define
class Bench:
    """A writer on a database with the table `t(x)`, and the statements that it has run."""

    path: Path
    writer: Writer
    statements: list[str]

    def insert(self, x: int) -> "Inserted":
        return Inserted(self.writer, x)

    def stored(self) -> list[int]:
        with sqlite3.connect(self.path) as connection:
            return [x for (x,) in connection.execute("SELECT x FROM t ORDER BY rowid")]

    def hold(self) -> threading.Event:
        """Keep the writer busy until the event is set; returns once it is."""
        started, release = threading.Event(), threading.Event()

        def work(connection: sqlite3.Connection) -> None:
            started.set()
            assert release.wait(SOON)

        self.writer.submit(work, _nothing)
        assert started.wait(SOON)
        return release


class Inserted:
    """An insert that waits, and what became of it."""

    def __init__(self, writer: Writer, x: int) -> None:
        self.published: list[int] = []
        self.future = writer.submit(lambda connection: _insert(connection, x), self.published.append)


def _insert(connection: sqlite3.Connection, x: int) -> int:
    connection.execute("INSERT INTO t VALUES (?)", (x,))
    return x


def _nothing(_: object) -> None:
    pass


def _fail(error: BaseException) -> object:
    def work(connection: sqlite3.Connection) -> None:
        _insert(connection, 666)
        raise error

    return work


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    path = tmp_path / "t.db"
    databases.create(path)
    connection = databases.connect(path)
    connection.execute("CREATE TABLE t (x)")
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    writer = Writer(path, connection, chore=lambda _: HOURS)
    yield Bench(path, writer, statements)
    writer.close()


def test_all_who_wait_share_a_transaction(bench: Bench) -> None:
    """What was submitted while the writer was busy is committed at once, in order."""
    release = bench.hold()
    inserts = [bench.insert(x) for x in range(20)]
    release.set()

    assert [insert.future.result(SOON) for insert in inserts] == list(range(20))
    assert bench.stored() == list(range(20))
    assert bench.statements.count("COMMIT") == 2


def test_results_are_published_once_they_are_durable(bench: Bench) -> None:
    """When the result is published, others can read what was written."""
    seen: list[list[int]] = []
    future = bench.writer.submit(lambda connection: _insert(connection, 1), lambda _: seen.append(bench.stored()))
    future.result(SOON)

    assert seen == [[1]]


def test_one_failure_does_not_spoil_the_others(bench: Bench) -> None:
    """A job that raises leaves nothing behind and is answered with its error; those beside it are written."""
    release = bench.hold()
    before = bench.insert(1)
    failing = bench.writer.submit(_fail(ConflictError("no")), _nothing)  # type: ignore[arg-type]  # a function
    after = bench.insert(2)
    release.set()

    assert (before.future.result(SOON), after.future.result(SOON)) == (1, 2)
    assert isinstance(failing.exception(SOON), ConflictError)
    assert (before.published, after.published) == ([1], [2])
    assert bench.stored() == [1, 2]


def test_what_is_cancelled_before_it_is_written_is_not_written(bench: Bench) -> None:
    """Who no longer waits for an append that has not begun has not appended."""
    release = bench.hold()
    cancelled, other = bench.insert(1), bench.insert(2)
    assert cancelled.future.cancel()
    release.set()
    other.future.result(SOON)

    assert bench.stored() == [2]
    assert cancelled.published == []

    with pytest.raises(CancelledError):
        cancelled.future.result(0)


def test_a_full_disk_is_told_to_all_and_passes(bench: Bench) -> None:
    """SQLite's errors are answered in words to everyone who waits; the writer goes on and takes what comes later."""
    pages = bench.writer._connection.execute("PRAGMA page_count").fetchone()[0]
    bench.writer._connection.execute(f"PRAGMA max_page_count = {pages}")
    release = bench.hold()
    large = "x" * 1_000_000
    futures = [bench.writer.submit(lambda c: _insert(c, large), _nothing) for _ in range(3)]  # type: ignore[arg-type]  # a text
    release.set()
    errors = [future.exception(SOON) for future in futures]
    bench.writer._connection.execute("PRAGMA max_page_count = 1000000")

    assert [type(error) for error in errors] == [RetriableError] * 3
    assert "free some space" in str(errors[0])
    assert str(bench.path) in str(errors[0])
    assert bench.insert(1).future.result(SOON) == 1
    assert bench.stored() == [1]


def test_closing_finishes_what_waits(bench: Bench) -> None:
    """What was submitted before the end is written; what comes after is refused."""
    release = bench.hold()
    inserts = [bench.insert(x) for x in range(5)]
    closing = threading.Thread(target=bench.writer.close)
    closing.start()

    while not bench.writer._closing:
        pass

    with pytest.raises(FatalError, match="it is closed"):
        bench.insert(9)

    release.set()
    closing.join(SOON)

    assert [insert.future.result(0) for insert in inserts] == list(range(5))
    assert bench.stored() == list(range(5))
    bench.writer.close()


@pytest.mark.parametrize("error", [SystemExit("stop"), KeyboardInterrupt()])
def test_a_writer_that_ends_answers_all(bench: Bench, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """If the thread cannot go on, nobody waits for ever: all are told why, now and later."""
    release = bench.hold()
    failing = bench.writer.submit(_fail(error), _nothing)  # type: ignore[arg-type]  # a function
    beside = bench.insert(1)

    with caplog.at_level(logging.CRITICAL):
        release.set()

        for future in (failing, beside.future):
            ended = future.exception(SOON)
            assert isinstance(ended, FatalError)
            assert type(error).__name__ in str(ended)

        bench.writer._thread.join(SOON)

    with pytest.raises(FatalError, match="its writer has ended"):
        bench.insert(2)

    assert bench.stored() == []


def test_a_publisher_that_raises_ends_the_writer_loudly(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """What the process knows may differ from what is stored then: going on would be worse."""

    def publish(_: object) -> None:
        raise ValueError("boom")

    future = bench.writer.submit(lambda connection: _insert(connection, 1), publish)

    assert isinstance(future.exception(SOON), FatalError)
    bench.writer._thread.join(SOON)
    assert "the writer has ended" in caplog.text


def test_chores_are_done_when_they_are_due(tmp_path: Path) -> None:
    """The chore runs at the start, and again when it is hurried."""
    path = tmp_path / "t.db"
    databases.create(path)
    ran = threading.Semaphore(0)

    def chore(connection: sqlite3.Connection) -> float:
        ran.release()
        return HOURS

    writer = Writer(path, databases.connect(path), chore=chore)
    assert ran.acquire(timeout=SOON)
    writer.submit(_count, lambda _: writer.hurry()).result(SOON)
    assert ran.acquire(timeout=SOON)
    writer.close()


def test_a_chore_that_fails_is_tried_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Upkeep that meets a full disk is logged, and stops nobody from writing."""
    path = tmp_path / "t.db"
    databases.create(path)
    ran = threading.Event()

    def chore(connection: sqlite3.Connection) -> float:
        ran.set()
        raise sqlite3.OperationalError("disk full")

    writer = Writer(path, databases.connect(path), chore=chore)
    assert ran.wait(SOON)

    assert writer.submit(_count, _nothing).result(SOON) == 0
    writer.close()
    assert "disk full" in caplog.text


def _count(connection: sqlite3.Connection) -> int:
    (number,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(number)
