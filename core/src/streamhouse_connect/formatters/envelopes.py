"""Envelopes: what of a record a file holds besides its value, in the same terms for every format.

    false   the value alone
    true    the value, with topic, partition, offset, timestamp, key and headers around it
    raw     the same, for values that are bytes of any kind: key, value and headers are kept as bytes, exactly

This module knows of no format; a format without bytes, such as JSON, writes them as `base64_text`.
"""

from __future__ import annotations

import enum
from binascii import b2a_base64
from typing import TYPE_CHECKING, Final, Literal

from streamhouse_connect.records import NO_TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamhouse_connect.records import Batch, Headers

__all__ = ["COLUMNS", "VALUE_COLUMN", "Envelope", "EnvelopeOption", "RawRow", "base64_text", "raw_rows", "text_or_none"]

EnvelopeOption = Literal["false", "true", "raw"]
"""The type of the option; a JSON boolean is read as its word. `Envelope(config.envelope)` makes sense of it."""

COLUMNS: Final = ("_topic", "_partition", "_offset", "_timestamp", "_key", "_headers")
"""The columns that stand beside those of the values, in their order."""

VALUE_COLUMN: Final = "_value"
"""The one column of the values, behind the others, where they are raw."""

RawRow = tuple[str, int, int, "int | None", "bytes | None", "Headers", "bytes | None"]
"""Topic, partition, offset, timestamp (milliseconds; None: unknown), key, headers and value: `COLUMNS` and `VALUE_COLUMN`."""


class Envelope(enum.Enum):
    """What is around the values."""

    NONE = "false"
    RECORD = "true"
    RAW = "raw"


def raw_rows(batch: Batch) -> Iterator[RawRow]:
    """Yield the records, bytes as they came, with their place."""
    for span in batch.spans:
        topic, partition = span.tp.topic, span.tp.partition
        rows = slice(span.start, span.stop)
        columns = (batch.offsets, batch.timestamps, batch.keys, batch.headers, batch.values)

        for offset, timestamp, key, headers, value in zip(*(column[rows] for column in columns), strict=True):
            yield topic, partition, offset, None if timestamp == NO_TIMESTAMP else timestamp, key, headers, value


def text_or_none(value: bytes) -> str | None:
    """Return the bytes as text; None if they are not UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def base64_text(value: bytes | None) -> str | None:
    """Return bytes as a format without bytes holds them; None stays None."""
    return None if value is None else b2a_base64(value, newline=False).decode()
