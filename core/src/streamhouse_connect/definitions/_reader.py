"""Follows the topics of definitions and of statuses: a thread reads them, and keeps a view of the one and reports of the other.

It also finds out whether what it knows is current: every second it asks where the topic of definitions ends, and compares that
with how far it has come. Another client asks: calls of a consumer wait for each other, and its `poll` would let none of another
thread pass.
"""

from __future__ import annotations

import logging
import threading
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakSet

import msgspec
from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

from streamhouse_connect.definitions import _offsets
from streamhouse_connect.definitions._clients import Complaints, make_consumer
from streamhouse_connect.definitions._reports import LATELY_SECONDS, StatusKey
from streamhouse_connect.definitions._view import WRITE_HEADER, View
from streamhouse_connect.errors import RetriableError
from streamhouse_connect.librdkafka import AT_END, cause, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from concurrent.futures import Future

    from confluent_kafka import Message
    from confluent_kafka.admin import AdminClient

    from streamhouse_connect.definitions._changes import Changes
    from streamhouse_connect.definitions._reports import Reports

__all__ = ["Reader"]

R = TypeVar("R")

_LOG: Final = logging.getLogger("streamhouse_connect.definitions.kafka")
_STATUS: Final = msgspec.json.Decoder(StatusKey)
_POLL_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 1.0
_LOOK_TIMEOUT: Final = 2.0
_BEAR_SECONDS: Final = 2.5
_AT_ONCE: Final = 1000


