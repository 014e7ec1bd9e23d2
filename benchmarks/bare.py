"""How files of `orders` are made with nothing but the libraries, whose schemas are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import fastavro
import msgspec
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Sequence

__all__ = ["BARE"]

ARROW: Final = pa.schema(
    [
        ("id", pa.int64()),
        ("customer", pa.string()),
        ("amount", pa.float64()),
        ("items", pa.list_(pa.struct([("sku", pa.string()), ("quantity", pa.int64())]))),
        ("note", pa.string()),
    ]
)
ITEM: Final = {
    "type": "record",
    "name": "item",
    "fields": [{"name": "sku", "type": ["null", "string"]}, {"name": "quantity", "type": ["null", "long"]}],
}
AVRO: Final = fastavro.parse_schema(
    {
        "type": "record",
        "name": "orders",
        "fields": [
            {"name": "id", "type": ["null", "long"]},
            {"name": "customer", "type": ["null", "string"]},
            {"name": "amount", "type": ["null", "double"]},
            {"name": "items", "type": ["null", {"type": "array", "items": ["null", ITEM]}]},
            {"name": "note", "type": ["null", "string"]},
        ],
    }
)


def bare_json(values: Sequence[bytes], out: io.BytesIO) -> None:
    decode = msgspec.json.Decoder(msgspec.Raw).decode

    for value in values:
        decode(value)

    out.write(b"\n".join(values) + b"\n")


def bare_parquet(values: Sequence[bytes], out: io.BytesIO) -> None:
    joined = b"\n".join(values)
    table = pa.json.read_json(
        pa.BufferReader(joined),
        read_options=pa.json.ReadOptions(use_threads=False, block_size=len(joined) + 1),
        parse_options=pa.json.ParseOptions(explicit_schema=ARROW, unexpected_field_behavior="error"),
    )
    pq.write_table(table, out, compression="zstd")


def bare_avro(values: Sequence[bytes], out: io.BytesIO) -> None:
    fastavro.writer(out, AVRO, map(msgspec.json.Decoder().decode, values), codec="deflate")


BARE: Final[dict[str, Callable[[Sequence[bytes], io.BytesIO], None]]] = {
    "json": bare_json,
    "parquet": bare_parquet,
    "avro": bare_avro,
}
