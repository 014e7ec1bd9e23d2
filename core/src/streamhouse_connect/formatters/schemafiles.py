"""Schema files: the columns that a user declares, as an Arrow schema (IPC), an Avro schema or a JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

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

__all__ = ["read_schema_file"]

_PLAIN: Final[dict[str, Type]] = {
    "boolean": PlainType("bool"),
    "int": IntType(32),
    "long": IntType(64),
    "float": FloatType(32),
    "double": FloatType(64),
    "string": PlainType("string"),
    "bytes": PlainType("bytes"),
    "integer": IntType(64),
    "number": FloatType(64),
}
_LOGICAL: Final[dict[str, Type]] = {
    "date": DateType(),
    "timestamp-millis": TimeType("ms"),
    "timestamp-micros": TimeType("us"),
    "local-timestamp-millis": TimeType("ms", utc=False),
    "local-timestamp-micros": TimeType("us", utc=False),
}
_FORMATS: Final[dict[str, Type]] = {"date": DateType(), "date-time": TimeType("us")}
_SCALARS: Final = ("boolean", "integer", "number", "string")


def read_schema_file(path: str) -> Columns:
    """Return the columns that the file declares.

    :raises ValueError: if it can't be read, is of no known kind, or has a type that there are no columns for.
    """
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ValueError(f"can't be read: {error.strerror or error}") from error

    if not content.lstrip().startswith(b"{"):
        return _of_arrow(content)

    try:
        schema = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise ValueError(f"is not JSON: {error}") from error

    try:
        if schema.get("type") == "record":
            return cast("Columns", _of_avro(schema, {}))

        if "properties" in schema:
            return cast("Columns", _of_json_schema(schema, schema, ""))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is no valid schema: {error!r}") from error

    raise ValueError("is neither an Avro record, nor a JSON Schema with properties, nor an Arrow schema in IPC form")


def _of_arrow(content: bytes) -> Columns:
    from streamhouse_connect.formatters.arrowtypes import read_arrow  # noqa: PLC0415 - Avro does without pyarrow

    return read_arrow(content)


def _of_avro(schema: Any, named: dict[str, Type]) -> Type:
    if isinstance(schema, str):
        found = _PLAIN.get(schema) if schema in {*_PLAIN} - {"integer", "number"} else named.get(schema)
        return found if found is not None else _unknown(schema)

    kind = schema["type"] if isinstance(schema, Mapping) else schema
    logical = schema.get("logicalType") if isinstance(schema, Mapping) else None

    if logical == "decimal":
        return DecimalType(schema["precision"], schema.get("scale", 0))

    if logical in _LOGICAL:
        return _LOGICAL[logical]

    if kind == "record":
        return _avro_record(schema, named)

    if kind == "array":
        return ListType(_avro_column("item", schema["items"], named))

    if kind == "enum":
        named[schema["name"]] = PlainType("string")
        return PlainType("string")

    return _of_avro(kind, named) if isinstance(kind, str) and kind != "fixed" else _unknown(schema)


def _avro_record(schema: Any, named: dict[str, Type]) -> Type:
    record = Columns(tuple(_avro_column(field["name"], field["type"], named) for field in schema["fields"]))
    named[schema["name"]] = record
    return record


def _avro_column(name: str, schema: Any, named: dict[str, Type]) -> Column:
    if not isinstance(schema, list):
        return Column(name, _of_avro(schema, named), nullable=False)

    others = [branch for branch in schema if branch != "null"]

    if len(others) != 1:
        raise ValueError(f"has a union of {len(others)} types in {name}; a column has one, or null and one")

    return Column(name, _of_avro(others[0], named), nullable="null" in schema)


def _of_json_schema(schema: Any, root: Any, path: str) -> Type:
    kind = _json_kind(schema)

    if kind == "object" and "properties" in schema:
        required = {*schema.get("required", ())}
        return Columns(
            tuple(
                _json_column(name, field, root, f"{path}.{name}", required=name in required)
                for name, field in schema["properties"].items()
            )
        )

    if kind == "array" and "items" in schema:
        return ListType(_json_column("item", schema["items"], root, f"{path}[]", required=True))

    if kind == "string" and schema.get("contentEncoding") == "base64":
        return PlainType("bytes")

    if kind == "string" and schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]

    return _PLAIN[kind] if kind in _SCALARS else _unknown(f"{kind} of {path or 'the record'}")


def _json_column(name: str, schema: Any, root: Any, path: str, *, required: bool) -> Column:
    for _ in range(32):
        if "$ref" not in schema:
            break

        schema = _referred(schema["$ref"], root)

    types = schema.get("type")
    nullable = not required or (isinstance(types, list) and "null" in types)
    return Column(name, _of_json_schema(schema, root, path), nullable=nullable)


def _referred(reference: str, root: Any) -> Any:
    found = root

    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part) if isinstance(found, dict) else None

    if found is None:
        raise ValueError(f"refers to {reference}, which is not in the file")

    return found


def _json_kind(schema: Any) -> str:
    types = schema.get("type", "object" if "properties" in schema else None)
    others = [kind for kind in types if kind != "null"] if isinstance(types, list) else [types]
    return cast("str", others[0]) if len(others) == 1 else " or ".join(map(str, others))


def _unknown(what: object) -> Type:
    raise ValueError(f"has the type {what}, for which there are no columns")
