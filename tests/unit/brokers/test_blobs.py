import zlib
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from streamhouse_connect import ConfigError, FatalError, NewRecords, TopicPartition
from streamhouse_connect.brokers._blobs import Piece, Stored, decode, encode

T0 = TopicPartition("t", 0)


def _store(pieces: Sequence[Piece], first_offset: int = 0) -> list[Stored]:
    stored = []

    for piece in pieces:
        end = first_offset + piece.count
        stored.append(Stored(first_offset, end, piece.nbytes, piece.data, piece.checksum))
        first_offset = end

    return stored


def _blob(*values: bytes | None, first_offset: int = 0) -> Stored:
    return _store(encode(NewRecords(values=values), partitions=0, now=7), first_offset)[0]


def _damaged(blob: Stored) -> Stored:
    return attrs.evolve(blob, data=blob.data[:-1] + bytes([blob.data[-1] ^ 1]))


def test_columns_of_defaults_take_no_space() -> None:
    """A thousand tombstones without keys and headers, all of one time, are a few bytes."""
    records = NewRecords(values=[None] * 1000, keys=[None] * 1000, headers=[()] * 1000, timestamps=[5] * 1000)
    (piece,) = encode(records, partitions=0, now=7)
    batch = decode(T0, 0, _store([piece]), end=1000)

    assert len(piece.data) < 10
    assert (list(batch.values), list(batch.keys)) == ([None] * 1000, [None] * 1000)
    assert (list(batch.headers), list(batch.timestamps)) == ([()] * 1000, [5] * 1000)


def test_records_are_parted_by_partition_in_their_order() -> None:
    """Each partition gets a piece with its own records, in the order in which they were given."""
    records = NewRecords(values=[b"a", b"b", b"c"], keys=[b"1", None, b"3"], timestamps=[1, None, 3])
    pieces = encode(records, partitions=[2, 0, 2], now=7)
    batches = [decode(T0, 0, _store([piece]), end=9) for piece in pieces]

    assert [(piece.partition, piece.count) for piece in pieces] == [(2, 2), (0, 1)]
    assert [list(batch.values) for batch in batches] == [[b"a", b"c"], [b"b"]]
    assert [list(batch.keys) for batch in batches] == [[b"1", b"3"], [None]]
    assert [list(batch.timestamps) for batch in batches] == [[1, 3], [7]]


def test_large_appends_are_cut() -> None:
    """No piece is much larger than what a reader wants to decode for one record, unless one record is."""
    values = [b"x" * 300_000] * 5 + [b"y" * 3_000_000] + [b"z"] * 25_000
    pieces = encode(NewRecords(values=values), partitions=0, now=7)
    batch = decode(T0, 0, _store(pieces), end=10**6)

    assert [piece.count for piece in pieces] == [3, 2, 1, 10_000, 10_000, 5_000]
    assert [piece.nbytes for piece in pieces] == [900_000, 600_000, 3_000_000, 10_000, 10_000, 5_000]
    assert list(batch.values) == values
    assert batch.nbytes == sum(map(len, values))


def test_the_offsets_of_a_batch_are_a_range() -> None:
    """Offsets take no memory for each record."""
    batch = decode(T0, 1, [_blob(b"a", b"b"), _blob(b"c", first_offset=2)], end=9)

    assert batch.offsets == range(1, 3)


@pytest.mark.parametrize(
    ("position", "end", "values"),
    [(0, 9, b"abcde"), (1, 9, b"bcde"), (2, 3, b"c"), (1, 4, b"bcd"), (4, 9, b"e"), (0, 2, b"ab")],
)
def test_a_batch_holds_what_was_asked_for(position: int, end: int, values: bytes) -> None:
    """Blobs are joined, and cut at the position and at the end."""
    stored = [_blob(b"a", b"b"), _blob(b"c", b"d", b"e", first_offset=2)]
    stored = [blob for blob in stored if blob.next_offset > position]
    batch = decode(T0, position, stored, end=end)
    (span,) = batch.spans

    assert b"".join(value or b"" for value in batch.values) == values
    assert list(batch.offsets) == list(range(position, position + len(values)))
    assert (span.first_offset, span.next_offset) == (position, position + len(values))


