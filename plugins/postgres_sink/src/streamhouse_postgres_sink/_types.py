"""What a JSON value becomes in a column: the text that PostgreSQL's own input functions read.

Most types need nothing: PostgreSQL parses the very text that stands in the JSON, so that no number passes a float and no
range is checked twice. What it would misread is spelt for it (see `Kind`), and what it would cut off or wrap without a word is
refused.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_postgres_sink._cells import Unstorable, escaped, is_text, literal, text_of, without_nulls
from streamhouse_postgres_sink._loose import loosen, restored
from streamhouse_postgres_sink._times import NUMBER, ZONED, day, instant, of_day, put_in_utc

if TYPE_CHECKING:
    from streamhouse_postgres_sink._cells import Rules

__all__ = ["Column", "Kind", "converted", "is_plain"]

_NO_TEXT: Final = re.compile(rb"\n[-0-9\[{]")
_HEX_PREFIX: Final = b"\\x"
_MAX_DIMENSIONS: Final = 6
"""PostgreSQL's MAXDIM."""
_MAX_NAME: Final = 63
"""PostgreSQL's NAMEDATALEN, less one; the input function of type name cuts off what is longer."""

_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Kind(enum.Enum):
    """How a column's values are to be read."""

    TEXT = enum.auto()
    """As PostgreSQL reads them: all that is not listed here."""
    JSON = enum.auto()
    """A string stays a JSON string, with its quotes."""
    JSONB = enum.auto()
    """The same, but it can't hold the character U+0000."""
    INSTANT = enum.auto()
    """With time zone. A number is an epoch."""
    TIMESTAMP = enum.auto()
    """Without. A number is an epoch, in UTC; text with an offset is put in UTC."""
    DATE = enum.auto()
    """A number is a day, or an epoch."""
    TIME = enum.auto()
    """Without time zone. A number counts from midnight; text with an offset is put in UTC."""
    TIMETZ = enum.auto()
    """With time zone. A number counts from midnight."""
    INTERVAL = enum.auto()
    """As in all columns of time, PostgreSQL would read [1,[2,3]] as three numbers."""
    BYTES = enum.auto()
    r"""Text in base64 or hex."""
    UNSIGNED = enum.auto()
    """PostgreSQL would wrap what is negative."""
    NAME = enum.auto()
    """PostgreSQL would cut off what is too long."""
    CHAR = enum.auto()
    """The type "char": PostgreSQL would keep one byte."""

    @classmethod
    def of(cls, type_name: str) -> Kind:
        """Return the kind of a built-in type, by its name in the catalogue."""
        return _KINDS.get(type_name, cls.TEXT)


_KINDS: Final = {
    "json": Kind.JSON,
    "jsonb": Kind.JSONB,
    "timestamptz": Kind.INSTANT,
    "timestamp": Kind.TIMESTAMP,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "timetz": Kind.TIMETZ,
    "interval": Kind.INTERVAL,
    "bytea": Kind.BYTES,
    "oid": Kind.UNSIGNED,
    "xid": Kind.UNSIGNED,
    "xid8": Kind.UNSIGNED,
    "cid": Kind.UNSIGNED,
    "name": Kind.NAME,
    "char": Kind.CHAR,
}
_DOCUMENTS: Final = {Kind.JSON, Kind.JSONB}
_NUMBERS_OF: Final = {
    Kind.INSTANT: instant,
    Kind.TIMESTAMP: instant,
    Kind.DATE: day,
    Kind.TIME: of_day,
    Kind.TIMETZ: of_day,
}
_TIMES: Final = {*_NUMBERS_OF, Kind.INTERVAL}
_ZONELESS: Final = {Kind.TIMESTAMP, Kind.TIME}


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
    def is_verbatim(self) -> bool:
        """COPY is given its cells as they are, quotes and all; they stand at the end of a line. Else quotes are taken away."""
        return self.is_array or self.kind in _DOCUMENTS

    @property
    def is_special(self) -> bool:
        """Some of its values may have to be converted."""
        return self.is_array or self.kind not in {Kind.TEXT, *_DOCUMENTS}


