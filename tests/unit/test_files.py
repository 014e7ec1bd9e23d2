"""file-sink, beyond what all object sinks do."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from streamhouse_connect import FatalError, RejectedRecords, ReplayFrom, RetriableError, TopicPartition
from streamhouse_connect.files import FileConfig, FileSink
from streamhouse_connect.formatters.avro import AvroConfig, AvroFormatter
from streamhouse_connect.formatters.interface import Formatter
from streamhouse_connect.formatters.json import JsonConfig, JsonFormatter
from streamhouse_connect.formatters.parquet import ParquetConfig, ParquetFormatter
from streamhouse_connect.partitioners import NonePartitioner, PlainConfig
from streamhouse_connect.rotation import Rotation
from streamhouse_connect.testing import make_batch, make_context

VALUES = [b'{"n":%d}' % number for number in range(10)]


def make_sink(path: Path | str, formatter: Formatter[Any] | None = None) -> FileSink:
    """Return a sink that writes to `path`."""
    return FileSink(
        FileConfig(path=str(path)),
        formatter=formatter or JsonFormatter(JsonConfig()),
        partitioner=NonePartitioner(PlainConfig()),
    )


async def opened(path: Path | str, formatter: Formatter[Any] | None = None) -> FileSink:
    """Return an open one."""
    sink = make_sink(path, formatter)
    await sink.open(make_context())
    return sink


def files(path: Path) -> list[Path]:
    """Return the files that readers see."""
    return [found for found in path.rglob("*") if found.is_file()]


async def test_the_directory_is_made(tmp_path: Path) -> None:
    """With those above it."""
    sink = await opened(tmp_path / "a/b")
    await sink.write(make_batch(VALUES, path="orders"))

    assert [file.parent for file in files(tmp_path)] == [tmp_path / "a/b/orders"]


async def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~/files` is not a directory of that name."""
    monkeypatch.setenv("HOME", str(tmp_path))
    await opened("~/files")

    assert (tmp_path / "files").is_dir()


@pytest.mark.parametrize(
    "formatter",
    [JsonFormatter(JsonConfig()), ParquetFormatter(ParquetConfig()), AvroFormatter(AvroConfig())],
    ids=["json", "parquet", "avro"],
)
async def test_the_records_of_a_file_say_how_far_it_reaches(tmp_path: Path, formatter: Formatter[Any]) -> None:
    """In every format: as many records as it holds, from the first on, are durable."""
    sink = await opened(tmp_path, formatter)
    await sink.write(make_batch(VALUES[:3], offsets=[5, 8, 9], path="orders"))

    assert await sink.write(make_batch(VALUES[:3], offsets=[5, 8, 9], path="orders")) == 10
    assert await sink.write(make_batch(VALUES[:5], offsets=[5, 8, 9, 30, 31], path="orders")) == 30


async def test_a_file_that_holds_more_is_met_from_its_start(tmp_path: Path) -> None:
    """Until all of its records were shown; those that the format rejects are none of them."""
    sink = await opened(tmp_path)
    await sink.write(make_batch(VALUES, path="orders"))

    assert await sink.write(make_batch(VALUES[:4], path="orders")) == ReplayFrom(0)

    with pytest.raises(RejectedRecords):
        await sink.write(make_batch([*VALUES[4:7], b"{"], first_offset=4, path="orders"))

    assert await sink.write(make_batch(VALUES[4:7], first_offset=4, path="orders")) == ReplayFrom(0)
    assert await sink.write(make_batch([*VALUES[7:], b"10"], first_offset=7, path="orders")) == 10
    assert await sink.write(make_batch([b"10"], first_offset=10, path="orders")) is None


@pytest.mark.parametrize("forget", [FileSink.resume, FileSink.release])
async def test_a_partition_that_is_read_again_meets_its_files_again(tmp_path: Path, forget: Any) -> None:
    """What was shown before does not count."""
    sink = await opened(tmp_path)
    await sink.write(make_batch(VALUES, path="orders"))
    assert await sink.write(make_batch(VALUES[:4], path="orders")) == ReplayFrom(0)
    await forget(sink, [TopicPartition("orders", 0)])

    assert await sink.write(make_batch(VALUES[:4], path="orders")) == ReplayFrom(0)
    assert await sink.write(make_batch(VALUES[4:], first_offset=4, path="orders")) == 10


async def test_a_file_in_the_way_of_a_shorter_one_counts_for_the_whole_batch(tmp_path: Path) -> None:
    """What meets a file is all that was to be written, not the part that would have been of the wanted size."""
    sink = await opened(tmp_path)
    await sink.write(make_batch(VALUES[:4], path="orders"))
    sink = await opened(tmp_path)
    sink.rotation = Rotation(2 * len(VALUES[0] + b"\n"))

    assert await sink.write(make_batch(VALUES[:3], path="orders")) == ReplayFrom(0)
    assert await sink.write(make_batch(VALUES[3:], first_offset=3, path="orders")) == 4
    assert await sink.write(make_batch(VALUES[4:], first_offset=4, path="orders")) == 6


