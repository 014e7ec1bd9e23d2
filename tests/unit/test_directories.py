"""A directory tree in which files appear whole, and never in the place of another."""

from __future__ import annotations

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamhouse_connect.directories import Directory

BODY = memoryview(b"body")


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    directory = Directory(tmp_path / "root", owner="me")
    directory.open()
    return directory


def staged(directory: Directory) -> list[Path]:
    """Return the temporary files that are there."""
    return [path for path in directory.root.rglob("*.tmp") if path.is_file()]


def test_a_file_appears_with_its_directories(directory: Directory) -> None:
    """Nothing else is left."""
    assert directory.create("a/b/c", BODY)
    assert (directory.root / "a/b/c").read_bytes() == b"body"
    assert not staged(directory)


def test_an_existing_file_is_never_touched(directory: Directory) -> None:
    """The second one is told so."""
    directory.create("a", BODY)

    assert not directory.create("a", memoryview(b"other"))
    assert (directory.root / "a").read_bytes() == b"body"
    assert not staged(directory)


@pytest.mark.parametrize("taken", ["directory", "link to nowhere"])
def test_whatever_has_the_name_is_never_touched(directory: Directory, taken: str) -> None:
    """Be it no file at all."""
    path = directory.root / "a"
    path.mkdir() if taken == "directory" else path.symlink_to("nowhere")

    assert not directory.create("a", BODY)
    assert not (directory.root / "nowhere").exists()


def test_one_of_many_threads_wins(directory: Directory) -> None:
    """Each is told truly."""
    bodies = [memoryview(b"%d" % number * 100_000) for number in range(16)]

    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(lambda body: directory.create("a/b", body), bodies))

    assert won.count(True) == 1
    assert (directory.root / "a/b").read_bytes() == bodies[won.index(True)]


def test_content_is_synced_before_the_name_and_the_name_before_the_answer(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut leaves either no file or all of it; and directories made on the way are as durable."""
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def record_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        steps.append("temporary" if path.suffix == ".tmp" else str(path.relative_to(directory.root.parent)))
        fsync(descriptor)

    def record_link(source: Path, target: Path) -> None:
        steps.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "link", record_link)
    directory.create("a/b/c", BODY)
    first, steps[:] = [*steps], []
    directory.create("a/b/d", BODY)

    assert first == ["root/a/b", "root/a", "root", ".", "temporary", "link", "root/a/b"]
    assert steps == ["temporary", "link", "root/a/b"]


@pytest.mark.parametrize("failing", ["fsync", "link"])
def test_a_failure_leaves_nothing_behind(directory: Directory, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """A full disk does not fill up with what did not fit."""
    directory.create("a", BODY)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, failing, fail)
        directory.create("b", BODY)

    assert not (directory.root / "b").exists()
    assert not staged(directory)
    assert directory.create("b", BODY)


@pytest.mark.parametrize("vanishing", ["root", "root/a", "root/.streamhouse-connect"])
def test_a_directory_that_vanished_is_made_again(directory: Directory, vanishing: str) -> None:
    """Somebody cleaned up while the connector ran."""
    directory.create("a/b", BODY)
    shutil.rmtree(directory.root.parent / vanishing)

    assert directory.create("a/c", BODY)
    assert (directory.root / "a/c").read_bytes() == b"body"


def test_a_directory_that_another_writer_removes_meanwhile_is_made_again(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there when it was to be made, and is gone a moment later: that is no file in the way."""
    mkdir = os.mkdir
    refusals = [FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(directory.root / "a"))]

    def mkdir_late(path: str, mode: int = 0o777) -> None:
        if refusals:
            raise refusals.pop()

        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", mkdir_late)

    assert directory.create("a/b", BODY)
    assert not refusals


def test_opening_sweeps_only_ones_own_temporary_files(directory: Directory) -> None:
    """Another connector's may be in use."""
    other = Directory(directory.root, owner="other")
    other.open()
    mine, theirs = (directory.root / ".streamhouse-connect" / owner / "left.tmp" for owner in ("me", "other"))
    mine.write_bytes(b"left by a crash")
    theirs.write_bytes(b"being written")
    Directory(directory.root, owner="me").open()

    assert not mine.exists()
    assert theirs.exists()


def test_a_filesystem_without_links_is_found_out_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the first batch is to be written; nothing is left of the probe."""

    def fail(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)

    with pytest.raises(PermissionError):
        Directory(tmp_path, owner="me").open()

    assert not list(tmp_path.rglob("*.tmp"))


def test_sync_needs_the_file(directory: Directory) -> None:
    """What is not there is not durable."""
    with pytest.raises(FileNotFoundError):
        directory.sync("a/b")


def test_closing_leaves_only_files(directory: Directory) -> None:
    """Unless another connector still keeps its own there; closing again is harmless."""
    other = Directory(directory.root, owner="other")
    other.open()
    directory.create("a", BODY)
    directory.close()
    directory.close()

    assert [path.name for path in (directory.root / ".streamhouse-connect").iterdir()] == ["other"]
    other.close()
    assert [path.name for path in directory.root.iterdir()] == ["a"]


def test_a_closed_directory_keeps_a_temporary_file_in_use(directory: Directory) -> None:
    """A thread that is still writing is not disturbed."""
    path = directory.root / ".streamhouse-connect/me/busy.tmp"
    path.write_bytes(b"")
    directory.close()

    assert path.exists()