def is_plain(column: Column, cells: bytes) -> bool:
    """True if no cell of a special column has to be converted. Before each of the cells stands a newline; may be false for nothing."""
    if column.is_array:
        return not any(mark in cells for mark in (b"\n[", b"\n{", b'\n"'))

    if column.kind not in _TIMES or _NO_TEXT.search(cells):
        return False

    return column.kind not in _ZONELESS or not (b"\\" in cells or ZONED.search(cells))


def converted(column: Column, cell: msgspec.Raw, rules: Rules) -> bytes | msgspec.Raw:
    """Return what COPY is to be given for the cell of a special column; Raw if its JSON text will do.

    :raises Unstorable: and says why.
    """
    raw = bytes(cell)

    if raw == b"null":
        return cell

    if not column.is_array:
        content = _content(column.kind, raw, rules)
        return cell if content is None else literal(content)

    if raw.startswith(b"{"):  # {} would be an empty array
        raise Unstorable("22P02", "is an object, not a list")

    if raw.startswith(b"["):
        return escaped(_array(column, raw, rules))

    return literal(text_of(raw, rules)) if is_text(raw) else cell


def _content(kind: Kind, raw: bytes, rules: Rules) -> bytes | None:
    """Return the text that PostgreSQL is to read; None if the value's own will do."""
    if kind is Kind.BYTES:
        return _bytes(raw, rules)

    if kind in _TIMES and raw.startswith((b"[", b"{")):
        raise Unstorable("22007", "is a list or an object, not a time")

    if NUMBER.match(raw) and kind in _NUMBERS_OF:
        return _NUMBERS_OF[kind](raw, rules)

    if kind in _ZONELESS and is_text(raw):
        text = text_of(raw, rules)
        return put_in_utc(text.decode()).encode() if ZONED.search(text) else None

    if kind is Kind.UNSIGNED and text_of(raw, rules).lstrip().startswith(b"-"):
        raise Unstorable("22003", "is negative")

    if (kind is Kind.NAME and len(text_of(raw, rules)) > _MAX_NAME) or (kind is Kind.CHAR and not _is_char(raw, rules)):
        raise Unstorable("22001", "is too long")

    return None


def _is_char(raw: bytes, rules: Rules) -> bool:
    text = text_of(raw, rules)
    return len(text) <= 1 or re.fullmatch(rb"\\[0-3][0-7]{2}", text) is not None


def _bytes(raw: bytes, rules: Rules) -> bytes:
    if not is_text(raw):
        raise Unstorable("22P02", f"is not text; bytea takes {rules.encoding}")

    text = text_of(raw, rules)

    if text.startswith(_HEX_PREFIX):
        return text

    if rules.encoding == "hex":
        return _HEX_PREFIX + text

    try:
        return _HEX_PREFIX + binascii.hexlify(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise Unstorable("22023", "is neither base64 nor hex that starts with \\x (bytea.encoding)") from None


def _array(column: Column, raw: bytes, rules: Rules, depth: int = 1) -> bytes:
    if depth > _MAX_DIMENSIONS:
        raise Unstorable("54000", f"is nested deeper than {_MAX_DIMENSIONS} lists")

    elements = _elements(raw)

    if depth > 1 and not elements:
        raise Unstorable("2202E", "has an empty list inside a list, which no array can")

    made = [_element(column, bytes(element), rules, depth) for element in elements]
    return b"{" + column.delimiter.encode().join(made) + b"}"


def _elements(raw: bytes) -> list[msgspec.Raw]:
    try:
        return _list(raw)
    except msgspec.DecodeError:
        return [restored(element) for element in _list(loosen(raw))]


def _element(column: Column, raw: bytes, rules: Rules, depth: int) -> bytes:
    if raw == b"null":
        return b"NULL"

    if column.kind in _DOCUMENTS:
        content = raw if column.kind is Kind.JSON else without_nulls(raw, rules)
    elif raw.startswith(b"["):
        return _array(column, raw, rules, depth + 1)
    else:
        found = _content(column.kind, raw, rules)
        content = text_of(raw, rules) if found is None else found

    return b'"' + content.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
