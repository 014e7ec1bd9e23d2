"""Declared columns as Arrow's types, and the other way round."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.ipc

from streamhouse_connect.formatters.declared import (
    Column,
    Columns,
    DateType,
    DecimalType,
    FloatType,
    IntType,
    ListType,
    PlainType,
    TimeType,
    Type,
)

__all__ = ["arrow_schema", "read_arrow"]

_PLAIN: Final = {"bool": pa.bool_(), "string": pa.string(), "bytes": pa.binary()}
_INTS: Final = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
_FLOATS: Final = {32: pa.float32(), 64: pa.float64()}
_READ: Final[dict[Any, Type]] = {
    **{kind: PlainType(name) for name, kind in _PLAIN.items()},  # type: ignore[arg-type]  # its keys are the names
    **{kind: IntType(bits) for bits, kind in _INTS.items()},
    **{kind: FloatType(bits) for bits, kind in _FLOATS.items()},
    pa.large_string(): PlainType("string"),
    pa.large_binary(): PlainType("bytes"),
    pa.date32(): DateType(),
}


def read_arrow(content: bytes) -> Columns:
    """Return the columns of a serialised schema.

    :raises ValueError: if it is none, or has a type that values of JSON don't become.
    """
    try:
        schema = pa.ipc.read_schema(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"is no Arrow schema in IPC form: {error}") from error

    return Columns(tuple(map(_column, schema)))


def arrow_schema(columns: Columns) -> pa.Schema:
    """Return the schema of a table."""
    return pa.schema([_field(column) for column in columns.columns])


def _column(field: Any) -> Column:
    return Column(field.name, _read(field.type, field.name), nullable=field.nullable)


def _read(kind: Any, name: str) -> Type:
    if kind in _READ:
        return _READ[kind]

    if pa.types.is_decimal(kind):
        return DecimalType(kind.precision, kind.scale)

    if pa.types.is_timestamp(kind) and kind.tz in {None, "UTC", "+00:00", "Etc/UTC"}:
        return TimeType(kind.unit, utc=kind.tz is not None)

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return ListType(_column(kind.value_field))

    if pa.types.is_struct(kind):
        return Columns(tuple(_column(kind.field(index)) for index in range(kind.num_fields)))

    raise ValueError(f"has the type {kind} in {name}, for which there are no columns")


def _field(column: Column) -> pa.Field:
    return pa.field(column.written, _type(column.type), nullable=column.nullable)


def _type(kind: Type) -> pa.DataType:
    match kind:
        case PlainType(name):
            return _PLAIN[name]
        case IntType(bits):
            return _INTS[bits]
        case FloatType(bits):
            return _FLOATS[bits]
        case DecimalType(precision, scale):
            return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)  # noqa: PLR2004 - Arrow's limit
        case DateType():
            return pa.date32()
        case TimeType(unit, utc):
            return pa.timestamp(unit, "UTC" if utc else None)
        case ListType(item):
            return pa.list_(_field(item))
        case Columns(columns):
            return pa.struct([_field(column) for column in columns])
