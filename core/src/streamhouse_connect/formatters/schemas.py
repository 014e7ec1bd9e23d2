"""Schemas: the columns of each topic, learned from its records. Knows nothing of file formats, or of where they are kept."""

from __future__ import annotations

import json
import math
import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

import attrs
import msgspec

from streamhouse_connect.errors import FatalError, RejectedRecords
from streamhouse_connect.formatters.notation import read_shape, write_shape
from streamhouse_connect.formatters.shapes import EMPTY, StructOf, join, timeless, widen
from streamhouse_connect.formatters.strictness import misfit
from streamhouse_connect.values import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from streamhouse_connect.formatters.shapes import Shape
    from streamhouse_connect.records import Batch
    from streamhouse_connect.values import JsonLines

__all__ = ["MAX_FIELDS", "MAX_KEPT", "Schemas", "decode", "decode_objects", "value_lines"]

MAX_FIELDS: Final = 10_000
"""A topic with more has keys that are data; no reader would be happy with a file of so many columns."""

MAX_KEPT: Final = 512 << 10
"""Definition stores in Kafka take a message of about a million bytes."""

P = TypeVar("P")
Row = dict[str, object]

_ROW: Final = msgspec.json.Decoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, object])
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

    :param strict: the first records make the schema; later ones that would widen it are rejected.
    :param timestamps: see `widen`.
    :param reserved: records with fields of these names are rejected.
    """

    def __init__(
        self,
        make: Callable[[str, StructOf], P],
        *,
        strict: bool = False,
        timestamps: bool = False,
        reserved: Collection[str] = (),
    ) -> None:
        self._make = make
        self._strict = strict
        self._timestamps = timestamps
        self._reserved = frozenset(reserved)
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

        :raises RejectedRecords: for rows that they may not hold; nothing is learned.
        :raises FatalError: if there are too many.
        """
        reasons = {index: reason for index, row in enumerate(rows) if (reason := self._clash(row))}

        if reasons:
            raise RejectedRecords(reasons)

        with self._lock:
            known = self._known.get(topic)
            shape: Shape = known.shape if known else EMPTY

            for index, row in enumerate(rows):
                wider = widen(shape, row, timestamps=self._timestamps)

                if known and self._strict and (reason := misfit(shape, wider)):
                    reasons[index] = reason
                else:
                    shape = wider

            if reasons:
                raise RejectedRecords(reasons)

            if known and shape is known.shape:
                return known.plan

            return self._know(topic, cast("StructOf", shape)).plan  # rows are objects

    def adopt(self, topic: str, kept: bytes) -> None:
        """Widen a topic's columns by those that were kept, which come first; or take those, where schemas are strict.

        :raises FatalError: if they can't be read, or are too many.
        """
        try:
            shape: Shape = read_shape(kept)
        except ValueError as error:
            raise FatalError(
                f"the schema that is kept of topic {topic} can't be read: {error}; was it written by a later release?"
            ) from error

        if not self._timestamps:
            shape = timeless(shape)

        with self._lock:
            known = self._known.get(topic)

            if known is None or known.kept != kept:
                self._know(topic, cast("StructOf", join(shape, known.shape) if known and not self._strict else shape))

    def _clash(self, row: Row) -> str | None:
        """Return what is wrong with a row that has a field of a reserved name."""
        if self._reserved.isdisjoint(row):
            return None

        names = ", ".join(sorted(self._reserved & row.keys()))
        return f"its field {names} has the name of a column of the envelope; choose envelope=false or raw"

    def _know(self, topic: str, shape: StructOf) -> _Known[P]:
        kept = write_shape(shape)

        if shape.size > MAX_FIELDS or len(kept) > MAX_KEPT:
            raise FatalError(
                f"the records of topic {topic} have {shape.size} different fields, whose names and types take {len(kept)} "
                f"bytes, and a file of columns holds at most {MAX_FIELDS} in {MAX_KEPT} bytes; choose format json, which "
                "holds any"
            )

        fields = {name: field for name, field in shape.fields.items() if name not in self._reserved}
        known = self._known[topic] = _Known(shape, self._make(topic, StructOf(fields)), kept)
        return known


def value_lines(batch: Batch) -> JsonLines:
    """Return a batch's values as lines of objects; a tombstone is one without fields.

    :raises RejectedRecords: for values that are no JSON objects.
    """
    values = batch.values
    return json_lines([b"{}" if v is None else v for v in values] if None in values else values, objects=True)


def decode_objects(values: Sequence[bytes | None]) -> list[Row] | None:
    """Decode values without a look at them beforehand; None if one is no object, or not for Python to read."""
    try:
        return list(map(_OBJECT.decode, values))  # type: ignore[arg-type]  # a tombstone is found out here
    except (TypeError, UnicodeDecodeError, RecursionError, msgspec.DecodeError):
        return None


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
