"""Records as the runtime moves them: columns, not objects.

A `Batch` holds records in delivery order as parallel sequences, so that a sink can join, validate or load a whole
column at once. This module knows nothing of brokers, sinks or configuration.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, overload

import attrs

from streamhouse_connect.columns import Columns, Headers, JoinedColumns, PlainColumns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["NO_TIMESTAMP", "Batch", "Headers", "Record", "Span", "TopicPartition"]

NO_TIMESTAMP: Final = -1
"""The timestamp of a record whose time is not known."""


@attrs.frozen(order=True)
class TopicPartition:
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


@attrs.frozen
class Span:
    """A run of one topic-partition's records inside a batch.

    `start` and `stop` are indexes into the batch's columns. `first_offset` and `next_offset` bound the offsets
    *covered* by the run, `[first_offset, next_offset)`, including those whose records were filtered or rejected, or
    never existed.
    """

    tp: TopicPartition
    start: int
    stop: int
    first_offset: int
    next_offset: int


@attrs.frozen
class Record:
    """One record of a batch, made on demand for plugin authors; hot paths read the batch's columns instead.

    `timestamp` is in milliseconds since the epoch, UTC, or `NO_TIMESTAMP`.
    """

    tp: TopicPartition
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Batch:
    """Records in delivery order, as columns. Never mutated.

    Within a span offsets ascend and may have gaps.
    """

    __slots__ = ("_nbytes", "columns", "path", "spans")

    def __init__(self, columns: Columns, *, spans: tuple[Span, ...], path: str = "", nbytes: int | None = None) -> None:
        self.columns = columns
        self.spans = spans
        self.path = path
        """The route, where the sink routes; else empty."""
        self._nbytes = nbytes

    @property
    def values(self) -> Sequence[bytes | None]:
        """The records' values; None is a tombstone."""
        return self.columns.values

    @property
    def keys(self) -> Sequence[bytes | None]:
        """The records' keys."""
        return self.columns.keys

    @property
    def offsets(self) -> Sequence[int]:
        """The records' offsets in their partitions."""
        return self.columns.offsets

    @property
    def timestamps(self) -> Sequence[int]:
        """Milliseconds since the epoch, UTC; `NO_TIMESTAMP` where unknown."""
        return self.columns.timestamps

    @property
    def headers(self) -> Sequence[Headers]:
        """The records' headers."""
        return self.columns.headers

    @property
    def nbytes(self) -> int:
        """The size of the keys and values, in bytes; an estimate where the broker knows one."""
        if self._nbytes is None:
            self._nbytes = sum(len(v) for v in self.values if v) + sum(len(k) for k in self.keys if k)

        return self._nbytes

    def __len__(self) -> int:
        return self.spans[-1].stop if self.spans else 0

    def __iter__(self) -> Iterator[Record]:
        columns = zip(self.offsets, self.timestamps, self.keys, self.values, self.headers, strict=True)
        tps = chain.from_iterable([span.tp] * (span.stop - span.start) for span in self.spans)

        for tp, (offset, timestamp, key, value, headers) in zip(tps, columns, strict=True):
            yield Record(tp, offset, timestamp, key, value, headers)

    def __repr__(self) -> str:
        spans = ", ".join(f"{s.tp}[{s.first_offset}:{s.next_offset}]" for s in self.spans)
        return f"<Batch {len(self)} records {spans} {self.path!r}>".replace(" ''", "")

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Batch: ...

    def __getitem__(self, index: int | slice) -> Record | Batch:
        """Return one record, or a contiguous part that covers just the offsets up to the next record outside it."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))

            if step != 1:
                message = "a batch is sliced with step 1 only; use select(indexes)"
                raise ValueError(message)

            return self._slice(start, max(start, stop))

        at = range(len(self))[index]
        span = next(s for s in self.spans if s.start <= at < s.stop)

        return Record(span.tp, self.offsets[at], self.timestamps[at], self.keys[at], self.values[at], self.headers[at])

    def select(self, indexes: Sequence[int], *, path: str | None = None) -> Batch:
        """Return the records at `indexes` (ascending); the spans go on covering all that they covered.

        The parts are taken out at once: a small part that waits long must not keep the whole batch in memory.
        """
        if len(indexes) == len(self):
            return self._filed(self.path if path is None else path)

        spans = []
        at = 0

        for span in self.spans:
            start = at

            while at < len(indexes) and indexes[at] < span.stop:
                at += 1

            spans.append(attrs.evolve(span, start=start, stop=at))

        return Batch(
            self.columns.gather(indexes),
            spans=tuple(spans),
            path=self.path if path is None else path,
            nbytes=self.nbytes * len(indexes) // len(self) if len(self) else 0,
        )

    def _filed(self, path: str) -> Batch:
        return Batch(self.columns, spans=self.spans, path=path, nbytes=self._nbytes)

    def _slice(self, start: int, stop: int) -> Batch:
        if start == 0 and stop == len(self):
            return self

        return Batch(
            self.columns.slice(start, stop) if start < stop else _NOTHING,
            spans=tuple(self._cut_spans(start, stop)),
            path=self.path,
            nbytes=self.nbytes * (stop - start) // len(self) if len(self) else 0,
        )

    def _cut_spans(self, start: int, stop: int) -> Iterator[Span]:
        for span in self.spans:
            low, high = max(span.start, start), min(span.stop, stop)

            if low < high:
                yield Span(
                    span.tp,
                    low - start,
                    high - start,
                    span.first_offset if low == span.start else self.offsets[low],
                    span.next_offset if high == span.stop else self.offsets[high],
                )

    @staticmethod
    def concat(batches: Sequence[Batch]) -> Batch:
        """Join batches in their order; neighbouring spans of one topic-partition become one."""
        if len(batches) == 1:
            return batches[0]

        return Batch(
            JoinedColumns([(batch.columns, len(batch)) for batch in batches]),
            spans=_join_spans(batches),
            path=batches[0].path if batches else "",
            nbytes=sum(batch.nbytes for batch in batches),
        )


_NOTHING: Final = PlainColumns(values=(), keys=(), offsets=(), timestamps=(), headers=())


def _join_spans(batches: Sequence[Batch]) -> tuple[Span, ...]:
    spans: list[Span] = []
    at = 0

    for batch in batches:
        for span in batch.spans:
            moved = attrs.evolve(span, start=span.start + at, stop=span.stop + at)

            if spans and spans[-1].tp == span.tp and spans[-1].next_offset <= span.first_offset:
                spans[-1] = attrs.evolve(spans[-1], stop=moved.stop, next_offset=moved.next_offset)
            else:
                spans.append(moved)

        at += len(batch)

    return tuple(spans)
