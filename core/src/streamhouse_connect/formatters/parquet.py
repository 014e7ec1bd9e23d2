"""Parquet files, by way of Arrow: the lines of a batch become columns without a Python object for any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Literal

import attrs
import pyarrow as pa
import pyarrow.parquet as pq

from streamhouse_connect.config import option
from streamhouse_connect.errors import FatalError
from streamhouse_connect.formatters.arrowtypes import arrow_schema
from streamhouse_connect.formatters.conforming import conform
from streamhouse_connect.formatters.envelopes import VALUE_COLUMN, Envelope
from streamhouse_connect.formatters.interface import Formatter
from streamhouse_connect.formatters.options import ColumnsConfig
from streamhouse_connect.formatters.schemas import Schemas, decode, value_lines
from streamhouse_connect.formatters.tables import TablePlan, envelope_columns

if TYPE_CHECKING:
    from streamhouse_connect.formatters.declared import Columns
    from streamhouse_connect.records import Batch
    from streamhouse_connect.values import JsonLines

__all__ = ["ParquetConfig", "ParquetFormatter"]


@attrs.frozen(kw_only=True)
class ParquetConfig(ColumnsConfig):
    """What can be chosen."""

    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = option(
        "compression", default="zstd", doc="parquet: how columns are compressed."
    )
    row_group_size: int = option(
        "parquet.row.group.size",
        default=131_072,
        minimum=1,
        doc="parquet: the rows of a row group, the part of a file that readers skip or share out as a whole.",
    )

    def check(self, columns: Columns) -> None:
        arrow_schema(columns)


class ParquetFormatter(Formatter[ParquetConfig]):
    """Columns learned from all records of a topic.

    Or declared by `schema.file`. Where they are learned integers are int64, other numbers double, text string or a timestamp. Kinds that mix become strings: see `shapes`.
    """

    name = "parquet"
    learns = True
    config_class = ParquetConfig
    extension = ".parquet"
    content_type = "application/vnd.apache.parquet"

    def __init__(self, config: ParquetConfig) -> None:
        super().__init__(config)
        self._envelope = Envelope(config.envelope)
        self._declared = config.declared() if config.schema_file else None
        self._schemas = Schemas(
            lambda _topic, shape: TablePlan.of(shape),
            strict=config.is_strict,
            timestamps=config.infer_timestamps,
            reserved=config.reserved,
        )

    def format(self, batch: Batch, out: BinaryIO) -> None:
        table = self._table(batch)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression=self.config.compression, row_group_size=self.config.row_group_size)
        file = sink.getvalue()
        rows = pq.read_metadata(pa.BufferReader(file)).num_rows

        if rows != len(batch):
            raise FatalError(
                f"the footer of a Parquet file of {len(batch)} records says {rows}: the file was not written; "
                f"this is a fault of pyarrow {pa.__version__}, try another release of it"
            )

        out.write(file)

    def learned(self, topic: str) -> bytes | None:
        return self._schemas.kept(topic)

    def adopt(self, topic: str, learned: bytes) -> None:
        self._schemas.adopt(topic, learned)

    def count(self, source: BinaryIO) -> int:
        return int(pq.ParquetFile(source).metadata.num_rows)  # ArrowInvalid is a ValueError

    def _table(self, batch: Batch) -> pa.Table:
        if self._envelope is Envelope.RAW:
            return pa.table({**envelope_columns(batch), VALUE_COLUMN: pa.array(batch.values, pa.binary())})

        table = self._values(batch.spans[0].tp.topic, value_lines(batch))

        if self._envelope is Envelope.NONE:
            return table

        beside = pa.table(envelope_columns(batch))
        schema = pa.schema([*beside.schema, *table.schema], metadata=table.schema.metadata)
        return pa.Table.from_arrays([*beside.columns, *table.columns], schema=schema)

    def _values(self, topic: str, lines: JsonLines) -> pa.Table:
        if self._declared is not None:
            return pa.Table.from_pylist(conform(lines, self._declared), arrow_schema(self._declared))

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
