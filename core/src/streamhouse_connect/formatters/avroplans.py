"""Avro plans: how the rows of a topic, and what stands beside them, become records of Avro's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import fastavro

from streamhouse_connect.formatters.avronames import avro_name
from streamhouse_connect.formatters.avrotypes import avro_fields
from streamhouse_connect.formatters.envelopes import COLUMNS, VALUE_COLUMN, Envelope, raw_rows
from streamhouse_connect.formatters.fitting import fitter, inexact
from streamhouse_connect.formatters.notation import write_shape
from streamhouse_connect.formatters.shapes import Kind, ListOf
from streamhouse_connect.formatters.timestamps import read_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from streamhouse_connect.formatters.declared import Columns
    from streamhouse_connect.formatters.envelopes import RawRow
    from streamhouse_connect.formatters.schemas import Row
    from streamhouse_connect.formatters.shapes import Shape, StructOf
    from streamhouse_connect.records import Batch

__all__ = ["AvroPlan", "beside", "declared_schema", "raw_records", "raw_schema"]

_TYPES: Final[dict[Kind, object]] = {
    Kind.BOOL: "boolean",
    Kind.INT: "long",
    Kind.LONG: "long",
    Kind.DOUBLE: "double",
    Kind.TIMESTAMP: {"type": "long", "logicalType": "timestamp-micros"},
    Kind.STRING: "string",
    Kind.TEXT: "string",
}


@attrs.frozen
class AvroPlan:
    """How the rows of a topic become a file."""

    schema: Any
    kept: str
    """The shape of the values, as it stands in the file's metadata."""
    inexact: Callable[[object], bool] | None
    _fit: Callable[[object], object] | None
    _envelope: Envelope

    @classmethod
    def of(cls, topic: str, shape: StructOf, *, envelope: Envelope) -> AvroPlan:
        name = avro_name(topic)
        return cls(
            _schema(name, _fields(shape, name), envelope),
            write_shape(shape).decode(),
            inexact(shape),
            fitter(shape, avro_name, moment=_moment),
            envelope,
        )

    def records(self, batch: Batch, rows: Sequence[Row]) -> Iterable[Any]:
        """Return what is written of the rows; values that don't fit are left for the writer to stumble upon.

        :raises ValueError: on the way, for strings that are no times in a column of such.
        """
        return beside(batch, map(self._fit, rows) if self._fit else rows, self._envelope)


def declared_schema(topic: str, columns: Columns, envelope: Envelope) -> Any:
    """Return the schema of records whose columns are declared."""
    name = avro_name(topic)
    return _schema(name, avro_fields(columns, name), envelope)


def beside(batch: Batch, rows: Iterable[Any], envelope: Envelope) -> Iterable[Any]:
    """Return the rows, each with what is known of its record where there is an envelope."""
    return map(_beside, _envelopes(batch), rows) if envelope is Envelope.RECORD else rows


def _schema(name: str, fields: list[dict[str, object]], envelope: Envelope) -> Any:
    first = _envelope_fields(name) if envelope is Envelope.RECORD else []
    return fastavro.parse_schema(_record(name, [*first, *fields]))


def raw_schema(topic: str) -> Any:
    """Return the schema of records whose values are bytes."""
    name = avro_name(topic)
    value: dict[str, object] = {"name": VALUE_COLUMN, "type": ["null", "bytes"], "default": None}
    return fastavro.parse_schema(_record(name, [*_envelope_fields(name), value]))


def raw_records(batch: Batch) -> Iterator[Any]:
    """Return the records of a batch for that schema."""
    return map(_enveloped, raw_rows(batch))


def _envelopes(batch: Batch) -> Iterator[dict[str, object]]:
    for row in raw_rows(batch):
        envelope = _enveloped(row)
        del envelope[VALUE_COLUMN]
        yield envelope


def _enveloped(row: RawRow) -> dict[str, object]:
    *place, headers, value = row
    pairs = [{"name": name, "value": data} for name, data in headers]
    return dict(zip((*COLUMNS, VALUE_COLUMN), (*place, pairs, value), strict=True))


def _beside(envelope: dict[str, object], row: Any) -> Any:
    if not envelope.keys().isdisjoint(row):
        raise ValueError("a field has the name of a column of the envelope")

    return {**envelope, **row}


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("a number is no time")  # noqa: TRY004 - the record does not fit, the code is well

    return read_timestamp(value)


def _envelope_fields(topic: str) -> list[dict[str, object]]:
    header = {
        "type": "record",
        "name": "header",
        "namespace": f"{topic}.{COLUMNS[-1]}",
        "fields": [{"name": "name", "type": "string"}, {"name": "value", "type": ["null", "bytes"]}],
    }
    types: tuple[object, ...] = (
        "string",
        "int",
        "long",
        ["null", {"type": "long", "logicalType": "timestamp-millis"}],
        ["null", "bytes"],
        {"type": "array", "items": header},
    )
    return [{"name": name, "type": kind} for name, kind in zip(COLUMNS, types, strict=True)]


def _record(name: str, fields: list[dict[str, object]], *, namespace: str = "") -> dict[str, object]:
    return {"type": "record", "name": name, "namespace": namespace, "fields": fields}


def _fields(shape: StructOf, namespace: str) -> list[dict[str, object]]:
    return [_field(field, avro_name(field), kind, namespace) for field, kind in shape.fields.items()]


def _field(original: str, name: str, shape: Shape, namespace: str) -> dict[str, object]:
    field: dict[str, object] = {"name": name, "type": _nullable(name, shape, namespace), "default": None}
    return field if name == original else {**field, "doc": original}


def _nullable(name: str, shape: Shape, namespace: str) -> object:
    if shape is Kind.NULL:
        return ["null"]  # a union, even of one: outside unions fastavro drops what is not null without a word

    if isinstance(shape, Kind):
        return ["null", _TYPES[shape]]

    if isinstance(shape, ListOf):
        return ["null", {"type": "array", "items": _nullable(name, shape.item, namespace)}]

    return ["null", _record(name, _fields(shape, f"{namespace}.{name}"), namespace=namespace)]
