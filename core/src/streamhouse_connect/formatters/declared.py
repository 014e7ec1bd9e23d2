"""Declared columns: the types that a user gives them, and how values of JSON become theirs, exactly or not at all.

Pure; knows nothing of files, Arrow or Avro. Text holds what JSON has no type for: decimals (numbers, too), dates, times, and
bytes in base64. Times are integers: the units since 1970.
"""

from __future__ import annotations

import math
import re
import sys
from base64 import b64decode
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "Column",
    "Columns",
    "DateType",
    "DecimalType",
    "FloatType",
    "IntType",
    "ListType",
    "PlainType",
    "TimeType",
    "Type",
]

T = TypeVar("T")

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DIGITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_SECOND: Final = timedelta(seconds=1)
_LONG: Final = 64
_DOUBLE: Final = 64
_LARGEST_FLOAT: Final = 3.4028234663852886e38


@attrs.frozen
class PlainType:
    """What JSON has itself, and bytes."""

    name: Literal["bool", "string", "bytes"]

    def take(self, value: object) -> object:
        if self.name == "bool":
            return _of(bool, value, "a boolean")

        text = _of(str, value, "a string")

        if self.name == "string":
            return text

        try:
            return b64decode(text, validate=True)
        except ValueError:
            raise ValueError("is not base64") from None


@attrs.frozen
class IntType:
    """A signed integer of 8, 16, 32 or 64 bits."""

    bits: int = _LONG

    def take(self, value: object) -> object:
        number = _of(int, value, "an integer")

        if not -(1 << self.bits - 1) <= number < 1 << self.bits - 1:
            raise ValueError(f"is beyond {self.bits} bits")

        return number


@attrs.frozen
class FloatType:
    """A number in floating point, of 32 or 64 bits: the nearest that there is."""

    bits: int = _DOUBLE

    def take(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise ValueError("is not a number")  # noqa: TRY004 - the record is wrong, not the code

        try:
            number = float(value)
        except OverflowError:
            number = math.inf

        if abs(number) > (_LARGEST_FLOAT if self.bits < _DOUBLE else sys.float_info.max):
            raise ValueError(f"is beyond a number of {self.bits} bits")

        return number


@attrs.frozen
class DecimalType:
    """A number with a fixed point, exactly."""

    precision: int
    scale: int

    def take(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise ValueError("is not a number")  # noqa: TRY004 - the record is wrong, not the code

        try:
            number = Decimal(value)
        except InvalidOperation:
            raise ValueError("is not a number") from None

        sign, digits, exponent = number.as_tuple()

        if not isinstance(exponent, int):
            raise ValueError("is not a number")  # noqa: TRY004 - infinity has a letter for an exponent

        text = "".join(map(str, digits)).lstrip("0")
        kept = text.rstrip("0")
        shift = exponent + len(text) - len(kept) + self.scale

        if kept and (shift < 0 or len(kept) + shift > self.precision):
            raise ValueError(f"does not fit decimal({self.precision},{self.scale})")

        units = (*map(int, kept), *[0] * shift) if kept else (0,)
        return Decimal((sign if kept else 0, units, -self.scale))


@attrs.frozen
class DateType:
    """A day."""

    def take(self, value: object) -> object:
        text = _of(str, value, "a string")

        try:
            return date.fromisoformat(text if _DATE.fullmatch(text) else "")
        except ValueError:
            raise ValueError("is not a date, such as 2026-02-10") from None


@attrs.frozen
class TimeType:
    """A date and a time of day: an instant, in UTC, or one on a clock that nobody knows."""

    unit: Literal["s", "ms", "us", "ns"] = "us"
    utc: bool = True

    def take(self, value: object) -> object:
        found = _TIME.fullmatch(_of(str, value, "a string"))

        if found is None or (found[4] is not None) != self.utc:
            raise ValueError(f"is not a time with{'' if self.utc else 'out'} an offset, such as {self._example}")

        fraction = (found[3] or "").rstrip("0")
        digits = _DIGITS[self.unit]

        if len(fraction) > digits:
            raise ValueError(f"has more digits than {self.unit}")

        try:
            seconds = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[4] or '+00:00'}") - _EPOCH
        except ValueError:
            raise ValueError("is not a time that there is") from None

        return seconds // _SECOND * 10**digits + int(fraction.ljust(digits, "0") or "0")

    @property
    def _example(self) -> str:
        return "2026-02-10T14:00:00" + ("Z" if self.utc else "")


@attrs.frozen
class ListType:
    """An array."""

    item: Column

    def take(self, value: object) -> object:
        return [self.item.take(item) for item in _of(list, value, "an array")]


@attrs.frozen
class Columns:
    """The fields of an object, or of the record itself."""

    columns: tuple[Column, ...]
    strict: bool = False
    """Whether there may be no others; else those are left out."""
    named: Mapping[str, Column] = attrs.field(init=False, eq=False, repr=False)

    @named.default
    def _named(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}

    def take(self, value: object) -> object:
        record = _of(dict, value, "an object")

        if self.strict and not record.keys() <= self.named.keys():
            name = next(name for name in record if name not in self.named)
            raise ValueError(f".{name} is not in the schema")

        return {column.written: column.take(record.get(column.name)) for column in self.columns}

    def adapted(self, rename: Callable[[str], str] = str, *, strict: bool) -> Columns:
        """Return the same columns with other names in the file, and more or less strict, on every level."""
        return Columns(tuple(column.adapted(rename, strict=strict) for column in self.columns), strict)


Type = PlainType | IntType | FloatType | DecimalType | DateType | TimeType | ListType | Columns


@attrs.frozen
class Column:
    """A field, or the items of a list."""

    name: str
    type: Type
    nullable: bool = True
    written: str = attrs.field()
    """How it is called in the file."""

    @written.default
    def _written(self) -> str:
        return self.name

    def take(self, value: object) -> object:
        """Return the value as its type has it.

        :raises ValueError: with the way to what does not fit, and why.
        """
        if value is None:
            if self.nullable:
                return None

            raise ValueError(f".{self.name} is missing")

        try:
            return self.type.take(value)
        except ValueError as error:
            reason = str(error)
            raise ValueError(f".{self.name}{'' if reason.startswith('.') else ' '}{reason}") from None

    def adapted(self, rename: Callable[[str], str], *, strict: bool) -> Column:
        """Return the column with other names in the file, and more or less strict."""
        kind = self.type

        if isinstance(kind, ListType):
            kind = ListType(kind.item.adapted(rename, strict=strict))

        if isinstance(kind, Columns):
            kind = kind.adapted(rename, strict=strict)

        return attrs.evolve(self, type=kind, written=rename(self.name))


def _of(kind: type[T], value: object, what: str) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"is not {what}")

    return value
