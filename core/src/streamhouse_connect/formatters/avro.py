"""Avro object container files, with the columns that the records of a topic have shown."""

from __future__ import annotations

import importlib
import io
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

import attrs
import fastavro

from streamhouse_connect.config import option
from streamhouse_connect.errors import Problem
from streamhouse_connect.formatters.avronames import avro_name
from streamhouse_connect.formatters.avroplans import AvroPlan, beside, declared_schema, raw_records, raw_schema
from streamhouse_connect.formatters.avrotypes import avro_fields
from streamhouse_connect.formatters.conforming import conform
from streamhouse_connect.formatters.envelopes import Envelope
from streamhouse_connect.formatters.interface import Formatter
from streamhouse_connect.formatters.notation import SCHEMA_KEY
from streamhouse_connect.formatters.options import ColumnsConfig
from streamhouse_connect.formatters.schemas import Schemas, decode, decode_objects, value_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streamhouse_connect.formatters.declared import Columns
    from streamhouse_connect.formatters.schemas import Row
    from streamhouse_connect.records import Batch

__all__ = ["AvroConfig", "AvroFormatter"]

_COUNT: Final = "streamhouse.records"
_LIBRARIES: Final = {
    "zstandard": ("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd", "zstd"),
    "snappy": ("cramjam", "snappy"),
}
"""What fastavro compresses with, and the extra that it comes with."""


@attrs.frozen(kw_only=True)
class AvroConfig(ColumnsConfig):
    """What can be chosen."""

    compression: Literal["deflate", "zstandard", "snappy", "null"] = option(
        "compression", default="deflate", doc="avro: how the blocks of a file are compressed."
    )

    def check(self, columns: Columns) -> None:
        avro_fields(columns, "record")

    def problems(self) -> Iterator[Problem]:
        yield from ColumnsConfig.problems(self)
        module, extra = _LIBRARIES.get(self.compression, ("zlib", ""))

        try:
            importlib.import_module(module)
        except ImportError:
            remedy = f'pip install "streamhouse-connect[{extra}]", or choose deflate'
            yield Problem("compression", f"{self.compression} needs {module}: {remedy}")


class AvroFormatter(Formatter[AvroConfig]):
    """Columns learned from all records of a topic, or declared by `schema.file`.

    Every learned field is nullable. A name that Avro does not allow is escaped (`order-id` → `order_x2D_id`, see
    `original_name`) and stands in the field's doc.
    """

    name = "avro"
    at_once = 1
    learns = True
    config_class = AvroConfig
    extension = ".avro"
    content_type = "application/vnd.apache.avro"

    def __init__(self, config: AvroConfig) -> None:
        super().__init__(config)
        self._envelope = Envelope(config.envelope)
        self._declared = config.declared().adapted(avro_name, strict=config.is_strict) if config.schema_file else None
        self._schemas = Schemas(
            partial(AvroPlan.of, envelope=self._envelope),
            strict=config.is_strict,
            timestamps=config.infer_timestamps,
            reserved=config.reserved,
        )

    def format(self, batch: Batch, out: BinaryIO) -> None:
        out.write(self._file(batch))

    def learned(self, topic: str) -> bytes | None:
        return self._schemas.kept(topic)

    def adopt(self, topic: str, learned: bytes) -> None:
        self._schemas.adopt(topic, learned)

    def _file(self, batch: Batch) -> memoryview:
        topic = batch.spans[0].tp.topic

        if self._envelope is Envelope.RAW:
            return self._written(raw_schema(topic), raw_records(batch), len(batch), None)

        if self._declared is not None:
            declared = declared_schema(topic, self._declared, self._envelope)
            records = beside(batch, conform(value_lines(batch), self._declared), self._envelope)
            return self._written(declared, records, len(batch), None)

        rows = decode_objects(batch.values) or decode(value_lines(batch))
        plan = self._schemas.get(topic)
        file = self._fitted(plan, batch, rows) if plan else None
        return self._surely(self._schemas.learn(topic, rows), batch, rows) if file is None else file

    def _fitted(self, plan: AvroPlan, batch: Batch, rows: Sequence[Row]) -> memoryview | None:
        """Return the file of the rows; None if they don't fit."""
        if plan.inexact is not None and any(map(plan.inexact, rows)):  # fastavro would round them
            return None

        try:
            return self._surely(plan, batch, rows)
        except (ValueError, TypeError, AttributeError, OverflowError):
            return None

    def _surely(self, plan: AvroPlan, batch: Batch, rows: Sequence[Row]) -> memoryview:
        return self._written(plan.schema, plan.records(batch, rows), len(rows), plan.kept)

    def _written(self, schema: Any, records: Iterable[Any], count: int, kept: str | None) -> memoryview:
        out = io.BytesIO()
        fastavro.writer(
            out,
            schema,
            records,
            codec=self.config.compression,
            metadata={_COUNT: str(count), **({SCHEMA_KEY: kept} if kept else {})},
            strict_allow_default=True,  # else fields that are not in the schema would be dropped
            disable_tuple_notation=True,
        )
        return out.getbuffer()

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
