"""What only the durable broker does: files, locks, retention on disk, and damage."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamhouse_connect import (
    Batch,
    Committed,
    ConfigError,
    ConflictError,
    Consumer,
    FatalError,
    NewRecords,
    RetriableError,
    SqliteBroker,
    Subscription,
    TopicPartition,
)
from streamhouse_connect.testing.brokers import RecordingListener

T0 = TopicPartition("t", 0)
SOON = 10.0

# Holds a data directory until its input is closed.
HOLDER = """
import asyncio, sys
from streamhouse_connect import SqliteBroker

async def main():
    async with SqliteBroker(sys.argv[1]):
        print("held", flush=True)
        sys.stdin.read()

asyncio.run(main())
"""


class Clock:
    """Tells the time that it was told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)

    try:
        yield
    finally:
        os.umask(before)


def _database(directory: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(directory / "broker.db", isolation_level=None))


async def _fill(directory: Path, *, appends: int = 3, records: int = 2) -> None:
    async with SqliteBroker(directory) as broker:
        await broker.create_topic("t")

        for append in range(appends):
            await broker.append("t", NewRecords(values=[f"{append} {each}".encode() for each in range(records)]))


async def _all(consumer: Consumer) -> list[Batch]:
    batches: list[Batch] = []

    while found := await consumer.poll(max_records=10_000, timeout=0):
        batches += found

    return batches


# ----------------------------------------------------------------------------------------------------------- durability


async def test_everything_survives_a_restart(tmp_path: Path) -> None:
    """Topics, records, next offsets, commits and their metadata are there when the directory is opened again."""
    async with SqliteBroker(tmp_path) as broker:
        topic = await broker.create_topic("t", partitions=2, retention_ms=10**9, retention_bytes=10**9)
        await broker.append("t", NewRecords(values=[b"0", b"1"], partitions=[0, 1], headers=[(("h", None),)] * 2))
        consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
        await consumer.commit({T0: Committed(1, "meta")})
        await consumer.close()

    async with SqliteBroker(tmp_path) as broker:
        assert await broker.topics() == [topic]
        assert await broker.committed("g") == {T0: Committed(1, "meta")}
        assert [record.headers for record in await broker.read(T0, 0, max_records=9)] == [(("h", None),)]
        assert list((await broker.append("t", NewRecords(values=[b"2"], partitions=[0]))).offsets) == [1]


async def test_a_broker_can_be_opened_again(tmp_path: Path) -> None:
    """The same object may be closed and opened."""
    broker = SqliteBroker(tmp_path)

    for offset in range(3):
        async with broker:
            if not offset:
                await broker.create_topic("t")

            assert list((await broker.append("t", NewRecords(values=[b"v"]))).offsets) == [offset]


async def test_appends_that_wait_at_the_end_are_finished(tmp_path: Path) -> None:
    """An append that was begun before the broker is closed is stored, or fails; it never hangs."""
    broker = SqliteBroker(tmp_path)

    async with broker:
        await broker.create_topic("t")
        appends = [asyncio.create_task(broker.append("t", NewRecords(values=[b"v"]))) for _ in range(50)]
        await asyncio.sleep(0)

    async with asyncio.timeout(SOON):
        outcomes = await asyncio.gather(*appends, return_exceptions=True)

    stored = sum(not isinstance(outcome, BaseException) for outcome in outcomes)

    async with SqliteBroker(tmp_path) as again:
        assert await again.watermarks("t") == {T0: (0, stored)}


async def test_what_is_closed_says_so(tmp_path: Path) -> None:
    """A broker that is not open refuses to work, in words."""
    broker = SqliteBroker(tmp_path)

    async with broker:
        await broker.create_topic("t")

    with pytest.raises(FatalError, match="is not open"):
        await broker.append("t", NewRecords(values=[b"v"]))


