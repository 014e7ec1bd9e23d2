"""The types of columns that JSON values need.

    true, false               boolean
    7                         bigint             numeric, if it is larger than that
    7.5, 1e3, NaN             double precision
    "…"                       text
    […], {…}                  jsonb

Values that differ have what holds all of them without loss: numbers numeric, whatever comes with a list or an object jsonb, all
else text. A null needs nothing. Knows nothing of tables.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["integer_size", "joined", "type_of"]

_TYPES: Final = {
    b"t": "boolean",
    b"f": "boolean",
    b'"': "text",
    b"[": "jsonb",
    b"{": "jsonb",
}
_NUMBERS: Final = frozenset({"bigint", "numeric", "double precision"})
_NOT_INTEGERS: Final = (b".", b"e", b"E", b"N", b"I")
"""Of fractions, exponents, NaN and Infinity."""
_BIGINT: Final = 8
_MAX_DIGITS: Final = 19
"""Those of the largest bigint; Python itself refuses to read thousands."""


def type_of(cells: Iterable[bytes]) -> str | None:
    """Return the type of column that holds all the values, given as JSON texts; None if there are nulls only."""
    return reduce(joined, map(_type, cells), None)


def joined(one: str | None, other: str | None) -> str | None:
    """Return the type that holds the values of both."""
    if one == other or other is None:
        return one

    if one is None:
        return other

    if "jsonb" in (one, other):
        return "jsonb"

    return "numeric" if {one, other} <= _NUMBERS else "text"


def integer_size(text: bytes) -> int:
    """Return the number of bytes that an integer takes, 2, 4 or 8; more than that if it needs a numeric."""
    digits = text.lstrip(b"-0")

    if len(digits) > _MAX_DIGITS:
        return 16

    number = int(digits or b"0") * (-1 if text.startswith(b"-") else 1)
    return next((size for size in (2, 4, 8) if -(1 << 8 * size - 1) <= number < 1 << 8 * size - 1), 16)


def _type(cell: bytes) -> str | None:
    if cell == b"null":
        return None

    if known := _TYPES.get(cell[:1]):
        return known

    if any(mark in cell for mark in _NOT_INTEGERS):
        return "double precision"

    return "bigint" if integer_size(cell) <= _BIGINT else "numeric"
