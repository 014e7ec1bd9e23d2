"""The data directory: private, and held by one process. Knows nothing of what is in it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import filelock

from streamhouse_connect import databases
from streamhouse_connect.errors import ConfigError, ConflictError, Problem

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DataDirectory"]


class DataDirectory:
    """Holds a directory from `hold` to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # The lock tells whether the directory is held, in spite of any crash; the other file only by whom.
        self._lock = filelock.FileLock(path / "broker.lock", timeout=0, mode=0o600, thread_local=False)
        self._owner = path / "broker.pid"

    def hold(self) -> None:
        """Make the directory if there is none, and lock it.

        :raises ConflictError: with the code `data_dir_in_use`.
        :raises ConfigError: if it cannot be made or written.
        """
        try:
            databases.make_directory(self.path)
            self._lock.acquire()
            self._name_owner()
        except filelock.Timeout:
            raise ConflictError(
                f"the data directory {self.path} is in use by {self._owner_name()}; stop that one, or choose another directory",
                code="data_dir_in_use",
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a null byte in the path
            self._lock.release()
            reason = getattr(error, "strerror", None) or error
            problem = f"{str(self.path)!r} cannot be used: {reason}; choose a directory that can be written"
            raise ConfigError([Problem("data_dir", problem)]) from error

    def release(self) -> None:
        """Let others have it; harmless to repeat."""
        if self._lock.is_locked:
            self._owner.unlink(missing_ok=True)
            self._lock.release()

    def _name_owner(self) -> None:
        self._owner.unlink(missing_ok=True)
        descriptor = os.open(self._owner, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, str(os.getpid()).encode())
        finally:
            os.close(descriptor)

    def _owner_name(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            pid = int(self._owner.read_text())
            return "this process already" if pid == os.getpid() else f"process {pid}"

        return "another process"
