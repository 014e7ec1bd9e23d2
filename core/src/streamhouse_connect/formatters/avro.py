"""Avro object container files, with the columns that the records of a topic have shown."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import attrs
import fastavro

from streamhouse_connect.formatters.fitting import fitter, inexact
from streamhouse_connect.formatters.interface import Formatter
from streamhouse_connect.formatters.schemas import Schemas, decode
from streamhouse_connect.formatters.shapes import Kind, ListOf
from streamhouse_connect.values import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhouse_connect.formatters.shapes import Shape, StructOf
    from streamhouse_connect.records import Batch

__all__ = ["AvroConfig", "AvroFormatter", "avro_name", "original_name"]

_COUNT: Final = "streamhouse.records"
_ESCAPE: Final = re.compile(r"_(?=x[0-9A-F]*[^A-Za-z0-9])|[^A-Za-z0-9_]|^[0-9]")
_ESCAPED: Final = re.compile(r"_x([0-9A-F]*)_")

_TYPES: Final = {
    Kind.BOOL: "boolean",
    Kind.INT: "long",
    Kind.LONG: "long",
    Kind.DOUBLE: "double",
    Kind.STRING: "string",
    Kind.TEXT: "string",
}


@attrs.frozen(kw_only=True)
class AvroConfig:
    """There is nothing to choose."""


class AvroFormatter(Formatter[AvroConfig]):
    """Columns learned from all records of a topic, compressed with deflate.

    Every field is nullable. A name that Avro does not allow is escaped (`order-id` → `order_x2D_id`, see
    `original_name`) and stands in the field's doc.
    """

    name = "avro"
    config_class = AvroConfig
    extension = ".avro"
    content_type = "application/vnd.apache.avro"

    def __init__(self, config: AvroConfig) -> None:
        super().__init__(config)
        self._schemas = Schemas(_Plan.of)

    def format(self, batch: Batch, out: BinaryIO) -> None:
        rows = decode(json_lines(batch.values, objects=True))
        topic = batch.spans[0].tp.topic
        plan = self._schemas.get(topic)
        body = plan.write(rows) if plan else None

        if body is None:
            body = self._schemas.learn(topic, rows).write_surely(rows)

        out.write(body)

    def learned(self, topic: str) -> bytes | None:
        return self._schemas.kept(topic)

    def adopt(self, topic: str, learned: bytes) -> None:
        self._schemas.adopt(topic, learned)

    def count(self, source: BinaryIO) -> int:
        try:
            blocks = fastavro.block_reader(source)
            said = int(blocks.metadata[_COUNT])
            count = sum(block.num_records for block in blocks)
        except (EOFError, KeyError, IndexError, OSError) as error:
            raise ValueError(f"it is cut off, or not from here: {error!r}") from error

        if count != said:
            raise ValueError(f"it holds {count} of {said} records")

        return count


@attrs.frozen
class _Plan:
    """How the rows of a topic become a file."""

    schema: Any
    fit: Callable[[object], object] | None
    inexact: Callable[[object], bool] | None

    @classmethod
    def of(cls, topic: str, shape: StructOf) -> _Plan:
        schema = fastavro.parse_schema(_record(avro_name(topic), shape))
        return cls(schema, fitter(shape, avro_name), inexact(shape))

    def write(self, rows: Sequence[object]) -> memoryview | None:
        """Write the rows into a file; None if they don't fit."""
        if self.inexact is not None and any(map(self.inexact, rows)):  # fastavro would round them
            return None

        try:
            return self.write_surely(rows)
        except (ValueError, TypeError, AttributeError, OverflowError):
            return None

    def write_surely(self, rows: Sequence[object]) -> memoryview:
        out = io.BytesIO()
        fastavro.writer(
            out,
            self.schema,
            map(self.fit, rows) if self.fit else rows,
            codec="deflate",
            metadata={_COUNT: str(len(rows))},
            strict_allow_default=True,  # else fields that are not in the schema would be dropped
            disable_tuple_notation=True,
        )
        return out.getbuffer()


def avro_name(name: str) -> str:
    """Return the name as Avro allows it; two names never become the same, and `original_name` turns it back."""
    return _ESCAPE.sub(lambda found: f"_x{ord(found[0]):X}_", name) or "_x_"


def original_name(name: str) -> str:
    """Return the name that `avro_name` was given."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else "", name)


def _record(name: str, shape: StructOf, *, namespace: str = "") -> dict[str, object]:
    inner = f"{namespace}.{name}" if namespace else name
    fields = [_field(field, avro_name(field), kind, inner) for field, kind in shape.fields.items()]
    return {"type": "record", "name": name, "namespace": namespace, "fields": fields}


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

    return ["null", _record(name, shape, namespace=namespace)]
