"""What all servers share: a process group of its own, a directory of its own, and an end.

    Service() ── start() ──▶ running ── stop() | kill() ──▶ stopped ── start() ──▶ running …
                                └────────────── close() ──────────────▶ gone, with its directory

The port and the data survive stop() and kill(), so that a client meets the same server again. A guard process takes
the server and its directory down when the tests die without a chance to do it themselves. It knows no concrete server.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from services.accounts import hand_over, popen_arguments
from services.ports import free_port

_GUARD = 'cat >/dev/null; kill -TERM "$1" 2>/dev/null; sleep 2; kill -KILL -- "-$1" 2>/dev/null; rm -rf "$2"'
_TAIL_BYTES = 3000
_POLL_SECONDS = 0.02
_GROUP_SECONDS = 5.0


class ServiceUnavailableError(Exception):
    """The server cannot run here: it is not installed, or it did not become ready; the message holds its log's end."""


class Service(ABC):
    """One server process; subclasses say what to start and when it is ready."""

    name: ClassVar[str]
    start_timeout: ClassVar[float] = 30.0
    stop_timeout: ClassVar[float] = 10.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    refuses_root: ClassVar[bool] = False

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"streamhouse-{self.name}-"))
        self.log = self.directory / "server.log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._is_prepared = False

    @abstractmethod
    def prepare(self) -> None:
        """Lay out the directory, once, before the first start."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command line of the server; it must stay in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server answers; asked again and again while it starts, must not take long."""

    def environment(self) -> Mapping[str, str]:
        """Variables that the server gets besides ours."""
        return {}

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running: start() it first")

        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and wait until it is ready; harmless when it runs.

        :raises ServiceUnavailableError: it is not installed, exited, or was not ready in time.
        """
        if self.is_running:
            return

        self._reap()

        if not self._is_prepared:
            self.directory.chmod(0o755)
            self.prepare()
            self._is_prepared = True

            if self.refuses_root:
                hand_over(self.directory)

        with self.log.open("ab") as log:
            self._process = self._spawn(log.fileno())

        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "guard", str(self._process.pid), str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """Ask the server to end and wait for it; harmless when it does not run."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the server as a crash does: at once, nothing flushed."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, if it runs, and start again on the same port and data."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """Freeze every process of the server: it accepts connections (the kernel does) and answers nothing."""
        os.killpg(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Go on after suspend()."""
        os.killpg(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End the server, the fast way as nothing of it is kept, and remove its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise

        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, *command: str) -> None:
        """Run a command of the server's own to its end, as the server's user.

        :raises ServiceUnavailableError: it failed; the message holds what it printed.
        """
        if self.refuses_root:
            hand_over(self.directory)

        done = subprocess.run(
            command,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=self.start_timeout,
            check=False,
            **popen_arguments(drop_root=self.refuses_root),
        )

        if done.returncode != 0:
            output = done.stdout.decode(errors="replace")[-_TAIL_BYTES:]
            raise ServiceUnavailableError(f"{self.name}: {command[0]} exited with {done.returncode}:\n{output}")

    def _spawn(self, log: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env={**os.environ, "HOME": str(self.directory), **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **popen_arguments(drop_root=self.refuses_root),
            )
        except OSError as error:
            raise ServiceUnavailableError(f"{self.name} cannot be started: {error}") from error

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self.start_timeout

        while not self.is_ready():
            if process.poll() is not None:
                self._fail(f"exited with {process.returncode} while starting")

            if time.monotonic() > deadline:
                self._fail(f"was not ready after {self.start_timeout:.0f} s")

            time.sleep(_POLL_SECONDS)

        if process.poll() is not None:  # somebody else answers on the port
            self._fail(f"exited with {process.returncode} while starting")

    def _fail(self, what: str) -> None:
        tail = self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        self.kill()
        raise ServiceUnavailableError(f"{self.name} {what}; the end of its log:\n{tail}")

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._signal_group(self._process.pid, signal.SIGCONT)
            self._process.send_signal(how)

            try:
                self._process.wait(self.stop_timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()

        self._reap()

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._end_group(self._process.pid)
            self._process = None

        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None

    def _end_group(self, group: int) -> None:
        """End what the server started and left behind; it is nobody's child now, so that we can only look."""
        deadline = time.monotonic() + _GROUP_SECONDS

        while self._signal_group(group, signal.SIGKILL) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    @staticmethod
    def _signal_group(group: int, what: signal.Signals) -> bool:
        """Send a signal to every process of the group; False if there is none."""
        try:
            os.killpg(group, what)
        except (ProcessLookupError, PermissionError):  # macOS says EPERM where only zombies are left
            return False

        return True