async def test_records_are_read_once_they_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is durable, while the process does not yet count it in, is not read: a reader would be beyond the log's end."""
    durable, release = threading.Event(), threading.Event()

    async with SqliteBroker(tmp_path) as broker:
        await broker.create_topic("t")
        await broker.append("t", NewRecords(values=[b"0"]))
        consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
        writer = broker._storage._opened.writer  # type: ignore[attr-defined]  # the storage of SQLite
        submit = writer.submit

        def submit_held(work: Any, publish: Callable[[Any], None], *, nbytes: int = 0) -> Any:
            def publish_later(result: object) -> None:
                durable.set()
                assert release.wait(SOON)
                publish(result)

            return submit(work, publish_later, nbytes=nbytes)

        monkeypatch.setattr(writer, "submit", submit_held)
        appended = asyncio.create_task(broker.append("t", NewRecords(values=[b"1", b"2"])))
        assert await asyncio.to_thread(durable.wait, SOON)

        try:
            assert [list(batch.values) for batch in await consumer.poll(max_records=9, timeout=0)] == [[b"0"]]
            assert await consumer.poll(max_records=9, timeout=0) == []
            assert list((await broker.read(T0, 0, max_records=9)).values) == [b"0"]
        finally:
            release.set()

        await appended
        assert [list(batch.values) for batch in await consumer.poll(max_records=9, timeout=SOON)] == [[b"1", b"2"]]
        await consumer.close()


# ---------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("mask", [0o000, 0o777])
async def test_files_are_private(tmp_path: Path, mask: int) -> None:
    """Whatever the umask, only the owner can read what is stored, and the directory if the broker made it."""
    directory = tmp_path / "data"

    with _umask(mask):
        async with SqliteBroker(directory) as broker:
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"v"]))
            await broker.read(T0, 0, max_records=1)
            modes = {path.name: _mode(path) for path in directory.iterdir()}

    assert set(modes) >= {"broker.db", "broker.db-wal", "broker.db-shm", "broker.lock", "broker.pid"}
    assert set(modes.values()) == {0o600}
    assert _mode(directory) == 0o700


async def test_files_that_others_could_read_become_private(tmp_path: Path) -> None:
    """A file that was copied with a wider mode is narrowed; a directory that was there keeps its mode."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    await _fill(directory)
    (directory / "broker.db").chmod(0o644)

    async with SqliteBroker(directory) as broker:
        await broker.append("t", NewRecords(values=[b"v"]))
        assert {_mode(path) for path in directory.glob("broker.db*")} == {0o600}

    assert _mode(directory) == 0o755


async def test_a_second_broker_of_this_process_is_refused(tmp_path: Path) -> None:
    """A data directory that this process holds already is in use; once it is let go, it is free."""
    async with SqliteBroker(tmp_path):
        with pytest.raises(ConflictError, match="this process already") as raised:
            await SqliteBroker(tmp_path).open()

        assert raised.value.code == "data_dir_in_use"
        assert str(tmp_path) in str(raised.value)

    async with SqliteBroker(tmp_path):
        pass


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """The error names the directory and the process that holds it; when that one is killed, the directory is free."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        try:
            with pytest.raises(ConflictError, match=f"{tmp_path} is in use by process {holder.pid};") as raised:
                await SqliteBroker(tmp_path).open()
        finally:
            holder.kill()

    assert raised.value.code == "data_dir_in_use"

    async with SqliteBroker(tmp_path):
        pass


@pytest.mark.parametrize("name", ["file", "file/data", "\0"])
async def test_a_directory_that_cannot_be_made_is_a_problem_of_its_option(tmp_path: Path, name: str) -> None:
    """Where a file lies in the way, the error says so."""
    (tmp_path / "file").write_text("here first")

    with pytest.raises(ConfigError, match="data_dir"):
        await SqliteBroker(tmp_path / name).open()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Something else under the broker's name is neither read nor overwritten, and the directory is let go."""
    (tmp_path / "broker.db").write_bytes(b"hello, this is no database\n" * 1000)

    with pytest.raises(FatalError, match="restore it from a backup"):
        await SqliteBroker(tmp_path).open()

    assert (tmp_path / "broker.db").read_bytes().startswith(b"hello")
    (tmp_path / "broker.db").unlink()

    async with SqliteBroker(tmp_path):
        pass


async def test_another_applications_database_is_refused(tmp_path: Path) -> None:
    """A database that somebody else made is left alone."""
    with _database(tmp_path) as connection:
        connection.execute("CREATE TABLE theirs (x)")

    with pytest.raises(FatalError, match="another application"):
        await SqliteBroker(tmp_path).open()