class Reader:
    """Its thread begins with `start`; its methods are for all threads."""

    def __init__(
        self,
        properties: Mapping[str, str],
        *,
        admin: AdminClient,
        configs: str,
        status: str,
        reports: Reports,
        clock: Callable[[], float],
    ) -> None:
        self._admin = admin
        self._complaints = Complaints()
        self._consumer = make_consumer(properties, group=configs, complaints=self._complaints)
        self._configs = configs
        self._status = status
        self._reports = reports
        self._clock = clock
        self._looked_at = monotonic()
        self._thread = threading.Thread(target=self._run, name=f"{configs} reader", daemon=True)
        self._moved = threading.Condition()
        self._is_closing = False
        # All below is guarded by _moved.
        self._view = View()
        self._rebuilt: View | None = None
        self._position = 0
        self._awaited: dict[bytes, bool] = {}
        self._listeners: WeakSet[Changes] = WeakSet()
        self._stale: str | None = None
        self._current_at = clock()

    def start(self, *, timeout: float) -> None:
        """Read all there is.

        :raises RetriableError: if it does not come within `timeout` seconds.
        """
        deadline = monotonic() + timeout
        lately = int((time() - LATELY_SECONDS) * 1000)

        with translated(f"read {self._status}"):
            statuses = _offsets.since(self._admin, self._status, lately, deadline=deadline)

        self._consumer.assign([TopicPartition(self._configs, 0, OFFSET_BEGINNING), *statuses])
        self._thread.start()
        self.catch_up(deadline=deadline)

    def close(self) -> None:
        """End the thread and what waits for it."""
        with self._moved:
            self._is_closing = True
            listeners = list(self._listeners)
            self._moved.notify_all()

        for listener in listeners:
            listener.end()

        if self._thread.is_alive():
            self._thread.join()

        self._consumer.close()

    @property
    def stale(self) -> str | None:
        """Why what is known may be out of date."""
        return self._stale if self._thread.is_alive() else "the reader has ended unexpectedly; restart the worker"

    def look(self, see: Callable[[View], R]) -> R:
        """Return what `see` finds in the view, which does not change meanwhile."""
        with self._moved:
            return see(self._view)

    def reports(self, connector: str) -> Mapping[str, bytes]:
        """Return what is known of a connector; while it is stale, as of the time when it was current."""
        with self._moved:
            return self._reports.of(connector, now=self._current_at if self._stale else self._clock())

    def listen(self, changes: Changes) -> None:
        """Hand the names of changed definitions to `changes` as long as somebody has a hold of it."""
        with self._moved:
            self._listeners.add(changes)

    def catch_up(self, *, deadline: float) -> None:
        """Wait until the view holds everything that was committed before this call.

        :raises RetriableError: if it does not until the deadline.
        """
        try:
            end = _offsets.end(self._admin, self._configs, deadline=deadline)
        except KafkaException as error:
            told = self._complaints.explain(cause(error))
            raise RetriableError(f"cannot read {self._configs}: {told}") from error

        if not self._wait(lambda: self._position >= end and self._rebuilt is None, deadline):
            raise RetriableError(f"cannot read {self._configs}: {self._complaints.explain()}")

    def expect(self, write: bytes) -> None:
        """Watch out for a write."""
        with self._moved:
            self._awaited[write] = False

    def has_read(self, write: bytes, *, deadline: float) -> bool:
        """Return whether an expected write was read, having waited for it until the deadline."""
        return self._wait(lambda: self._awaited[write], deadline)

    def forget(self, writes: Iterable[bytes]) -> None:
        """Watch out for them no longer."""
        with self._moved:
            for write in writes:
                self._awaited.pop(write, None)

    def _wait(self, condition: Callable[[], bool], deadline: float) -> bool:
        with self._moved:
            self._moved.wait_for(lambda: self._is_closing or condition(), max(0.0, deadline - monotonic()))
            return condition()

    def _run(self) -> None:
        asked: Future[int] | None = None
        asked_at, expected_end = monotonic(), 0

        while not self._is_closing:
            first = self._consumer.poll(_POLL_SECONDS)

            if first is not None:
                self._take([first, *self._consumer.consume(_AT_ONCE, 0)])

            if asked is not None and asked.done():
                expected_end, asked = self._look(asked, expected_end), None

            elif asked is None and monotonic() > asked_at + _LOOK_SECONDS:
                asked, asked_at = _offsets.ask_end(self._admin, self._configs, timeout=_LOOK_TIMEOUT), monotonic()

    def _look(self, asked: Future[int], expected_end: int) -> int:
        """Find out whether the view is current, or was a moment ago, and return up to where it has to be next time."""
        try:
            end = asked.result()
        except KafkaException as error:
            if monotonic() > self._looked_at + _BEAR_SECONDS:  # partitions change their leaders now and then
                self._note(f"cannot read {self._configs}: {self._complaints.explain(cause(error))}")

            return expected_end

        self._looked_at = monotonic()

        is_behind = self._position < min(expected_end, end)
        self._note(f"{self._configs} is not read to its end: {self._complaints.explain()}" if is_behind else None)
        return end

    def _note(self, stale: str | None) -> None:
        with self._moved:
            before, self._stale = self._stale, stale
            self._reports.forget(now=self._clock() if stale is None else self._current_at)

            if stale is None:
                self._current_at = self._clock()
                self._complaints.last = None

        if stale and not before:
            _LOG.warning("definitions may be out of date", extra={"reason": stale})

        if before and not stale:
            _LOG.info("definitions are up to date again")

    def _take(self, messages: Collection[Message]) -> None:
        changed: set[str] = set()

        with self._moved:
            for message in messages:
                error = message.error()

                if error is not None and error.code() != AT_END:
                    self._complaints(error)
                elif message.topic() == self._configs:
                    changed |= self._follow(message, is_end=error is not None)
                elif error is None:
                    self._hear(message)

            listeners = list(self._listeners) if changed else []
            self._moved.notify_all()

        for listener in listeners:
            listener.add(changed)

    def _follow(self, message: Message, *, is_end: bool) -> frozenset[str]:
        """Move on to a record, or to the end; return the names whose definitions have changed."""
        offset = message.offset() or 0

        if offset < self._position:
            _LOG.warning("%s was made again, or has lost records: it is read anew", self._configs)
            self._rebuilt = View()

        self._position = offset if is_end else offset + 1

        if is_end:
            return self._swap()

        view = self._view if self._rebuilt is None else self._rebuilt
        applied = view.apply(message.key(), message.value())

        if applied.problem:
            details = {"offset": offset, "reason": applied.problem}
            _LOG.warning("skipped a record that cannot be read", extra=details)

        name: Any = dict(message.headers() or ()).get(WRITE_HEADER)

        if name in self._awaited:
            self._awaited[name] = True

        return frozenset({applied.name}) if applied.name and self._rebuilt is None else frozenset()

    def _swap(self) -> frozenset[str]:
        rebuilt, self._rebuilt = self._rebuilt, None

        if rebuilt is None:
            return frozenset()

        changed, self._view = rebuilt.differing(self._view), rebuilt
        return changed

    def _hear(self, message: Message) -> None:
        key: Any = message.key()

        try:
            self._reports.hear(_STATUS.decode(key or b""), message.value(), now=self._clock())
        except ValueError as error:
            _LOG.warning("skipped a record that is no status", extra={"offset": message.offset(), "reason": str(error)})
