"""Parquet files, by way of Arrow: the lines of a batch become columns without a Python object for any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Final

import attrs
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq

from streamhouse_connect.formatters.fitting import fitter
from streamhouse_connect.formatters.interface import Formatter
from streamhouse_connect.formatters.schemas import Schemas, decode
from streamhouse_connect.formatters.shapes import Kind, ListOf
from streamhouse_connect.values import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhouse_connect.formatters.shapes import Shape, StructOf
    from streamhouse_connect.records import Batch
    from streamhouse_connect.values import JsonLines

__all__ = ["ParquetConfig", "ParquetFormatter"]

_EXACT: Final = float(1 << 53)
_MAX_BLOCK: Final = 1 << 30

_TYPES: Final = {
    Kind.NULL: pa.null(),
    Kind.BOOL: pa.bool_(),
    Kind.INT: pa.int64(),
    Kind.LONG: pa.int64(),
    Kind.DOUBLE: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.TEXT: pa.string(),
}
_PLACEHOLDER: Final = pa.field("_", pa.null())
"""Stands in for the fields of an object that never had any: Parquet has no struct without fields."""


@attrs.frozen(kw_only=True)
class ParquetConfig:
    """There is nothing to choose."""


class ParquetFormatter(Formatter[ParquetConfig]):
    """Columns learned from all records of a topic, compressed with zstd.

    Integers are int64, other numbers double, text (ISO dates too) string. Kinds that mix become strings: see `shapes`.
    """

    name = "parquet"
    config_class = ParquetConfig
    extension = ".parquet"
    content_type = "application/vnd.apache.parquet"

    def __init__(self, config: ParquetConfig) -> None:
        super().__init__(config)
        self._schemas = Schemas(lambda _topic, shape: _Plan.of(shape))

    def format(self, batch: Batch, out: BinaryIO) -> None:
        lines = json_lines(batch.values, objects=True)
        pq.write_table(self._table(batch.spans[0].tp.topic, lines), out, compression="zstd")

    def learned(self, topic: str) -> bytes | None:
        return self._schemas.kept(topic)

    def adopt(self, topic: str, learned: bytes) -> None:
        self._schemas.adopt(topic, learned)

    def count(self, source: BinaryIO) -> int:
        return int(pq.ParquetFile(source).metadata.num_rows)  # ArrowInvalid is a ValueError

    def _table(self, topic: str, lines: JsonLines) -> pa.Table:
        plan = self._schemas.get(topic)
        rows = decode(lines) if plan is None or plan.fit is not None else None
        table = None

        if plan is not None:
            table = plan.read(lines.joined if rows is None else plan.fitted(rows))

            if table is not None and not plan.is_doubtful(table):
                return table

        rows = decode(lines) if rows is None else rows
        learned = self._schemas.learn(topic, rows)

        if table is None or learned is not plan:
            table = learned.read(lines.joined) if learned.fit is None else None

        return learned.read_surely(learned.fitted(rows)) if table is None else table


@attrs.frozen
class _Plan:
    """How the lines of a topic become a table."""

    shape: StructOf
    schema: pa.Schema
    fit: Callable[[object], object] | None

    @classmethod
    def of(cls, shape: StructOf) -> _Plan:
        return cls(shape, pa.schema(_fields(shape)), fitter(shape))

    def read(self, joined: bytes) -> pa.Table | None:
        """Read the lines into columns of the known types; None if they don't fit, or give a key twice."""
        try:
            return self.read_surely(joined)
        except pa.ArrowInvalid:
            return None

    def read_surely(self, joined: bytes) -> pa.Table:
        return pa.json.read_json(
            pa.BufferReader(joined),
            read_options=pa.json.ReadOptions(use_threads=False, block_size=min(len(joined) + 1, _MAX_BLOCK)),
            parse_options=pa.json.ParseOptions(explicit_schema=self.schema, unexpected_field_behavior="error"),
        )

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


def _is_doubtful(array: Any, shape: Shape) -> bool:
    if shape is Kind.DOUBLE:
        bounds = pc.min_max(array)
        return any(bound.is_valid and abs(bound.as_py()) >= _EXACT for bound in bounds.values())

    if isinstance(shape, ListOf):
        items = array.values
        return items.null_count < len(items) if shape.item is Kind.NULL else _is_doubtful(items, shape.item)

    if isinstance(shape, Kind):
        return False

    return any(_is_doubtful(array.field(index), field) for index, field in enumerate(shape.fields.values()))


def _fields(shape: StructOf) -> list[pa.Field]:
    return [pa.field(name, _type(field)) for name, field in shape.fields.items()] or [_PLACEHOLDER]


def _type(shape: Shape) -> pa.DataType:
    if isinstance(shape, Kind):
        return _TYPES[shape]

    if isinstance(shape, ListOf):
        # pyarrow's JSON reader counts nulls wrongly in a list of nulls; `is_doubtful` sees when strings come in instead
        return pa.list_(pa.string() if shape.item is Kind.NULL else _type(shape.item))

    return pa.struct(_fields(shape))
