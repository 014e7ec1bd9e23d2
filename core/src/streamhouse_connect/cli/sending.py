"""From lines to records in a topic: makes batches, sends one while the next is read, and knows what has arrived."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from streamhouse_connect import ConflictError, NewRecords, NotFoundError, StreamHouseError
from streamhouse_connect.cli import fields
from streamhouse_connect.cli.client import NoAnswerError
from streamhouse_connect.cli.failures import CommandError, explain
from streamhouse_connect.cli.lines import BadLine, Lines, read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streamhouse_connect.cli import views
    from streamhouse_connect.cli.access import Access
    from streamhouse_connect.cli.fields import Field
    from streamhouse_connect.cli.lines import Readable

__all__ = ["NumberedRecords", "Reader", "Sender"]

T = TypeVar("T")

_GRACE_SECONDS: Final = 5.0
"""How long Ctrl-C waits to know whether the last batch has arrived."""


@attrs.frozen
class NumberedRecords:
    """Records, the lines that they were, and why no more of them come."""

    records: NewRecords
    numbers: Sequence[int]
    bad: BadLine | None


@attrs.define
class Reader:
    """Makes records of lines; counts those without the fields that were asked for."""

    key: Field | None = None
    timestamp: Field | None = None
    _keyless: int = 0
    _timeless: int = 0

    def batches(self, stream: Readable, *, limit: int) -> Iterator[NumberedRecords]:
        """Yield the file's records, up to `limit` at a time; the last ones tell which line is bad."""
        for lines in read_lines(stream, limit=limit):
            batch = self._batch(lines)
            yield batch

            if batch.bad:
                return

    def oddities(self) -> Iterator[str]:
        """Yield what a user should know of the records sent."""
        if self.key and self._keyless:
            yield f"{self._keyless:,} records have no field {self.key.path}: they were sent without a key"

        if self.timestamp and self._timeless:
            yield f"{self._timeless:,} records have no field {self.timestamp.path}: they got the time of sending"

    def _batch(self, lines: Lines) -> NumberedRecords:
        keys: list[bytes | None] | None = None
        times: list[int | None] | None = None

        if self.key:
            lines, keys = _column(lines, self.key, fields.key)

        if self.timestamp:
            lines, times = _column(lines, self.timestamp, fields.timestamp)

        count = len(lines.values)
        keys = keys and keys[:count]
        self._keyless += keys.count(None) if keys else 0
        self._timeless += times.count(None) if times else 0
        return NumberedRecords(NewRecords(values=lines.values, keys=keys, timestamps=times), lines.numbers, lines.bad)


def _column(lines: Lines, field: Field, read: Callable[[bytes], T]) -> tuple[Lines, list[T]]:
    """Read a field of each line; the lines end before the first in which it is no good."""
    column = []

    for index, value in enumerate(lines.values):
        try:
            column.append(read(field.find(value)))
        except ValueError as error:
            return lines.before(index, f"field {field.path} {error}"), column

    return lines, column


@attrs.define
class Sender:
    """Appends batches to a topic, which is made before the first of them; one is under way while the next is read."""

    access: Access
    topic: views.NewTopic
    on_sent: Callable[[int, int], None]
    """Called with the records and bytes that have become durable."""
    sent: int = 0
    """How many records are durable."""
    partitions: int | None = None
    """How many the topic has; None as long as nobody had to know."""
    _last_line: int = 0
    _under_way: tuple[NumberedRecords, Future[None]] | None = None

    def send_all(self, batches: Iterator[NumberedRecords]) -> BadLine | None:
        """Send the batches; return the bad line that ended them.

        :raises CommandError: if one of them could not be sent; it says how far the others came.
        """
        bad = None

        for batch in batches:
            self._settle()
            bad = batch.bad

            if batch.numbers:
                self._begin(batch)

        self._settle()
        return bad

    def interrupt(self) -> str:
        """Wait a little for what is under way; say what has been sent."""
        if self._under_way:
            wait([self._under_way[1]], timeout=_GRACE_SECONDS)

        if self._under_way and self._under_way[1].done():
            with contextlib.suppress(CommandError):
                self._settle()

        return self.told()

    def told(self) -> str:
        """Say what has been sent, and what may have been."""
        under_way = self._under_way

        if under_way:
            first, last = under_way[0].numbers[0], under_way[0].numbers[-1]
            which = f"line {first:,}" if first == last else f"lines {first:,} to {last:,}"
            doubt = f"{which} may have been sent too"
            return f"{self._certain()}; {doubt}"

        return self._certain()

    def _certain(self) -> str:
        if not self.sent:
            return "nothing was sent"

        records = "1 record was" if self.sent == 1 else f"{self.sent:,} records were"
        return f"{records} sent, up to line {self._last_line:,}"

    def _begin(self, batch: NumberedRecords) -> None:
        if self.partitions is None:
            self.partitions = self._ensure_topic()

        self._under_way = batch, _in_background(lambda: self.access.append(self.topic.name, batch.records))

    def _ensure_topic(self) -> int:
        try:
            return self.access.topic(self.topic.name).partition_count
        except NotFoundError:
            pass

        try:
            return self.access.create(self.topic).partition_count
        except ConflictError:  # made since
            return self.access.topic(self.topic.name).partition_count

    def _settle(self) -> None:
        """Wait for what is under way."""
        if self._under_way is None:
            return

        batch, future = self._under_way

        try:
            future.result()
        except (CommandError, StreamHouseError, OSError) as error:
            if not (isinstance(error, NoAnswerError) and error.sent):
                self._under_way = None

            reason, *more = explain(error).lines
            raise CommandError(f"{reason} ({self.told()})", *more) from error

        self._under_way = None
        self.sent += len(batch.numbers)
        self._last_line = batch.numbers[-1]
        self.on_sent(len(batch.numbers), sum(map(len, batch.records.values)) + len(batch.numbers))  # type: ignore[arg-type]  # no value is None


def _in_background(work: Callable[[], None]) -> Future[None]:
    """Run `work` in a thread that a process about to end need not wait for."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    return future
