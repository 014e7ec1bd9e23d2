"""Declared columns as Avro's types."""

from __future__ import annotations

from typing import Final

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

__all__ = ["avro_fields"]

_PLAIN: Final = {"bool": "boolean", "string": "string", "bytes": "bytes"}
_UNITS: Final = {"ms": "millis", "us": "micros"}
_INT: Final = 32


def avro_fields(columns: Columns, namespace: str) -> list[dict[str, object]]:
    """Return the fields of a record; inner records are named by their place.

    :raises ValueError: if Avro has no such type.
    """
    return [_field(column, namespace) for column in columns.columns]


def _field(column: Column, namespace: str) -> dict[str, object]:
    field: dict[str, object] = {"name": column.written, "type": _type(column, namespace)}

    if column.nullable:
        field["default"] = None

    return field if column.written == column.name else {**field, "doc": column.name}


def _type(column: Column, namespace: str) -> object:
    kind = _bare(column.type, column.written, namespace)
    return ["null", kind] if column.nullable else kind


def _bare(kind: Type, name: str, namespace: str) -> object:
    match kind:
        case PlainType(plain):
            return _PLAIN[plain]
        case IntType(bits):
            return "int" if bits <= _INT else "long"
        case FloatType(bits):
            return "float" if bits <= _INT else "double"
        case DecimalType(precision, scale):
            return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
        case DateType():
            return {"type": "int", "logicalType": "date"}
        case TimeType(unit, utc):
            if unit not in _UNITS:
                raise ValueError(f"has times in {unit} in {name}; Avro has ms and us")

            return {"type": "long", "logicalType": f"{'' if utc else 'local-'}timestamp-{_UNITS[unit]}"}
        case ListType(item):
            return {"type": "array", "items": _type(item, f"{namespace}.{name}")}
        case Columns():
            fields = avro_fields(kind, f"{namespace}.{name}")
            return {"type": "record", "name": name, "namespace": namespace, "fields": fields}
