"""Schemas: the columns of each topic, learned from its records. Knows nothing of file formats, or of where they are kept."""

from __future__ import annotations

import json
import math
import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

import attrs
import msgspec

from streamhouse_connect.errors import FatalError
from streamhouse_connect.formatters.notation import read_shape, write_shape
from streamhouse_connect.formatters.shapes import EMPTY, StructOf, join, widen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhouse_connect.formatters.shapes import Shape
    from streamhouse_connect.values import JsonLines

__all__ = ["MAX_FIELDS", "MAX_KEPT", "Schemas", "decode"]

MAX_FIELDS: Final = 10_000
"""A topic with more has keys that are data; no reader would be happy with a file of so many columns."""

MAX_KEPT: Final = 512 << 10
"""Definition stores in Kafka take a message of about a million bytes."""

P = TypeVar("P")
Row = dict[str, object]

_ROW: Final = msgspec.json.Decoder()
_LONGEST_INTEGER: Final = 1_000  # digits; Python refuses to read more than 4,300


@attrs.frozen
class _Known(Generic[P]):
    """What is known of one topic."""

    shape: StructOf
    plan: P
    kept: bytes


class Schemas(Generic[P]):
    """What is known of each topic's columns: they are the union over all records seen, and only ever widen.

    `make` turns (topic, shape) into the plan by which a format writes. May be used by several threads at a time.
    """

    def __init__(self, make: Callable[[str, StructOf], P]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._known: dict[str, _Known[P]] = {}

    def get(self, topic: str) -> P | None:
        """Return the plan for a topic, if it has been seen."""
        known = self._known.get(topic)
        return known.plan if known else None

    def kept(self, topic: str) -> bytes | None:
        """Return what is known of a topic as text for `adopt`, if it has been seen."""
        known = self._known.get(topic)
        return known.kept if known else None

    def learn(self, topic: str, rows: Sequence[Row]) -> P:
        """Widen a topic's columns until they hold these rows; return the plan.

        :raises FatalError: if there are too many.
        """
        with self._lock:
            known = self._known.get(topic)
            shape: Shape = known.shape if known else EMPTY

            for row in rows:
                shape = widen(shape, row)

            if known and shape is known.shape:
                return known.plan

            return self._know(topic, cast("StructOf", shape)).plan  # rows are objects

    def adopt(self, topic: str, kept: bytes) -> None:
        """Widen a topic's columns by those that were kept, which come first.

        :raises FatalError: if they can't be read, or are too many.
        """
        try:
            shape = read_shape(kept)
        except ValueError as error:
            raise FatalError(
                f"the schema that is kept of topic {topic} can't be read: {error}; was it written by a later release?"
            ) from error

        with self._lock:
            known = self._known.get(topic)

            if known is None or known.kept != kept:
                self._know(topic, cast("StructOf", join(shape, known.shape)) if known else shape)

    def _know(self, topic: str, shape: StructOf) -> _Known[P]:
        kept = write_shape(shape)

        if shape.size > MAX_FIELDS or len(kept) > MAX_KEPT:
            raise FatalError(
                f"the records of topic {topic} have {shape.size} different fields, whose names and types take {len(kept)} "
                f"bytes, and a file of columns holds at most {MAX_FIELDS} in {MAX_KEPT} bytes; choose format json, which "
                "holds any"
            )

        known = self._known[topic] = _Known(shape, self._make(topic, shape), kept)
        return known


def decode(lines: JsonLines) -> list[Row]:
    """Decode valid JSON objects; numbers beyond what Python reads stay JSON text (`msgspec.Raw`)."""
    try:
        return _ROW.decode_lines(lines.joined)
    except msgspec.DecodeError:
        return [_decode(line) for line in lines.lines]


def _decode(line: bytes) -> Row:
    try:
        return cast("Row", _ROW.decode(line))
    except msgspec.DecodeError:
        return cast("Row", json.loads(line, parse_float=_float, parse_int=_integer))


def _float(text: str) -> object:
    value = float(text)
    return value if math.isfinite(value) else msgspec.Raw(text.encode())


def _integer(text: str) -> object:
    return int(text) if len(text) <= _LONGEST_INTEGER else msgspec.Raw(text.encode())
