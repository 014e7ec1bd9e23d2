"""Values as JSON, one line each: the raw lane, in which bytes are validated and joined but never decoded into objects.

A value that is no JSON, or that would reach over its line, can't break what is built of the lines: newline-delimited
files, `_bulk` bodies, or the input of a columnar reader. Knows nothing of batches, files or destinations.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Final, cast

import attrs
import msgspec

from streamhouse_connect.errors import RejectedRecords

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["JsonLines", "json_lines", "json_objects"]

_ANY: Final = msgspec.json.Decoder(msgspec.Raw)
_OBJECT: Final = msgspec.json.Decoder(msgspec.defstruct("_Object", [], gc=False))  # skips every field, builds none
_WHITESPACE: Final = b" \t\r\n"
_CHUNK: Final = 1 << 20

_Decoder = msgspec.json.Decoder[msgspec.Raw] | msgspec.json.Decoder[msgspec.Struct]


@attrs.frozen
class JsonLines:
    """Values that are each one line of valid JSON in UTF-8."""

    lines: Sequence[bytes]
    """One a value, without its newline."""
    joined: bytes
    """The same with newlines between them, none at the end."""


def json_lines(values: Sequence[bytes | None], *, objects: bool = False) -> JsonLines:
    """Validate each value as JSON, or as a JSON object, and make it one line; it stays as it came where it is one.

    A value that spans several lines is compacted; its numbers and strings keep their text.

    :raises RejectedRecords: with the index of every value that is not valid.
    """
    decoder: _Decoder = _OBJECT if objects else _ANY

    if None not in values:
        present = cast("Sequence[bytes]", values)
        joined = b"\n".join(present)

        if _is_valid(present, joined, decoder):
            return JsonLines(present, joined)

    lines = _examine(values, decoder)
    return JsonLines(lines, b"\n".join(lines))


def json_objects(values: Sequence[bytes | None]) -> list[bytes]:
    """Validate each value as a JSON object and return it as one line; see `json_lines`.

    :raises RejectedRecords: with the index of every value that is not valid.
    """
    return list(json_lines(values, objects=True).lines)


def _is_valid(values: Sequence[bytes], joined: bytes, decoder: _Decoder) -> bool:
    """Whether every line is one JSON value.

    Each value is decoded by itself: `decode_lines` would take `{"a":`, `1}` and `{}{}` for three values.
    """
    if joined.count(b"\n") != max(len(values) - 1, 0) or b"\r" in joined:
        return False

    decode = decoder.decode

    try:
        for value in values:
            decode(value)
    except (RecursionError, msgspec.MsgspecError):
        return False

    return _is_utf8(joined)


def _is_utf8(joined: bytes) -> bool:
    if joined.isascii():
        return True

    decoder = codecs.getincrementaldecoder("utf-8")()  # in parts: text may take four times the space of its bytes
    view = memoryview(joined)

    try:
        for start in range(0, len(view), _CHUNK):
            decoder.decode(view[start : start + _CHUNK], final=start + _CHUNK >= len(view))
    except UnicodeDecodeError:
        return False

    return True


def _examine(values: Sequence[bytes | None], decoder: _Decoder) -> list[bytes]:
    lines: list[bytes] = []
    reasons: dict[int, str] = {}

    for index, value in enumerate(values):
        try:
            lines.append(_line(value, decoder))
        except ValueError as error:
            reasons[index] = str(error)

    if reasons:
        raise RejectedRecords(reasons)

    return lines


def _line(value: bytes | None, decoder: _Decoder) -> bytes:
    if value is None:
        raise ValueError("its value is missing (a tombstone)")

    try:
        value.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"its value is not UTF-8: byte 0x{value[error.start]:02x} at {error.start}") from None

    try:
        decoder.decode(value)
    except RecursionError:
        raise ValueError("its value is nested too deeply") from None
    except msgspec.ValidationError:
        raise ValueError(f"its value is not a JSON object: {_glimpse(value)}") from None
    except msgspec.DecodeError as error:
        raise ValueError(_why_not_json(value, error)) from None

    if b"\n" not in value and b"\r" not in value:
        return value

    stripped = value.strip(_WHITESPACE)
    return msgspec.json.format(stripped, indent=-1) if b"\n" in stripped or b"\r" in stripped else stripped


def _why_not_json(value: bytes, error: msgspec.DecodeError) -> str:
    if not value.strip(_WHITESPACE):
        return "its value is empty"

    try:
        json.loads(value, parse_constant=_refuse)
    except ValueError:
        return f"its value is not JSON: {str(error).removeprefix('JSON is malformed: ')}: {_glimpse(value)}"

    return "its value holds half of a surrogate pair (\\ud800 to \\udfff), which is not text"


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _glimpse(value: bytes) -> str:
    """Return the kind of value that it seems to be; never what it holds."""
    first = value.lstrip(_WHITESPACE)[:1]
    kinds = {b"{": "an object", b"[": "an array", b'"': "a string", b"t": "a boolean", b"f": "a boolean", b"n": "null"}
    return f"{kinds.get(first, 'a number' if first.isdigit() or first == b'-' else 'other text')}, {len(value)} bytes"
