"""Writes one at a time, whoever else writes: each is a transaction that a later writer's beginning would have made fail.

    1. a producer with the transactional id that all writers share: whatever earlier ones had not finished is aborted, and they
       can finish nothing any more (they are fenced)
    2. read to the end: nobody can have written behind it, except who has fenced this writer meanwhile
    3. decide; begin, produce, commit. A commit that succeeds proves that nobody has written since 1
    4. wait until the own record was read

Who is fenced starts over. What a transaction wrote that was not committed, no reader sees, before and after compaction. Where
it is not known whether a commit has succeeded, 2 tells it the next time: a write has a name, which is in its record.

A producer is kept while writes follow each other closely, which saves 1 and 2: if nobody else has begun since, nobody has
written, and if somebody has, the commit fails all the same.
"""

from __future__ import annotations

import queue
import random
import threading
import uuid
from concurrent.futures import Future
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs
from confluent_kafka import KafkaError, KafkaException

from streamhouse_connect.definitions._clients import Complaints, make_writer
from streamhouse_connect.definitions._view import WRITE_HEADER
from streamhouse_connect.errors import ConfigError, Problem, RetriableError, StreamHouseError
from streamhouse_connect.librdkafka import ACCESS, cause, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import Producer

    from streamhouse_connect.definitions._reader import Reader
    from streamhouse_connect.definitions._view import View
    from streamhouse_connect.definitions._writes import Write

__all__ = ["FencedWriter"]

R = TypeVar("R")

_REACH_SECONDS: Final = 5.0
_CONTEND_SECONDS: Final = 30.0
_KEEP_SECONDS: Final = 2.0
_FIRST_PAUSE: Final = 0.02
_LAST_PAUSE: Final = 1.0
_FENCED: Final = frozenset(
    {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}  # noqa: SLF001 - librdkafka's name
)
_TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})


@attrs.frozen
class _Job:
    decide: Callable[[View], Write[Any]]
    future: Future[Any]
    given_at: float


class _Attempts(Generic[R]):
    """The attempts at one write, of which at most one succeeds, perhaps without its writer's knowledge."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._made: dict[bytes, Write[R]] = {}

    @property
    def were_made(self) -> bool:
        return bool(self._made)

    def begin(self, write: Write[R]) -> bytes:
        """Return the name of another attempt."""
        name = uuid.uuid4().hex.encode()
        self._reader.expect(name)
        self._made[name] = write
        return name

    def succeeded(self) -> Write[R] | None:
        """Return the one that was read back."""
        read = (write for name, write in self._made.items() if self._reader.has_read(name, deadline=0.0))
        return next(read, None)

    def forget(self) -> None:
        self._reader.forget(self._made)


class FencedWriter:
    """A queue of writes and the thread that does them."""

    def __init__(self, properties: Mapping[str, str], *, topic: str, reader: Reader) -> None:
        self._properties = properties
        self._topic = topic
        self._reader = reader
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._complaints = Complaints()
        self._producer: Producer | None = None
        self._out_of_reach: tuple[float, str] = (float("-inf"), "")
        self._thread = threading.Thread(target=self._run, name=f"{topic} writer", daemon=True)
        self._thread.start()

    def submit(self, decide: Callable[[View], Write[R]]) -> Future[R]:
        """Write what `decide` makes of the view; the future has the result once it was read back, or what `decide` raised.

        `RetriableError` says that the brokers do not do it in time, and why; it may have been written all the same.
        """
        future: Future[R] = Future()
        self._jobs.put(_Job(decide, future, monotonic()))
        return future

    def close(self) -> None:
        """Do what was submitted, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=None if self._producer is None else _KEEP_SECONDS)
            except queue.Empty:
                self._producer = None
                continue

            if job is None:
                self._producer = None
                return

            if job.future.set_running_or_notify_cancel():
                self._do(job)

    def _do(self, job: _Job) -> None:
        failed_at, reason = self._out_of_reach

        if job.given_at < failed_at:  # it was waiting behind one that has waited long enough for both
            job.future.set_exception(RetriableError(f"not tried, as the write before it has failed: {reason}"))
            return

        try:
            job.future.set_result(self._write(job.decide))
        except RetriableError as error:
            self._out_of_reach = monotonic(), str(error)
            job.future.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - whoever waits for it shall know
            job.future.set_exception(error)

    def _write(self, decide: Callable[[View], Write[R]]) -> R:
        attempts = _Attempts[R](self._reader)
        give_up_at = monotonic() + _CONTEND_SECONDS
        deadline = monotonic() + _REACH_SECONDS
        pause = _FIRST_PAUSE

        try:
            while True:
                try:
                    return self._attempt(decide, attempts, deadline)
                except RetriableError:
                    self._producer = None
                    raise
                except KafkaException as error:
                    self._let_go(error, attempts, deadline)

                    if _is_fenced(error):
                        deadline = min(give_up_at, monotonic() + _REACH_SECONDS)  # the brokers are there

                sleep(min(random.uniform(0, pause), max(0.0, deadline - monotonic())))  # noqa: S311 - so that writers do not keep step
                pause = min(2 * pause, _LAST_PAUSE)
        finally:
            attempts.forget()

    def _attempt(self, decide: Callable[[View], Write[R]], attempts: _Attempts[R], deadline: float) -> R:
        producer, is_kept = self._producer, self._producer is not None

        if producer is None:
            producer = self._fence(deadline)
            self._reader.catch_up(deadline=deadline)

        done = attempts.succeeded()

        if done is not None:
            return done.result

        try:
            write = self._reader.look(decide)
        except StreamHouseError:
            if not is_kept:
                raise

            self._reader.catch_up(deadline=deadline)  # what it is refused for may be gone
            write = self._reader.look(decide)

        name = attempts.begin(write)
        producer.begin_transaction()

        for index, (key, value) in enumerate(write.records, 1):
            headers: dict[str, Any] = {WRITE_HEADER: name} if index == len(write.records) else {}
            producer.produce(self._topic, key=key, value=value, partition=0, headers=headers)

        producer.commit_transaction(_left(deadline))

        if not self._reader.has_read(name, deadline=deadline):
            raise RetriableError(f"it is written into {self._topic}, but cannot be read back; look whether it is there")

        return write.result

    def _fence(self, deadline: float) -> Producer:
        self._complaints.last = None
        producer = make_writer(self._properties, transactional_id=self._topic, complaints=self._complaints)

        try:
            producer.init_transactions(_left(deadline))
        finally:
            _hear(producer)

        self._producer = producer
        return producer

    def _let_go(self, error: KafkaException, attempts: _Attempts[R], deadline: float) -> None:
        """Let go of the producer; raise if there is no sense in another attempt."""
        producer, self._producer = self._producer, None

        if producer is not None:
            _hear(producer)

        why = cause(error)

        if why is None:
            raise error

        if why.code() in _TOO_LARGE:
            raise ConfigError([Problem("config", f"is too large for the brokers: {why.str()}")]) from error

        if why.code() in ACCESS:
            raise translate(why, f"write to {self._topic}") from error

        if monotonic() < deadline:
            return

        told = self._complaints.explain(why)
        unknown = "; it may have been written all the same" if attempts.were_made else ""
        raise RetriableError(f"cannot write to {self._topic}: {told}{unknown}") from error


def _is_fenced(error: KafkaException) -> bool:
    why = cause(error)
    return why is not None and why.code() in _FENCED


def _hear(producer: Producer) -> None:
    """Have it say what it complains of; that it has been fenced it raises here too."""
    with suppress(KafkaException):
        producer.poll(0)


def _left(deadline: float) -> float:
    return max(0.001, deadline - monotonic())
