"""The one thread that calls a consumer's client. The library lets one call wait until another one has returned.

Jobs are served one after the other; a long one (a read) lets others in between, and a callback of the library that waits for
the event loop serves what the event loop asks for meanwhile.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ClientThread"]

R = TypeVar("R")

_JOIN_SECONDS: Final = 1.0


class ClientThread:
    """A daemon: a client that hangs in a call holds nobody up at the end."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._over = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], R]) -> Future[R]:
        """Have a job done; from any thread."""
        future: Future[R] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return

            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001 - who waits for the future gets it
                future.set_exception(error)

        self._jobs.put(work)
        return future

    def serve(self) -> None:
        """Do the jobs that wait; from inside a job."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return

            job()

    def serve_until(self, awaited: Future[Any]) -> None:
        """Do jobs until a future is done; from inside a job."""
        awaited.add_done_callback(lambda _: self._jobs.put(_nothing))

        while not awaited.done():
            self._jobs.get()()

    def close(self) -> None:
        """End the thread once the jobs that wait are done."""
        self._jobs.put(self._end)
        self._thread.join(_JOIN_SECONDS)

    def _end(self) -> None:
        self._over = True

    def _run(self) -> None:
        while not self._over:
            self._jobs.get()()


def _nothing() -> None:
    """Make who waits for a job look again."""
