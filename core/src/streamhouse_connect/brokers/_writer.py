"""The one thread that writes to a database: all who wait share a transaction, and thereby one fsync.

    submit → queue → one transaction for all that wait → publish → answer

Who submits may be on any thread or event loop. Every job is answered: with its result once that is durable, with its own
error, or with the error of the thread. Knows nothing of what is written.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs

from streamhouse_connect import databases
from streamhouse_connect.errors import FatalError, RetriableError, StreamHouseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Writer"]

_GROUP_JOBS: Final = 1_000
_GROUP_BYTES: Final = 64 * 2**20
_CHORE_RETRY_SECONDS: Final = 30.0

R = TypeVar("R")

logger = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class _Job(Generic[R]):
    work: Callable[[sqlite3.Connection], R]
    publish: Callable[[R], None]
    nbytes: int
    future: Future[R] = attrs.field(factory=Future)


class Writer:
    """Writes in a thread of its own until `close`.

    `chore` is called in that thread, outside any transaction, whenever the time that it returned (seconds from now) is
    over, and first at the start.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, chore: Callable[[sqlite3.Connection], float]
    ) -> None:
        self._path = path
        self._connection = connection
        self._chore = chore
        self._due = time.monotonic()
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._closing = False
        self._ended: BaseException | None = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"write {path.name}", daemon=True)
        self._thread.start()

    def submit(
        self, work: Callable[[sqlite3.Connection], R], publish: Callable[[R], None], *, nbytes: int = 0
    ) -> Future[R]:
        """Have `work` done in a transaction; the future gets its result once that is durable.

        `publish` is called with the result just before, in the writer's thread and in the order of the transactions; it
        must not raise. `nbytes` is about what the transaction grows by.

        :raises FatalError: if the writer is closed, or has ended by an error.
        """
        job = _Job(work, publish, nbytes)

        # Under the lock, so that no job comes after the mark that ends the queue.
        with self._guard:
            if self._closing or self._ended is not None:
                raise self._refusal()

            self._jobs.put(job)

        return job.future

    def hurry(self) -> None:
        """Do the chore soon. For `publish`."""
        self._due = time.monotonic()

    def close(self) -> None:
        """Finish what was submitted, end the thread and close the connection; harmless to repeat."""
        with self._guard:
            if not self._closing:
                self._closing = True
                self._jobs.put(None)

        self._thread.join()

    def _refusal(self) -> FatalError:
        reason = f"its writer has ended: {self._ended!r}" if self._ended is not None else "it is closed"
        refusal = FatalError(f"cannot write to {self._path}: {reason}; open it again")
        refusal.__cause__ = self._ended
        return refusal

    # ---------------------------------------------------------------------------------------- the writer's thread

    def _run(self) -> None:
        group: list[_Job[Any]] = []

        try:
            while (group := self._take()) or not self._closing:
                if group:
                    self._commit(group)

                if time.monotonic() >= self._due:
                    self._due = time.monotonic() + self._do_chore()
        except BaseException as error:
            logger.exception("the writer has ended path=%s", self._path)
            self._end(error, group)
        finally:
            self._connection.close()

    def _take(self) -> list[_Job[Any]]:
        """Return all jobs that wait, having waited for one; none if the chore is due, or if the writer is to end."""
        group: list[_Job[Any]] = []
        nbytes = 0

        try:
            job = self._jobs.get(timeout=max(0.0, self._due - time.monotonic()))

            while job is not None:
                group.append(job)
                nbytes += job.nbytes

                if len(group) == _GROUP_JOBS or nbytes >= _GROUP_BYTES:
                    return group

                job = self._jobs.get_nowait()
        except queue.Empty:
            pass
        else:
            self._jobs.put(None)  # the end stays in the queue for the next call

        return group

    def _commit(self, group: list[_Job[Any]]) -> None:
        jobs = [job for job in group if job.future.set_running_or_notify_cancel()]

        try:
            results = self._transact(jobs)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            self._fail(jobs, error)
            return

        for job, result in zip(jobs, results, strict=True):
            job.publish(result)
            job.future.set_result(result)

    def _transact(self, jobs: list[_Job[Any]]) -> list[Any]:
        with databases.translated(self._path), databases.transaction(self._connection):
            return [job.work(self._connection) for job in jobs]

    def _fail(self, jobs: list[_Job[Any]], error: Exception) -> None:
        """Answer with the error; but if it may be one job's own, try each alone, so that it does not spoil the others."""
        if len(jobs) == 1:
            jobs[0].future.set_exception(error)
            return

        if isinstance(error, RetriableError):
            for job in jobs:
                job.future.set_exception(RetriableError(str(error)))

            return

        for job in jobs:
            try:
                (result,) = self._transact([job])
            except Exception as own:  # noqa: BLE001 - it belongs to whoever waits
                job.future.set_exception(own)
            else:
                job.publish(result)
                job.future.set_result(result)

    def _do_chore(self) -> float:
        try:
            with databases.translated(self._path):
                return self._chore(self._connection)
        except StreamHouseError as error:
            logger.warning("upkeep failed, trying again later path=%s error=%s", self._path, error)
            return _CHORE_RETRY_SECONDS

    def _end(self, error: BaseException, group: list[_Job[Any]]) -> None:
        with self._guard:
            self._ended = error

        waiting = list(group)

        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break

            if job is not None:
                waiting.append(job)

        for job in waiting:
            if not job.future.done():
                job.future.set_exception(self._refusal())