def test_the_guarantee_says_what_the_count_of_records_can_not_tell(tmp_path: Path) -> None:
    """Records that vanish before the replay."""
    guarantee = FileSink.guarantee(FileConfig(path=str(tmp_path)))

    assert guarantee.level == "exactly-once"
    assert "expire or are compacted" in guarantee.reason


@pytest.mark.parametrize("content", [b"", b"somebody else's", b'{"n":1}\n{"n":'])
async def test_a_file_in_the_way_stops_the_connector(tmp_path: Path, content: bytes) -> None:
    """It is named, never overwritten, and the message says what to do."""
    sink = await opened(tmp_path)
    batch = make_batch(VALUES, path="orders")
    await sink.write(batch)
    (file,) = files(tmp_path)
    file.write_bytes(content)

    with pytest.raises(FatalError, match=r"batch-.*\.json is in the way.*move it away, then restart"):
        await sink.write(batch)

    assert file.read_bytes() == content


async def test_a_file_that_vanishes_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It existed, and is gone when it is asked how far it reaches: the same batch again, later."""
    sink = await opened(tmp_path)

    async def create(*_: object) -> bool:
        return False

    monkeypatch.setattr(sink, "create", create)

    with pytest.raises(RetriableError, match="No such file"):
        await sink.write(make_batch(VALUES, path="orders"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EMFILE])
async def test_trouble_that_may_pass_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A full disk, a server that is away: the same batch again, later, and then all is well."""
    sink = await opened(tmp_path)
    batch = make_batch(VALUES, path="orders")

    with monkeypatch.context() as patch, pytest.raises(RetriableError, match=f"can't write .*{os.strerror(number)}"):
        patch.setattr(os, "link", _failing(number))
        await sink.write(batch)

    assert not files(tmp_path)
    assert await sink.write(batch) is None


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "let the user who runs StreamHouse Connect write there"),
        (errno.EROFS, "mount it for writing"),
        (errno.ENAMETOOLONG, "choose a shorter path"),
        (errno.EXDEV, "one filesystem"),
    ],
)
async def test_trouble_that_stays_stops_the_connector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    """The message says what to do."""
    sink = await opened(tmp_path)
    monkeypatch.setattr(os, "link", _failing(number))

    with pytest.raises(FatalError, match=remedy):
        await sink.write(make_batch(VALUES, path="orders"))


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
async def test_a_filesystem_without_hard_links_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """When the connector starts, rather than to risk overwriting a file."""
    monkeypatch.setattr(os, "link", _failing(number))

    with pytest.raises(FatalError, match="hard links"):
        await opened(tmp_path)


@pytest.mark.parametrize("path", ["file", "file/below"])
async def test_a_path_that_is_a_file_is_refused(tmp_path: Path, path: str) -> None:
    """When the connector starts."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(FatalError, match="directory"):
        await opened(tmp_path / path)


async def test_a_topic_whose_directory_is_a_file_stops_the_connector(tmp_path: Path) -> None:
    """It is named."""
    sink = await opened(tmp_path)
    (tmp_path / "orders").write_bytes(b"")

    with pytest.raises(FatalError, match=r"orders.*directory"):
        await sink.write(make_batch(VALUES, path="orders"))


async def test_a_long_name_stops_the_connector(tmp_path: Path) -> None:
    """Filesystems take 255 bytes a name."""
    sink = await opened(tmp_path)

    with pytest.raises(FatalError, match="shorter"):
        await sink.write(make_batch(VALUES, path="x" * 300))


async def test_a_uid_is_no_path(tmp_path: Path) -> None:
    """The place of temporary files follows from it, and stays inside."""
    sink = make_sink(tmp_path / "files")
    await sink.open(make_context(uid="../../../outside"))
    await sink.write(make_batch(VALUES, path="orders"))

    assert [path.name for path in tmp_path.iterdir()] == ["files"]


async def test_closing_leaves_only_the_files_of_records(tmp_path: Path) -> None:
    """No traces beside them."""
    sink = await opened(tmp_path)
    await sink.write(make_batch(VALUES, path="orders"))
    await sink.close()

    assert [path.name for path in tmp_path.iterdir()] == ["orders"]


def _failing(number: int) -> Any:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


async def test_a_check_leaves_nothing(tmp_path: Path) -> None:
    """Neither in a directory that is there nor in one that would be made."""
    assert list(await make_sink(tmp_path).check()) == []
    assert list(await make_sink(tmp_path / "a" / "b").check()) == []
    assert list(tmp_path.iterdir()) == []


async def test_a_check_finds_what_open_would(tmp_path: Path) -> None:
    """The problem is one of the option, and says what to do."""
    (tmp_path / "file").touch()
    (problem,) = await make_sink(tmp_path / "file" / "out").check()

    assert problem.field == "file.path"
    assert "choose a path whose every part is a directory" in problem.message
    assert (tmp_path / "file").read_bytes() == b""
