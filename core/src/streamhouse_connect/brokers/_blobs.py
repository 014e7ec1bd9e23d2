"""How embedded brokers keep records: one blob for each append and partition, its columns in MessagePack.

    NewRecords → encode → [Piece] → storage → [Stored] → decode → Batch

Columns that hold nothing but the default are left out. Knows nothing of where blobs are kept.
"""

from __future__ import annotations

import zlib
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Final, TypeVar, cast

import attrs
import msgspec

from streamhouse_connect.columns import PlainColumns
from streamhouse_connect.errors import ConfigError, FatalError, Problem
from streamhouse_connect.records import Batch, Headers, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streamhouse_connect.brokers.interface import NewRecords
    from streamhouse_connect.records import TopicPartition

__all__ = ["Piece", "Stored", "decode", "encode"]

# A reader that wants a few records has to decode a whole blob: an append is cut where it is larger than this.
_PIECE_RECORDS: Final = 10_000
_PIECE_BYTES: Final = 2**20

T = TypeVar("T")

_Timestamp = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Columns(msgspec.Struct, array_like=True, frozen=True, gc=False):
    values: list[bytes | None] | None
    keys: list[bytes | None] | None
    timestamps: _Timestamp | list[_Timestamp]
    headers: list[Headers] | None


@attrs.frozen
class Piece:
    """Consecutive records of one partition, ready to be stored."""

    partition: int
    count: int
    nbytes: int
    """The size of the keys and values."""
    data: bytes
    checksum: int


@attrs.frozen
class Stored:
    """A piece at its place in its partition."""

    first_offset: int
    next_offset: int
    nbytes: int
    data: bytes
    checksum: int


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Columns)


def encode(records: NewRecords, *, partitions: int | Sequence[int], now: int) -> list[Piece]:
    """Return the pieces, by partition and in the order of the records; `partitions` is one for all, or one for each.

    :raises ConfigError: if a record is such that it could not be read back.
    :raises ValueError: if the columns differ in length.
    """
    count = len(records.values)

    for name in ("keys", "timestamps", "headers"):
        column = getattr(records, name)

        if column is not None and len(column) != count:
            raise ValueError(f"{len(column)} {name} for {count} values: columns are parallel, give as many or None")

    if isinstance(partitions, int):
        return [_encode(partitions, part, now) for part in _parts(records)]

    indexes: dict[int, list[int]] = {}

    for index, partition in enumerate(partitions):
        indexes.setdefault(partition, []).append(index)

    return [
        _encode(partition, part, now) for partition, rows in indexes.items() for part in _parts(_gather(records, rows))
    ]


def _gather(records: NewRecords, indexes: list[int]) -> NewRecords:
    if len(indexes) == len(records.values):
        return records

    return _apply(records, itemgetter(*indexes) if len(indexes) > 1 else lambda column: [column[indexes[0]]])


def _apply(records: NewRecords, take: Callable[[Sequence[T]], Sequence[T]]) -> NewRecords:
    return attrs.evolve(
        records,
        values=take(records.values),  # type: ignore[arg-type]  # one function for columns of several types
        keys=records.keys and take(records.keys),  # type: ignore[arg-type]  # the same
        timestamps=records.timestamps and take(records.timestamps),  # type: ignore[arg-type]  # the same
        headers=records.headers and take(records.headers),  # type: ignore[arg-type]  # the same
    )


def _parts(records: NewRecords) -> Iterator[tuple[NewRecords, int]]:
    """Cut records into parts with their sizes, each large enough to be worth a row and small enough to be decoded whole."""
    total = _nbytes(records.values) + _nbytes(records.keys or ())
    count = len(records.values)

    if total <= _PIECE_BYTES and count <= _PIECE_RECORDS:
        yield records, total
        return

    keys = records.keys or (None,) * count
    start = size = 0

    for index, (key, value) in enumerate(zip(keys, records.values, strict=True)):
        more = len(key or b"") + len(value or b"")

        if index > start and (size + more > _PIECE_BYTES or index - start == _PIECE_RECORDS):
            yield _apply(records, itemgetter(slice(start, index))), size
            start, size = index, 0

        size += more

    yield _apply(records, itemgetter(slice(start, count))), size


