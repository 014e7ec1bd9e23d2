"""Shapes as compact JSON: how a learned schema is kept, and how it stands in the metadata of files.

    {"version":1,"shape":{"id":"int","tags":["string"],"customer":{"name":"string"}}}

A kind is its name, a list an array of one, an object an object whose keys are in the order of the columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import msgspec

from streamhouse_connect.formatters.shapes import Kind, ListOf, StructOf

if TYPE_CHECKING:
    from streamhouse_connect.formatters.shapes import Shape

__all__ = ["SCHEMA_KEY", "read_shape", "write_shape"]

SCHEMA_KEY: Final = "streamhouse.schema"
"""Where the text stands in the metadata of files."""

_VERSION: Final = 1


class _Document(msgspec.Struct, frozen=True):
    version: int
    shape: dict[str, object]


_DOCUMENTS: Final = msgspec.json.Decoder(_Document)


def write_shape(shape: StructOf) -> bytes:
    """Return the shape as text; equal shapes with equal orders of fields give equal text."""
    return msgspec.json.encode(_Document(_VERSION, cast("dict[str, object]", _written(shape))))


def read_shape(text: bytes) -> StructOf:
    """Return the shape that `write_shape` wrote.

    :raises ValueError: if it is no such text, or one of a later version.
    """
    document = _DOCUMENTS.decode(text)  # its errors are ValueErrors

    if document.version != _VERSION:
        raise ValueError(f"it has version {document.version}, and this release reads version {_VERSION}")

    return cast("StructOf", _read(document.shape))


def _written(shape: Shape) -> object:
    if isinstance(shape, Kind):
        return shape.value

    if isinstance(shape, ListOf):
        return [_written(shape.item)]

    return {name: _written(field) for name, field in shape.fields.items()}


def _read(written: object) -> Shape:
    if isinstance(written, dict):
        return StructOf({name: _read(field) for name, field in written.items()})

    if isinstance(written, list):
        (item,) = written
        return ListOf(_read(item))

    return Kind(written)
