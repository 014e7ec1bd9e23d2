"""Records a second: each formatter beside a loop that uses nothing but its library, on the same bytes, in the same run.

python -m benchmarks.formats [--records N] [--rounds N]
"""

from __future__ import annotations

import argparse
import functools
import io
import statistics
import time
from typing import TYPE_CHECKING

import fastavro
import msgspec
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from streamhouse_connect import Registry
from streamhouse_connect.testing import make_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ARROW = pa.schema(
    [
        ("order_id", pa.int64()),
        ("customer", pa.string()),
        ("amount", pa.float64()),
        ("currency", pa.string()),
        ("quantity", pa.int64()),
        ("paid", pa.bool_()),
        ("created_at", pa.string()),
        ("note", pa.string()),
    ]
)
AVRO_TYPES = {pa.int64(): "long", pa.float64(): "double", pa.string(): "string", pa.bool_(): "boolean"}
AVRO = fastavro.parse_schema(
    {
        "type": "record",
        "name": "orders",
        "fields": [{"name": f.name, "type": ["null", AVRO_TYPES[f.type]], "default": None} for f in ARROW],
    }
)


def records(count: int) -> list[bytes]:
    """Return orders of about 200 bytes."""
    return [
        msgspec.json.encode(
            {
                "order_id": number,
                "customer": f"customer-{number * 7919 % 5000}",
                "amount": number * 31 % 100_000 / 100,
                "currency": "EUR",
                "quantity": number % 9 + 1,
                "paid": number % 3 == 0,
                "created_at": f"2026-02-10T14:{number // 60 % 60:02d}:{number % 60:02d}Z",
                "note": "gift wrapped, " * (number % 4 + 1),
            }
        )
        for number in range(count)
    ]


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
    decode = msgspec.json.Decoder().decode
    fastavro.writer(out, AVRO, map(decode, values), codec="deflate")


BARE: dict[str, Callable[[Sequence[bytes], io.BytesIO], None]] = {
    "json": bare_json,
    "parquet": bare_parquet,
    "avro": bare_avro,
}


def speed(count: int, write: Callable[[io.BytesIO], None]) -> float:
    """Return records a second of CPU: the machine may have other work."""
    start = time.process_time()
    write(io.BytesIO())
    return count / (time.process_time() - start)


def main() -> None:
    """Print records a second, and the ratio of ours to the bare library's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.formats", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000, help="of a file")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    values = records(arguments.records)
    batch = make_batch(values)
    registry = Registry(entry_points=False)
    print(
        f"files of {len(values):,} records of {sum(map(len, values)) // len(values)} bytes, median of {arguments.rounds} rounds"
    )

    for name, bare in BARE.items():
        formatter_class = registry.formatter(name)
        formatter = formatter_class(formatter_class.config_class())
        ours_writes = functools.partial(formatter.format, batch)
        first = speed(len(values), ours_writes)
        pairs = [
            (speed(len(values), functools.partial(bare, values)), speed(len(values), ours_writes))
            for _ in range(arguments.rounds)
        ]
        theirs, ours = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(own / other for other, own in pairs)
        print(
            f"{name:8} bare {theirs:>11,.0f}   ours {ours:>11,.0f}   {ratio:4.0%}   first file {first:>9,.0f} records/s"
        )


if __name__ == "__main__":
    main()
