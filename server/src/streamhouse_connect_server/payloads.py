"""Records between the wire and the broker: which bytes a JSON value means, and how bytes are shown. Pure.

A string is its text, any other JSON its raw text, `null` nothing. Bytes that are no text travel as base64 in a field of
their own, so that what is consumed can be produced.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET

from streamhouse_connect import NO_TIMESTAMP, NewRecords, Problem
from streamhouse_connect_server.schemas import ConsumedRecord, HeaderBody, HeaderBytes, HeadersBody, RecordBody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streamhouse_connect import Batch, Headers

__all__ = ["misplaced", "read_records", "show_records"]

_END_OF_9999: Final = 253_402_300_799_999

_read_text = msgspec.json.Decoder(str).decode


class _Invalid(Exception):  # noqa: N818 - never leaves this module
    """A field of a record is wrong."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(field, message)


def read_records(records: Sequence[RecordBody], *, topic: str, prefix: str = "") -> tuple[NewRecords, list[Problem]]:
    """Turn bodies into columns, and list everything that is wrong with them; then the columns are of no use.

    `prefix` stands before each field's name, the record's index in place of its `{}`.
    """
    problems: list[Problem] = []
    columns: tuple[list[Any], ...] = ([], [], [], [], [])
    readers: tuple[Callable[[RecordBody], object], ...] = (_value, _key, _timestamp, _headers, _partition)

    for index, record in enumerate(records):
        for column, read in zip(columns, readers, strict=True):
            try:
                column.append(read(record))
            except _Invalid as exc:
                problems.append(Problem(prefix.format(index) + exc.field, exc.message))

        if record.topic is not None and record.topic != topic:
            problems.append(Problem(prefix.format(index) + "topic", "is another one than the batch's; leave it out"))

    values, keys, timestamps, headers, partitions = columns

    return NewRecords(
        values=values,
        keys=keys,
        timestamps=_unless_default(timestamps),
        headers=headers if any(headers) else None,
        partitions=_unless_default(partitions),
    ), problems


def misplaced(records: NewRecords, *, partitions: int, prefix: str = "") -> list[Problem]:
    """List the records for partitions that a topic with so many does not have."""
    return [
        Problem(
            f"{prefix.format(index)}partition", f"is {partition}, but the topic's partitions are 0 to {partitions - 1}"
        )
        for index, partition in enumerate(records.partitions or ())
        if partition is not None and partition >= partitions
    ]


def _unless_default(column: list[Any]) -> list[Any] | None:
    return None if all(each is None for each in column) else column


def _value(record: RecordBody) -> bytes | None:
    if record.value_base64 is UNSET:
        if record.value is UNSET:
            raise _Invalid("value", "is required; null makes a tombstone")

        return _json_bytes(record.value)

    if record.value is not UNSET:
        raise _Invalid("value", "and valueBase64 exclude each other")

    return _base64_bytes(record.value_base64, "valueBase64")


def _key(record: RecordBody) -> bytes | None:
    if record.key_base64 is UNSET:
        return None if record.key is UNSET else _json_bytes(record.key)

    if record.key is not UNSET:
        raise _Invalid("key", "and keyBase64 exclude each other")

    return _base64_bytes(record.key_base64, "keyBase64")


def _timestamp(record: RecordBody) -> int | None:
    timestamp = record.timestamp

    if timestamp is None or NO_TIMESTAMP <= timestamp <= _END_OF_9999:
        return timestamp

    if timestamp < NO_TIMESTAMP:
        raise _Invalid("timestamp", "must not be negative, except for -1, which stands for an unknown time")

    raise _Invalid("timestamp", "is beyond the year 9999; it must be in milliseconds, not micro- or nanoseconds")


def _headers(record: RecordBody) -> Headers:
    headers = record.headers

    if not headers:
        return ()

    pairs = headers.items() if isinstance(headers, dict) else headers

    return tuple((name, _header_bytes(value)) for name, value in pairs)


def _header_bytes(value: HeaderBody) -> bytes | None:
    if isinstance(value, HeaderBytes):
        return _base64_bytes(value.value_base64, "headers")

    return None if value is None else value.encode()


def _partition(record: RecordBody) -> int | None:
    return record.partition


def _json_bytes(raw: msgspec.Raw) -> bytes | None:
    data = bytes(raw)

    if data.startswith(b'"'):
        return _read_text(data).encode()

    return None if data == b"null" else data


def _base64_bytes(text: str, field: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _Invalid(field, "is not base64 (RFC 4648, section 4, with padding)") from None


def show_records(batch: Batch) -> Iterator[ConsumedRecord]:
    """Show each record of a batch."""
    for record in batch:
        key, key_base64 = _shown(record.key)
        value, value_base64 = _shown(record.value)

        yield ConsumedRecord(
            partition=record.tp.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            key=key,
            key_base64=key_base64,
            value=value,
            value_base64=value_base64,
            headers=_shown_headers(record.headers),
        )


def _shown(data: bytes | None) -> tuple[str | msgspec.UnsetType | None, str | msgspec.UnsetType]:
    if data is None:
        return None, UNSET

    try:
        return data.decode(), UNSET
    except UnicodeDecodeError:
        return UNSET, base64.b64encode(data).decode()


def _shown_headers(headers: Headers) -> HeadersBody:
    pairs = [(name, _shown_header(value)) for name, value in headers]
    named = dict(pairs)

    # An object as long as it can hold them all: names may repeat.
    return named if len(named) == len(pairs) else pairs


def _shown_header(value: bytes | None) -> HeaderBody:
    if value is None:
        return None

    try:
        return value.decode()
    except UnicodeDecodeError:
        return HeaderBytes(base64.b64encode(value).decode())