async def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """What a later version wrote is not guessed at."""
    await _fill(tmp_path)

    with _database(tmp_path) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(FatalError, match="format 99"):
        await SqliteBroker(tmp_path).open()


# --------------------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("change", ["data = zeroblob(length(data))", "checksum = checksum + 1", "data = x'00'"])
async def test_damaged_records_are_named_after_those_before_them(tmp_path: Path, change: str) -> None:
    """Records before the damage are delivered, then the poll fails naming it; a seek past it reads on."""
    await _fill(tmp_path)

    with _database(tmp_path) as connection:
        connection.execute(f"UPDATE blobs SET {change} WHERE first_offset = 2")

    async with SqliteBroker(tmp_path) as broker:
        consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
        (batch,) = await consumer.poll(max_records=10_000, timeout=0)
        assert list(batch.offsets) == [0, 1]

        for _ in range(2):
            with pytest.raises(FatalError, match=r"t-0 from offset 2 to 3 .*damaged.*offset 4"):
                await consumer.poll(max_records=10_000, timeout=0)

        await consumer.seek(T0, 4)
        assert [offset for batch in await _all(consumer) for offset in batch.offsets] == [4, 5]
        await consumer.close()


async def test_damage_in_one_partition_does_not_silence_others(tmp_path: Path) -> None:
    """Records of other partitions are delivered first; the damage is told in the end."""
    async with SqliteBroker(tmp_path) as broker:
        await broker.create_topic("t", partitions=2)
        await broker.append("t", NewRecords(values=[b"0", b"1"], partitions=[0, 1]))

    with _database(tmp_path) as connection:
        connection.execute("UPDATE blobs SET data = x'00' WHERE partition = 1")

    async with SqliteBroker(tmp_path) as broker:
        consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
        (batch,) = await consumer.poll(max_records=10_000, timeout=0)
        assert list(batch.values) == [b"0"]

        with pytest.raises(FatalError, match="t-1"):
            await consumer.poll(max_records=10_000, timeout=0)

        await consumer.close()


async def test_missing_records_are_an_error(tmp_path: Path) -> None:
    """A hole in a log is not passed over."""
    await _fill(tmp_path)

    with _database(tmp_path) as connection:
        connection.execute("DELETE FROM blobs WHERE first_offset = 2")

    async with SqliteBroker(tmp_path) as broker:
        consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
        (batch,) = await consumer.poll(max_records=10_000, timeout=0)
        assert list(batch.offsets) == [0, 1]

        with pytest.raises(FatalError, match="t-0 from offset 2 are missing"):
            await consumer.poll(max_records=10_000, timeout=0)

        await consumer.close()


async def test_a_full_disk_fails_appends_and_passes(tmp_path: Path) -> None:
    """Every append that does not fit is told so; when there is space again, appends go on at the next offset."""
    async with SqliteBroker(tmp_path) as broker:
        await broker.create_topic("t")
        await broker.append("t", NewRecords(values=[b"0"]))
        assert broker._storage._opened is not None  # type: ignore[attr-defined]  # the storage of SQLite
        connection = broker._storage._opened.writer._connection  # type: ignore[attr-defined]  # the same
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        large = NewRecords(values=[b"x" * 200_000])
        outcomes = await asyncio.gather(*(broker.append("t", large) for _ in range(5)), return_exceptions=True)
        connection.execute("PRAGMA max_page_count = 1000000")

        assert [type(outcome) for outcome in outcomes] == [RetriableError] * 5
        assert "free some space" in str(outcomes[0])
        assert list((await broker.append("t", large)).offsets) == [1]
        assert await broker.watermarks("t") == {T0: (0, 2)}


# ------------------------------------------------------------------------------------------------------------ retention


async def _settle(broker: SqliteBroker) -> None:
    """Have the writer's upkeep done: it comes between two transactions."""
    for _ in range(3):
        await broker.delete_group("nobody")


