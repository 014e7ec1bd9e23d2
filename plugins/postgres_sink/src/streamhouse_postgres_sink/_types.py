r"""What a JSON value becomes in a column: the text that PostgreSQL's own input functions read.

Most types need nothing: PostgreSQL parses the very text that stands in the JSON, so that no number passes a float and no
range is checked twice. The kinds that do need something:

    JSON      a string stays a JSON string, with its quotes
    INSTANT   a number in a date-and-time column is an epoch, in seconds, milliseconds or microseconds by its magnitude
    BYTES     text in base64, or in hex if it starts with \x
    ARRAY     a JSON list becomes an array literal

A cell here is `msgspec.Raw`: the JSON text of one value. What a kind does not change stays Raw. Knows nothing of COPY's rows.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import attrs
import msgspec

__all__ = ["GUARD", "Column", "Kind", "Unstorable", "converted", "escaped", "is_plain", "literal", "text_of"]

GUARD: Final = b"\x01"
"""Stands around text that must not lose quotes that are its own; never occurs otherwise, JSON and `escaped` see to it."""

_QUOTE: Final = ord('"')
_EPOCH: Final = re.compile(rb"-?[0-9]")
_EPOCHS: Final = re.compile(rb"\n[-0-9]")
_HEX_PREFIX: Final = "\\x"
_MAX_DIMENSIONS: Final = 6
"""PostgreSQL's MAXDIM."""
# Seconds reach to the year 5138, milliseconds begin in 1973; what is larger would be nanoseconds.
_MILLISECONDS: Final = 10**11
_MICROSECONDS: Final = 10**14
_NO_EPOCH: Final = 10**17
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)

_text = msgspec.json.Decoder(str).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Kind(enum.Enum):
    """How a column's values are to be read; see the module."""

    TEXT = enum.auto()
    JSON = enum.auto()
    INSTANT = enum.auto()
    BYTES = enum.auto()

    @classmethod
    def of(cls, type_name: str) -> Kind:
        """Return the kind of a built-in type, by its name in the catalogue."""
        return _KINDS.get(type_name, cls.TEXT)


_KINDS: Final = {
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
    "timestamp": Kind.INSTANT,
    "timestamptz": Kind.INSTANT,
    "bytea": Kind.BYTES,
}


@attrs.frozen
class Column:
    """A column of the table, as the catalogue has it."""

    name: str
    type: str
    """As SQL writes it, such as `numeric(12,2)`."""
    kind: Kind = Kind.TEXT
    """The kind of the values, or of an array's elements."""
    is_array: bool = False
    delimiter: str = ","
    """What stands between an array's elements."""
    has_default: bool = False
    is_writable: bool = True
    """False for what PostgreSQL alone fills: generated columns, and identities GENERATED ALWAYS."""

    @property
    def is_special(self) -> bool:
        """Some of its values may have to be converted."""
        return self.is_array or self.kind is not Kind.TEXT


class Unstorable(Exception):  # noqa: N818 - it is the value that is
    """PostgreSQL can't hold this value; the message says why, without the value."""


def is_plain(column: Column, cells: bytes) -> bool:
    """True if no cell has to be converted. Before each of the cells stands a newline; may be false for nothing."""
    if column.is_array:
        return b"\n[" not in cells and b"\n{" not in cells

    match column.kind:
        case Kind.TEXT:
            return True
        case Kind.JSON:
            return b'\n"' not in cells
        case Kind.INSTANT:
            return not _EPOCHS.search(cells)
        case Kind.BYTES:
            return False


def converted(column: Column, cell: msgspec.Raw) -> bytes | msgspec.Raw:
    """Return what COPY is to be given for the cell; Raw if its JSON text will do.

    :raises Unstorable: and says why.
    """
    raw = bytes(cell)

    if raw == b"null":
        return cell

    if column.is_array:
        if raw.startswith(b"{"):  # {} would be an empty array
            raise Unstorable("is an object, not a list")

        return escaped(_array(column, raw).encode()) if raw.startswith(b"[") else cell

    content = _content(column.kind, raw)
    return cell if content is None else literal(content)


def text_of(cell: bytes) -> bytes:
    """Return the text of a JSON string, or the JSON text of any other value.

    :raises Unstorable: if it holds a character that no text of PostgreSQL can.
    """
    if cell[0] != _QUOTE:
        return cell

    text = _text(cell)

    if "\x00" in text:
        raise Unstorable("holds \\u0000, which no text in PostgreSQL can hold")

    return text.encode()


def literal(content: bytes) -> bytes:
    """Return a text for COPY such that nothing in it means anything."""
    return b"nul\\l" if content == b"null" else GUARD + escaped(content) + GUARD


def escaped(content: bytes) -> bytes:
    """Escape what has a meaning inside a line of COPY."""
    return (
        content.replace(b"\\", b"\\\\")
        .replace(b"\n", b"\\n")
        .replace(b"\t", b"\\t")
        .replace(b"\r", b"\\r")
        .replace(GUARD, b"\\001")
    )


def _content(kind: Kind, raw: bytes) -> bytes | None:
    match kind:
        case Kind.JSON:
            return raw if raw[0] == _QUOTE else None
        case Kind.INSTANT:
            return _instant(raw) if _EPOCH.match(raw) else None
        case Kind.BYTES:
            return _bytes(raw)
        case Kind.TEXT:
            return None


def _instant(raw: bytes) -> bytes:
    try:
        number = Decimal(raw.decode())
        size = number.copy_abs()

        if size >= _NO_EPOCH:
            raise Unstorable("is no epoch in seconds, milliseconds or microseconds")

        scale = 1_000_000 if size < _MILLISECONDS else 1_000 if size < _MICROSECONDS else 1
        moment = _BEGINNING + timedelta(microseconds=int(number * scale))
    except ArithmeticError:
        raise Unstorable("is an epoch outside the years 1 to 9999") from None

    return moment.isoformat().encode()


def _bytes(raw: bytes) -> bytes:
    if raw[0] != _QUOTE:
        raise Unstorable("is not text; bytea takes base64, or hex that starts with \\x")

    text = _text(raw)

    if text.startswith(_HEX_PREFIX):
        return text_of(raw)

    try:
        return b"\\x" + base64.b64decode(text, validate=True).hex().encode()
    except (binascii.Error, ValueError):
        raise Unstorable("is neither base64 nor hex that starts with \\x") from None


def _array(column: Column, raw: bytes, depth: int = 1) -> str:
    if depth > _MAX_DIMENSIONS:
        raise Unstorable(f"is nested deeper than {_MAX_DIMENSIONS} lists")

    elements = [bytes(element) for element in _list(raw)]
    return "{" + column.delimiter.join(_element(column, element, depth) for element in elements) + "}"


def _element(column: Column, raw: bytes, depth: int) -> str:
    if raw == b"null":
        return "NULL"

    if raw.startswith(b"[") and column.kind is not Kind.JSON:
        return _array(column, raw, depth + 1)

    content = raw if column.kind is Kind.JSON else _content(column.kind, raw)
    text = (text_of(raw) if content is None else content).decode()
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
