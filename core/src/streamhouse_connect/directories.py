"""A directory tree in which files appear whole, durable, and never in the place of another. Blocks; raises OSError.

Knows nothing of records, formats or sinks. A file is written and synced under a temporary name, linked to its own, and
the directory is synced: `link` alone refuses to replace what exists *and* shows a file only once it is complete.
"""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["Directory"]

_STAGING: Final = ".streamhouse-connect"  # hidden from Spark, pyarrow and the like


class Directory:
    """A tree below `root`; `owner` is the name under which temporary files are kept and found again."""

    def __init__(self, root: Path, *, owner: str) -> None:
        self.root = root
        self._staging = root / _STAGING / owner
        self._synced: set[Path] = set()

    def open(self) -> None:
        """Make the directory if need be, try what `create` relies on, and delete what a crash left behind.

        A writer whose temporary file is deleted here, since it still lives, fails and tries again.
        """
        self._make(self._staging)

        for left in self._staging.glob("*.tmp"):
            left.unlink(missing_ok=True)

        _try(self._staging)

    def check(self) -> None:
        """Try what `open` and `create` rely on in the directory, or in the first above it that exists; leave nothing."""
        _try(next(path for path in (self.root, *self.root.parents) if os.path.lexists(path)))

    def create(self, name: str, body: memoryview) -> bool:
        """Create the file, durably, unless the name is taken; return whether it was created."""
        try:
            return self._create(self.root / name, body)
        except FileNotFoundError:  # somebody removed a directory
            self._synced.clear()
            return self._create(self.root / name, body)

    def sync(self, name: str) -> None:
        """Make a file durable that somebody else may have linked just before a crash.

        :raises FileNotFoundError: if it is not there.
        """
        path = self.root / name
        _sync(path)
        _sync(path.parent)
        self._make(path.parent)

    def close(self) -> None:
        """Remove the directories of the temporary files, if nobody needs them."""
        with suppress(OSError):
            self._staging.rmdir()
            self._staging.parent.rmdir()

    def _create(self, path: Path, body: memoryview) -> bool:
        self._make(self._staging)
        self._make(path.parent)
        temporary = self._temporary()

        try:
            _write(temporary, body)

            try:
                os.link(temporary, path)
            except FileExistsError:
                return False

            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)

        return True

    def _make(self, directory: Path) -> None:
        """Make a directory with its parents, and sync each into its parent once, whoever made it."""
        if directory in self._synced:
            return

        try:
            directory.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            if os.path.lexists(error.filename) and not Path(error.filename).is_dir():
                raise

            # It was a directory when `mkdir` met it: another writer, who closes, has just removed it.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), error.filename) from error

        parents = [directory, *directory.parents]
        inside = parents[: parents.index(self.root) + 1]

        for made in inside:
            _sync(made)

        with suppress(PermissionError):  # what holds the root may belong to somebody else
            _sync(self.root.parent)

        self._synced.update(inside)

    def _temporary(self) -> Path:
        return _temporary(self._staging)


def _temporary(directory: Path) -> Path:
    return directory / f"{uuid.uuid4().hex}.tmp"


def _try(directory: Path) -> None:
    probe, link = _temporary(directory), _temporary(directory)

    try:
        _write(probe, memoryview(b""))
        os.link(probe, link)
    finally:
        for path in (probe, link):
            with suppress(NotADirectoryError):
                path.unlink(missing_ok=True)


def _write(path: Path, body: memoryview) -> None:
    with path.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)

    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