async def test_old_records_expire(tmp_path: Path) -> None:
    """Records that are older than a topic's retention go; the next offset and other topics stay, over restarts too."""
    clock = Clock()

    async with SqliteBroker(tmp_path, clock=clock) as broker:
        await broker.create_topic("t", retention_ms=60_000)
        await broker.create_topic("kept")
        await broker.append("t", NewRecords(values=[b"0", b"1"], timestamps=[10**15, 1]))
        await broker.append("kept", NewRecords(values=[b"0"]))
        clock.now += 50
        await broker.append("t", NewRecords(values=[b"2"]))

    clock.now += 11

    async with SqliteBroker(tmp_path, clock=clock) as broker:
        await _settle(broker)
        assert await broker.watermarks("t") == {T0: (2, 3)}
        assert await broker.watermarks("kept") == {TopicPartition("kept", 0): (0, 1)}
        assert [record.value for record in await broker.read(T0, 0, max_records=9)] == [b"2"]
        consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
        await consumer.poll(max_records=9, timeout=0)
        assert await consumer.seek(T0, 0) == 2
        await consumer.close()

    clock.now += 1_000

    async with SqliteBroker(tmp_path, clock=clock) as broker:
        await _settle(broker)
        assert await broker.watermarks("t") == {T0: (3, 3)}
        assert list(await broker.read(T0, 0, max_records=9)) == []

    async with SqliteBroker(tmp_path, clock=clock) as broker:
        assert list((await broker.append("t", NewRecords(values=[b"3"]))).offsets) == [3]


async def test_a_log_is_bounded_in_size(tmp_path: Path) -> None:
    """Of each partition about the retained size is kept, the newest."""
    async with SqliteBroker(tmp_path) as broker:
        await broker.create_topic("t", partitions=2, retention_bytes=25_000)

        for number in range(20):
            await broker.append("t", NewRecords(values=[bytes(10_000)], partitions=[number % 2]))

    async with SqliteBroker(tmp_path) as broker:
        await _settle(broker)
        assert await broker.watermarks("t") == {T0: (7, 10), TopicPartition("t", 1): (7, 10)}


async def test_a_consumer_goes_on_after_what_has_expired(tmp_path: Path) -> None:
    """Records that expire before they are read are passed over, and the listener is told which."""
    clock = Clock()

    async with SqliteBroker(tmp_path, clock=clock) as broker:
        await broker.create_topic("t", retention_ms=60_000)
        await broker.append("t", NewRecords(values=[b"0", b"1"]))
        listener = RecordingListener()
        consumer = broker.consumer("g", Subscription(["t"]), listener)
        (batch,) = await consumer.poll(max_records=1, timeout=0)
        assert list(batch.offsets) == [0]
        clock.now += 61
        broker._storage._opened.writer.hurry()  # type: ignore[attr-defined]  # the storage of SQLite
        await _settle(broker)
        assert await broker.watermarks("t") == {T0: (2, 2)}
        assert await consumer.poll(max_records=9, timeout=0) == []
        await broker.append("t", NewRecords(values=[b"2"]))
        (batch,) = await consumer.poll(max_records=9, timeout=0)

        assert list(batch.values) == [b"2"]
        assert (batch.spans[0].first_offset, batch.spans[0].next_offset) == (2, 3)
        assert listener.gaps == [(T0, 1, 2)]
        await consumer.close()


async def test_what_a_deleted_topic_leaves_is_swept_away(tmp_path: Path) -> None:
    """The blobs of a deleted topic go in the background; a crash before that only delays it."""
    await _fill(tmp_path, appends=20)

    async with SqliteBroker(tmp_path) as broker:
        await broker.create_topic("other")
        await broker.append("other", NewRecords(values=[b"v"]))
        await broker.delete_topic("t")
        await _settle(broker)

    with _database(tmp_path) as connection:
        assert connection.execute("SELECT count(*) FROM blobs").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM deleted_topics").fetchone() == (0,)


# -------------------------------------------------------------------------------------------------------------- threads


async def test_reads_do_not_hold_up_the_event_loop(tmp_path: Path) -> None:
    """Reading and decoding happen in threads of the broker."""
    threads: set[threading.Thread] = set()

    async with SqliteBroker(tmp_path) as broker:
        await broker._storage.read(lambda _: threads.add(threading.current_thread()))

    assert threading.current_thread() not in threads
    assert all(thread.name.startswith("read broker.db") for thread in threads)


async def test_nothing_outlives_the_broker(tmp_path: Path) -> None:
    """After the end there are no threads of the broker."""
    await _fill(tmp_path)

    assert [thread.name for thread in threading.enumerate() if "broker.db" in thread.name] == []
