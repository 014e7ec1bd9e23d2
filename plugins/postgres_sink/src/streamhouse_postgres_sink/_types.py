"""What the catalogue says of a column, as far as it matters to how values are spelt for PostgreSQL.

Most types need nothing: PostgreSQL's own input functions read the very text that stands in the JSON. The other types are told
apart by their kind; what is done for each of them is not known here.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

__all__ = ["Column", "Kind"]


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
    """A number counts seconds. As in all columns of time, PostgreSQL would read [1,[2,3]] as three numbers."""
    INSTANT_RANGE = enum.auto()
    """One range or several, as the next two."""
    TIMESTAMP_RANGE = enum.auto()
    """PostgreSQL would drop the offsets of its ends."""
    DATE_RANGE = enum.auto()
    NUMERIC = enum.auto()
    """PostgreSQL would round what has more digits than the column keeps."""
    MONEY = enum.auto()
    """The same."""
    VARCHAR = enum.auto()
    """PostgreSQL would cut off blanks that are too many."""
    BYTES = enum.auto()
    r"""Text in base64 or hex."""
    UNSIGNED = enum.auto()
    """PostgreSQL would wrap what is negative."""
    ADDRESS = enum.auto()
    """PostgreSQL would make a network of a number."""
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
    "tstzrange": Kind.INSTANT_RANGE,
    "tstzmultirange": Kind.INSTANT_RANGE,
    "tsrange": Kind.TIMESTAMP_RANGE,
    "tsmultirange": Kind.TIMESTAMP_RANGE,
    "daterange": Kind.DATE_RANGE,
    "datemultirange": Kind.DATE_RANGE,
    "numeric": Kind.NUMERIC,
    "money": Kind.MONEY,
    "varchar": Kind.VARCHAR,
    "bytea": Kind.BYTES,
    "oid": Kind.UNSIGNED,
    "xid": Kind.UNSIGNED,
    "xid8": Kind.UNSIGNED,
    "cid": Kind.UNSIGNED,
    "tid": Kind.UNSIGNED,
    "cidr": Kind.ADDRESS,
    "macaddr": Kind.ADDRESS,
    "macaddr8": Kind.ADDRESS,
    "name": Kind.NAME,
    "char": Kind.CHAR,
}
_DOCUMENTS: Final = {Kind.JSON, Kind.JSONB}
_MODIFIED: Final = {Kind.NUMERIC, Kind.VARCHAR}
"""Kinds that need nothing unless they have a modifier."""
_PRECISE: Final = {Kind.INSTANT, Kind.TIMESTAMP, Kind.TIME, Kind.TIMETZ}
_HEADER: Final = 4
"""PostgreSQL's VARHDRSZ, which is part of the modifiers of numeric and varchar."""
_SCALE_MASK: Final = 0x7FF
_SCALE_SIGN: Final = 0x400
_CENTS: Final = 2
_MICROSECONDS: Final = 6
_SECOND: Final = 1 << 12 << 16
"""In the modifier of an interval: seconds are kept."""


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
    modifier: int = -1
    """PostgreSQL's typmod, of the values or of an array's elements: their length or precision; -1 if there is none."""

    @property
    def is_verbatim(self) -> bool:
        """COPY is given its cells as they are, quotes and all; they stand at the end of a line. Else quotes are taken away."""
        return self.is_array or self.kind in _DOCUMENTS

    @property
    def is_special(self) -> bool:
        """Some of its values may have to be converted, or refused."""
        if self.kind in _MODIFIED and self.modifier < 0:
            return self.is_array

        return self.is_array or self.kind not in {Kind.TEXT, *_DOCUMENTS}

    @property
    def scale(self) -> int | None:
        """How many digits a number keeps behind the point, or, if negative, how many before it are always 0; None if all are kept."""
        if self.kind is Kind.MONEY:
            return _CENTS

        if self.kind is not Kind.NUMERIC or self.modifier < 0:
            return None

        return (((self.modifier - _HEADER) & _SCALE_MASK) ^ _SCALE_SIGN) - _SCALE_SIGN

    @property
    def length(self) -> int | None:
        """How many characters a text may have; None if there is no limit."""
        return self.modifier - _HEADER if self.kind is Kind.VARCHAR and self.modifier >= 0 else None

    @property
    def precision(self) -> int:
        """How many digits of a second a time keeps."""
        return self.modifier if self.kind in _PRECISE and self.modifier >= 0 else _MICROSECONDS

    @property
    def keeps_seconds(self) -> bool:
        """An interval may consist of seconds."""
        return self.modifier < 0 or bool(self.modifier & _SECOND)