def _nbytes(column: Sequence[bytes | None]) -> int:
    return sum([len(item) for item in column if item])


def _encode(partition: int, part: tuple[NewRecords, int], now: int) -> Piece:
    records, nbytes = part
    columns = _Columns(
        None if _all_null(records.values) else cast("list[bytes | None]", records.values),
        None if records.keys is None or _all_null(records.keys) else cast("list[bytes | None]", records.keys),
        now if records.timestamps is None else _timestamps(records.timestamps, now),
        None if records.headers is None or not any(records.headers) else cast("list[Headers]", records.headers),
    )

    try:
        data = _encoder.encode(columns)
        # What cannot be read back must not be stored: it would block its partition for ever.
        _decoder.decode(data)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:  # msgspec's and Unicode's are ValueErrors
        raise ConfigError([Problem("records", f"cannot be stored: {error}")]) from error

    return Piece(partition, len(records.values), nbytes, data, zlib.crc32(data))


def _all_null(column: Sequence[object]) -> bool:
    return column[0] is None and column.count(None) == len(column)


def _timestamps(column: Sequence[int | None], now: int) -> int | list[int]:
    given = [now if timestamp is None else timestamp for timestamp in column]
    return given[0] if given.count(given[0]) == len(given) else given


def decode(tp: TopicPartition, position: int, stored: Sequence[Stored], *, end: int) -> Batch:
    """Return the records from `position` on and below `end` as one batch, whose span starts at `position`.

    A damaged blob ends the batch before it.

    :raises FatalError: if the first blob is damaged.
    """
    parts: list[tuple[_Columns, int]] = []
    first = max(position, stored[0].first_offset) if stored else position
    reached = first
    nbytes = 0

    for blob in stored:
        low, high = reached - blob.first_offset, min(blob.next_offset, end) - blob.first_offset

        if high <= low:
            break

        try:
            columns = _columns(blob)
        except ValueError as error:
            if parts:
                break

            raise FatalError(
                f"the records of {tp} from offset {blob.first_offset} to {blob.next_offset - 1} are damaged: {error}; "
                f"restore the data directory from a backup, or read on from offset {blob.next_offset}"
            ) from error

        count = blob.next_offset - blob.first_offset
        parts.append((columns if high - low == count else _cut(columns, low, high), high - low))
        reached = blob.first_offset + high
        nbytes += blob.nbytes * (high - low) // count

    joined = PlainColumns(
        values=_join([(columns.values, n) for columns, n in parts], None),
        keys=lambda: _join([(columns.keys, n) for columns, n in parts], None),
        offsets=range(first, reached),
        timestamps=lambda: _join_timestamps(parts),
        headers=lambda: _join([(columns.headers, n) for columns, n in parts], ()),
    )
    return Batch(joined, spans=(Span(tp, 0, reached - first, position, reached),), nbytes=nbytes)


def _columns(blob: Stored) -> _Columns:
    """:raises ValueError: if the blob is damaged."""
    if zlib.crc32(blob.data) != blob.checksum:
        raise ValueError("their checksum differs")

    columns = _decoder.decode(blob.data)
    count = blob.next_offset - blob.first_offset

    for column in (columns.values, columns.keys, columns.timestamps, columns.headers):
        if isinstance(column, list) and len(column) != count:
            raise ValueError(f"{len(column)} records are there instead of {count}")

    return columns


def _cut(columns: _Columns, low: int, high: int) -> _Columns:
    return _Columns(
        columns.values and columns.values[low:high],
        columns.keys and columns.keys[low:high],
        columns.timestamps[low:high] if isinstance(columns.timestamps, list) else columns.timestamps,
        columns.headers and columns.headers[low:high],
    )


def _join(parts: Sequence[tuple[list[T] | None, int]], default: T) -> Sequence[T]:
    columns = [[default] * count if column is None else column for column, count in parts]
    return columns[0] if len(columns) == 1 else list(chain.from_iterable(columns))


def _join_timestamps(parts: Sequence[tuple[_Columns, int]]) -> Sequence[int]:
    columns = [c.timestamps if isinstance(c.timestamps, list) else [c.timestamps] * count for c, count in parts]
    return columns[0] if len(columns) == 1 else list(chain.from_iterable(columns))
