"""Tables: how the lines of a topic become Arrow's columns, and how records stand beside them.

Lines are read by Arrow itself; only where columns are of mixed kinds, or a line does not fit, there is a Python object for
every record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from streamhouse_connect.formatters.envelopes import COLUMNS
from streamhouse_connect.formatters.fitting import fitter
from streamhouse_connect.formatters.notation import SCHEMA_KEY, write_shape
from streamhouse_connect.formatters.shapes import EXACT, Kind, ListOf
from streamhouse_connect.formatters.timestamps import PATTERN
from streamhouse_connect.records import NO_TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhouse_connect.formatters.shapes import Shape, StructOf
    from streamhouse_connect.records import Batch

__all__ = ["TablePlan", "envelope_columns"]

_MAX_BLOCK: Final = 1 << 30
_UTC: Final = pa.timestamp("us", "UTC")

_TYPES: Final = {
    Kind.NULL: pa.null(),
    Kind.BOOL: pa.bool_(),
    Kind.INT: pa.int64(),
    Kind.LONG: pa.int64(),
    Kind.DOUBLE: pa.float64(),
    Kind.TIMESTAMP: _UTC,
    Kind.STRING: pa.string(),
    Kind.TEXT: pa.string(),
}
_READ: Final = {
    **_TYPES,
    Kind.TIMESTAMP: pa.string(),
}  # Arrow's reader takes a date for a time, and a time for one in UTC
_PLACEHOLDER: Final = pa.field("_", pa.null())
"""Stands in for the fields of an object that never had any: Parquet has no struct without fields."""

_HEADER: Final = pa.struct([("name", pa.string()), ("value", pa.binary())])


@attrs.frozen
class TablePlan:
    """How the lines of a topic become a table."""

    shape: StructOf
    schema: pa.Schema
    reading: pa.Schema
    """The same with strings in place of timestamps."""
    fit: Callable[[object], object] | None

    @classmethod
    def of(cls, shape: StructOf) -> TablePlan:
        reading = pa.schema(_fields(shape, _READ))
        schema = pa.schema(_fields(shape, _TYPES), metadata={SCHEMA_KEY: write_shape(shape)})
        return cls(shape, schema, reading, fitter(shape))

    def read(self, joined: bytes) -> pa.Table | None:
        """Read the lines into columns of the known types; None if they don't fit, or give a key twice."""
        try:
            return self.read_surely(joined)
        except pa.ArrowInvalid:
            return None

    def read_surely(self, joined: bytes) -> pa.Table:
        table = pa.json.read_json(
            pa.BufferReader(joined),
            read_options=pa.json.ReadOptions(use_threads=False, block_size=min(len(joined) + 1, _MAX_BLOCK)),
            parse_options=pa.json.ParseOptions(explicit_schema=self.reading, unexpected_field_behavior="error"),
        )
        return self._timed(table).replace_schema_metadata(self.schema.metadata)

    def fitted(self, rows: Sequence[object]) -> bytes:
        """Encode the rows anew, fitted to the columns, and with every key once."""
        return b"\n".join(map(msgspec.json.encode, map(self.fit, rows) if self.fit else rows))

    def is_doubtful(self, table: pa.Table) -> bool:
        """Whether a column may hold what its shape does not: Arrow rounds integers in a column of doubles."""
        return any(
            _is_doubtful(chunk, shape)
            for column, shape in zip(table.columns, self.shape.fields.values(), strict=False)
            for chunk in column.chunks
        )

    def _timed(self, table: pa.Table) -> pa.Table:
        for index, (field, shape) in enumerate(zip(self.schema, self.shape.fields.values(), strict=False)):
            if field.type != self.reading.field(index).type:
                column = table.column(index)

                if not all(_is_timed(chunk, shape) for chunk in column.chunks):
                    raise pa.ArrowInvalid(f"{field.name} holds a string that is no exact time")

                table = table.set_column(index, field, column.cast(field.type))

        return table


def _is_timed(array: Any, shape: Shape) -> bool:
    if shape is Kind.TIMESTAMP:
        return bool(pc.all(pc.match_substring_regex(array, PATTERN)).as_py() is not False)

    if isinstance(shape, ListOf):
        return _is_timed(array.values, shape.item)

    if isinstance(shape, Kind):
        return True

    return all(_is_timed(array.field(index), field) for index, field in enumerate(shape.fields.values()))


def _is_doubtful(array: Any, shape: Shape) -> bool:
    if shape is Kind.DOUBLE:
        bounds = pc.min_max(array)
        return any(bound.is_valid and abs(bound.as_py()) >= EXACT for bound in bounds.values())

    if isinstance(shape, ListOf):
        items = array.values
        return items.null_count < len(items) if shape.item is Kind.NULL else _is_doubtful(items, shape.item)

    if isinstance(shape, Kind):
        return False

    return any(_is_doubtful(array.field(index), field) for index, field in enumerate(shape.fields.values()))


def _fields(shape: StructOf, types: dict[Kind, pa.DataType]) -> list[pa.Field]:
    return [pa.field(name, _type(field, types)) for name, field in shape.fields.items()] or [_PLACEHOLDER]


def _type(shape: Shape, types: dict[Kind, pa.DataType]) -> pa.DataType:
    if isinstance(shape, Kind):
        return types[shape]

    if isinstance(shape, ListOf):
        # pyarrow's JSON reader counts nulls wrongly in a list of nulls; `is_doubtful` sees when strings come in instead
        return pa.list_(pa.string() if shape.item is Kind.NULL else _type(shape.item, types))

    return pa.struct(_fields(shape, types))


def envelope_columns(batch: Batch) -> dict[str, Any]:
    """Return the columns that stand beside those of the values, by their names."""
    sizes = [span.stop - span.start for span in batch.spans]
    topics = [pa.repeat(pa.scalar(s.tp.topic, pa.string()), n) for s, n in zip(batch.spans, sizes, strict=True)]
    partitions = [pa.repeat(pa.scalar(s.tp.partition, pa.int32()), n) for s, n in zip(batch.spans, sizes, strict=True)]
    times = pa.array(batch.timestamps, pa.int64())
    known = pc.if_else(pc.equal(times, NO_TIMESTAMP), None, times)

    columns = (
        pa.chunked_array(topics, pa.string()),
        pa.chunked_array(partitions, pa.int32()),
        pa.array(batch.offsets, pa.int64()),
        known.cast(pa.timestamp("ms", "UTC")),
        pa.array(batch.keys, pa.binary()),
        _headers(batch),
    )
    return dict(zip(COLUMNS, columns, strict=True))


def _headers(batch: Batch) -> Any:
    kind = pa.list_(_HEADER)

    if not any(batch.headers):
        return pa.repeat(pa.scalar([], kind), len(batch))

    return pa.array([[{"name": n, "value": v} for n, v in headers] for headers in batch.headers], kind)
