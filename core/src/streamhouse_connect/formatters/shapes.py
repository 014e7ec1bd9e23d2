"""Shapes: what the values of a topic look like, and how that widens. Pure; knows nothing of Arrow or Avro.

    NULL ──→ BOOL, STRING, struct, list ─────────────→ TEXT
      ├────→ INT ──→ LONG ───────────────────────────→ TEXT
      │        └───→ DOUBLE ─────────────────────────→ TEXT
      └────→ TIMESTAMP ──→ STRING ───────────────────→ TEXT

A shape only ever widens. Strings are TIMESTAMP only where that is asked for. TEXT holds any mix of kinds without loss: a string stays as it is, everything else becomes its
JSON text. Integers beyond 64 bits become TEXT, and so do numbers of which some are fractions while others are integers
that a double would round (LONG: beyond ±2⁵³).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, cast

import attrs

from streamhouse_connect.formatters.timestamps import is_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "EMPTY",
    "EXACT",
    "MAX_DEPTH",
    "MAX_NESTED_FIELDS",
    "Kind",
    "ListOf",
    "Shape",
    "StructOf",
    "join",
    "timeless",
    "widen",
]

MAX_DEPTH: Final = 32
"""What is nested deeper becomes TEXT: readers of Parquet refuse more than 100 levels, and a list takes up to three."""
MAX_NESTED_FIELDS: Final = 2_000
"""An object with more becomes TEXT: its keys are data, not columns."""

EXACT: Final = 1 << 53
"""Doubles hold every integer up to here, on both sides of zero."""
_LONG: Final = 1 << 63


class Kind(enum.Enum):
    """The shape of a value that has no parts."""

    NULL = "null"
    BOOL = "bool"
    INT = "int"
    LONG = "long"
    DOUBLE = "double"
    TIMESTAMP = "timestamp"
    STRING = "string"
    TEXT = "text"


@attrs.frozen
class ListOf:
    """An array; its items are all of one shape, or null."""

    item: Shape


@attrs.frozen
class StructOf:
    """An object; each field may be missing or null. Fields are in the order in which they were first seen."""

    fields: Mapping[str, Shape]

    @property
    def size(self) -> int:
        """The number of fields, those of nested objects included."""
        return sum(1 + _size(shape) for shape in self.fields.values())


Shape = Kind | ListOf | StructOf

EMPTY: Final = StructOf({})

_WIDER: Final = {
    **{(Kind.NULL, kind): kind for kind in Kind},
    (Kind.INT, Kind.LONG): Kind.LONG,
    (Kind.LONG, Kind.INT): Kind.LONG,
    (Kind.TIMESTAMP, Kind.STRING): Kind.STRING,
    (Kind.STRING, Kind.TIMESTAMP): Kind.STRING,
    (Kind.INT, Kind.DOUBLE): Kind.DOUBLE,
    (Kind.DOUBLE, Kind.INT): Kind.DOUBLE,
}

_PLAIN: Final = {
    str: Kind.STRING,
    float: Kind.DOUBLE,
    bool: Kind.BOOL,
}  # kinds that a type decides alone: the short way

_MAYBE_TIMES: Final = (Kind.NULL, Kind.TIMESTAMP)


def widen(shape: Shape, value: object, *, timestamps: bool = False, depth: int = 0) -> Shape:
    """Return the narrowest shape that holds `value` and all that `shape` holds: `shape` itself where that does.

    `timestamps`: strings that say a time exactly (see `timestamps`) are TIMESTAMP where no other string was seen.
    """
    if value is None or shape is Kind.TEXT:
        return shape

    if isinstance(value, dict):
        if depth <= MAX_DEPTH and (isinstance(shape, StructOf) or shape is Kind.NULL):
            return _widen_struct(shape, value, timestamps=timestamps, depth=depth)

        return Kind.TEXT

    if isinstance(value, list):
        if depth <= MAX_DEPTH and (isinstance(shape, ListOf) or shape is Kind.NULL):
            return _widen_list(shape, value, timestamps=timestamps, depth=depth)

        return Kind.TEXT

    kind = _PLAIN.get(type(value)) or _kind(value)

    if timestamps and kind is Kind.STRING and shape in _MAYBE_TIMES and is_timestamp(cast("str", value)):
        kind = Kind.TIMESTAMP

    if kind is shape:
        return shape

    return _WIDER.get((shape, kind), Kind.TEXT) if isinstance(shape, Kind) else Kind.TEXT


def _widen_struct(shape: Shape, value: dict[str, object], *, timestamps: bool, depth: int) -> Shape:
    known = shape if isinstance(shape, StructOf) else EMPTY
    fields = known.fields
    wider: dict[str, Shape] | None = None

    for name, item in value.items():
        old = fields.get(name)

        if old is _PLAIN.get(type(item), ...):
            continue

        new = widen(Kind.NULL if old is None else old, item, timestamps=timestamps, depth=depth + 1)

        if new is not old:
            if wider is None:
                fields = wider = dict(fields)

            wider[name] = new

    if wider is None:
        return known if known is shape else StructOf({})

    widened = StructOf(wider)
    return Kind.TEXT if depth and widened.size > MAX_NESTED_FIELDS else widened


def _widen_list(shape: Shape, value: list[object], *, timestamps: bool, depth: int) -> Shape:
    old = shape.item if isinstance(shape, ListOf) else Kind.NULL
    new: Shape = old

    for item in value:
        new = widen(new, item, timestamps=timestamps, depth=depth + 1)

    return shape if isinstance(shape, ListOf) and new is old else ListOf(new)


def _kind(value: object) -> Kind:
    if not isinstance(value, int):
        return Kind.TEXT  # a number that no double holds

    if -EXACT <= value <= EXACT:
        return Kind.INT

    return Kind.LONG if -_LONG <= value < _LONG else Kind.TEXT


def _size(shape: Shape) -> int:
    if isinstance(shape, StructOf):
        return shape.size

    return _size(shape.item) if isinstance(shape, ListOf) else 0


def join(one: Shape, other: Shape, *, depth: int = 0) -> Shape:
    """Return the narrowest shape that holds all that either holds; fields of `one` come first."""
    if one is other or other is Kind.NULL:
        return one

    if one is Kind.NULL:
        return other

    if isinstance(one, StructOf) and isinstance(other, StructOf):
        return _join_structs(one, other, depth)

    if isinstance(one, ListOf) and isinstance(other, ListOf):
        return ListOf(join(one.item, other.item, depth=depth + 1))

    return _WIDER.get((one, other), Kind.TEXT) if isinstance(one, Kind) and isinstance(other, Kind) else Kind.TEXT


def _join_structs(one: StructOf, other: StructOf, depth: int) -> Shape:
    fields = dict(one.fields)

    for name, shape in other.fields.items():
        old = fields.get(name)
        fields[name] = shape if old is None else join(old, shape, depth=depth + 1)

    joined = StructOf(fields)
    return Kind.TEXT if depth and joined.size > MAX_NESTED_FIELDS else joined


def timeless(shape: Shape) -> Shape:
    """Return the shape with STRING in place of TIMESTAMP."""
    if isinstance(shape, StructOf):
        return StructOf({name: timeless(field) for name, field in shape.fields.items()})

    if isinstance(shape, ListOf):
        return ListOf(timeless(shape.item))

    return Kind.STRING if shape is Kind.TIMESTAMP else shape