def test_records_that_have_expired_are_covered() -> None:
    """Where the log starts later than the position, the span starts at the position all the same."""
    batch = decode(T0, 2, [_blob(b"a", first_offset=10)], end=11)
    (span,) = batch.spans

    assert list(batch.offsets) == [10]
    assert (span.first_offset, span.next_offset) == (2, 11)


def test_what_has_expired_up_to_the_end_leaves_nothing() -> None:
    """Where the log starts behind the end by now, the batch is empty, and reading goes on where the log starts."""
    batch = decode(T0, 2, [_blob(b"a", first_offset=10)], end=5)
    (span,) = batch.spans

    assert list(batch) == []
    assert (span.first_offset, span.next_offset) == (2, 10)


def test_what_lies_beyond_the_end_is_not_looked_at() -> None:
    """Damage there is for whoever reads it."""
    batch = decode(T0, 0, [_blob(b"a", b"b"), _damaged(_blob(b"c", first_offset=2))], end=2)

    assert list(batch.values) == [b"a", b"b"]


def test_a_damaged_blob_is_an_error_that_names_it() -> None:
    """A flipped bit is noticed, and the error says which records are gone."""
    with pytest.raises(FatalError, match=r"t-0 from offset 10 to 11 are damaged.*offset 12"):
        decode(T0, 11, [_damaged(_blob(b"a", b"b", first_offset=10))], end=20)


def test_records_before_a_damaged_blob_are_given() -> None:
    """What can be read is read first."""
    batch = decode(T0, 0, [_blob(b"a", b"b"), _damaged(_blob(b"c", first_offset=2))], end=9)

    assert list(batch.values) == [b"a", b"b"]
    assert batch.spans[0].next_offset == 2


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x94\x91\x01\xc0\x07\xc0", b"\x94\x92\xc4\x00\xc4\x00\xc0\x07\xc0"])
def test_what_is_no_blob_is_an_error(data: bytes) -> None:
    """Bytes that have the right checksum and are not what was expected are damage too."""
    with pytest.raises(FatalError, match="damaged"):
        decode(T0, 0, [Stored(0, 1, 1, data, zlib.crc32(data))], end=9)


@pytest.mark.parametrize(
    "records",
    [
        NewRecords(values=["text"]),  # type: ignore[list-item]  # that is what is tried
        NewRecords(values=[b"a"], keys=["text"]),  # type: ignore[list-item]  # the same
        NewRecords(values=[b"a"], headers=[(("name", "text"),)]),  # type: ignore[list-item]  # the same
        NewRecords(values=[b"a"], headers=[((b"name", b""),)]),  # type: ignore[list-item]  # the same
        NewRecords(values=[b"a"], timestamps=[1.5]),  # type: ignore[list-item]  # the same
        NewRecords(values=[b"a"], timestamps=[True]),
        NewRecords(values=[b"a"], timestamps=[2**70]),
    ],
)
def test_what_could_not_be_decoded_is_not_encoded(records: NewRecords) -> None:
    """A wrong type is found before it is stored, where it would block its partition."""
    with pytest.raises(ConfigError, match="cannot be stored"):
        encode(records, partitions=0, now=7)


@pytest.mark.parametrize("column", ["keys", "timestamps", "headers"])
def test_columns_are_parallel(column: str) -> None:
    """A column that is shorter than the values is an error."""
    columns: dict[str, Any] = {column: [None]}
    records = NewRecords(values=[b"a", b"b"], **columns)

    with pytest.raises(ValueError, match=f"1 {column} for 2 values"):
        encode(records, partitions=0, now=7)
