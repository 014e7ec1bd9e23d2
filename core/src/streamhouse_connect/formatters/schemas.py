"""Schemas: the columns of each topic, learned from its records while a connector runs. Knows nothing of file formats."""

from __future__ import annotations

import json
import math
import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

import msgspec

from streamhouse_connect.errors import FatalError
from streamhouse_connect.formatters.shapes import EMPTY, StructOf, widen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhouse_connect.formatters.shapes import Shape
    from streamhouse_connect.values import JsonLines

__all__ = ["MAX_FIELDS", "Schemas", "decode"]

MAX_FIELDS: Final = 10_000
"""A topic with more has keys that are data; no reader would be happy with a file of so many columns."""

P = TypeVar("P")
Row = dict[str, object]

_ROW: Final = msgspec.json.Decoder()
_LONGEST_INTEGER: Final = 1_000  # digits; Python refuses to read more than 4,300


class Schemas(Generic[P]):
    """What is known of each topic's columns: they are the union over all records seen, and only ever widen.

    `make` turns (topic, shape) into the plan by which a format writes. May be used by several threads at a time.
    """

    def __init__(self, make: Callable[[str, StructOf], P]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._known: dict[str, tuple[StructOf, P]] = {}

    def get(self, topic: str) -> P | None:
        """Return the plan for a topic, if it has been seen."""
        known = self._known.get(topic)
        return known[1] if known else None

    def learn(self, topic: str, rows: Sequence[Row]) -> P:
        """Widen a topic's columns until they hold these rows; return the plan.

        :raises FatalError: if there are too many.
        """
        with self._lock:
            known = self._known.get(topic)
            shape: Shape = known[0] if known else EMPTY

            for row in rows:
                shape = widen(shape, row)

            if known and shape is known[0]:
                return known[1]

            learned = cast("StructOf", shape)  # rows are objects

            if learned.size > MAX_FIELDS:
                raise FatalError(
                    f"the records of topic {topic} have {learned.size} different fields, and a file of columns holds at "
                    f"most {MAX_FIELDS}; choose format json, which holds any"
                )

            plan = self._make(topic, learned)
            self._known[topic] = (learned, plan)
            return plan


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
