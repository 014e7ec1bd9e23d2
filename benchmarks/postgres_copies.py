"""The ways to get JSON records into a table of PostgreSQL, each alone, on the same records: which is the fastest that keeps types exact?

    python -m benchmarks.postgres_copies [--records N] [--rounds N] [--size N]

On two cores with fsync on, 300,000 records of 200 bytes in batches of 5,000 (medians of five rounds, in brackets the spread), rows a second:

    the sink                      546,000   (354,000 to 615,000)
    text COPY of decoded rows     670,000   (625,000 to 692,000)
    binary COPY of decoded rows   611,000   (481,000 to 619,000)
    ADBC                          352,000   (305,000 to 385,000)
    json_to_recordset             201,000   (196,000 to 203,000)

Rows that are decoded for a schema known beforehand are faster by a fifth, but every value has to be an object of the exact type of its
column, and what JSON says beyond that, such as the digits of a numeric, is lost; binary COPY and ADBC need the same. ADBC can't write
jsonb at all. `json_to_recordset` makes the server the bottleneck, and names no line when a record is bad. The sink therefore sends text
made of the JSON's own bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # has the servers

import msgspec
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg.types.json import Jsonb

from benchmarks.orders import order
from benchmarks.postgres_path import COLUMNS, Order
from services import Postgres
from streamhouse_connect import Batch, SecretUrl
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_postgres_sink import PostgresConfig, PostgresSink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TABLE: Final = "CREATE TABLE orders (id bigint, customer text, amount double precision, items jsonb, note text)"
RECORDSET: Final = (
    f"INSERT INTO orders ({COLUMNS}) SELECT {COLUMNS} FROM json_to_recordset(%s::json) "
    "AS r (id bigint, customer text, amount double precision, items jsonb, note text)"
)
DECODE: Final = msgspec.json.Decoder(Order).decode


def text_rows(connection: psycopg.Connection, values: Sequence[bytes]) -> None:
    """Write decoded rows as text."""
    with connection.cursor().copy(f"COPY orders ({COLUMNS}) FROM STDIN") as copy:
        for each in map(DECODE, values):
            copy.write_row((each.id, each.customer, each.amount, bytes(each.items).decode(), each.note))


def binary_rows(connection: psycopg.Connection, values: Sequence[bytes]) -> None:
    """Write decoded rows in the binary form."""
    with connection.cursor().copy(f"COPY orders ({COLUMNS}) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "text", "float8", "jsonb", "text"])

        for each in map(DECODE, values):
            copy.write_row((each.id, each.customer, each.amount, Jsonb(each.items, dumps=bytes), each.note))


def recordset(connection: psycopg.Connection, values: Sequence[bytes]) -> None:
    """Have the server take the JSON apart."""
    connection.execute(RECORDSET, [(b"[" + b",".join(values) + b"]").decode()])


WAYS: Final[dict[str, Callable[[psycopg.Connection, Sequence[bytes]], None]]] = {
    "text COPY of decoded rows": text_rows,
    "binary COPY of decoded rows": binary_rows,
    "json_to_recordset": recordset,
}


def measure(
    url: str, batches: Sequence[Sequence[bytes]], way: Callable[[psycopg.Connection, Sequence[bytes]], None]
) -> float:
    """Return the seconds that one way takes, a transaction a batch."""
    with psycopg.connect(url, autocommit=True) as connection:
        began = time.perf_counter()

        for values in batches:
            with connection.transaction():
                way(connection, values)

        return time.perf_counter() - began


def adbc(url: str, batches: Sequence[Sequence[bytes]]) -> float:
    """Return the seconds that ADBC takes for columns of Arrow; it can't write jsonb, so `items` is made text."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE orders ALTER COLUMN items TYPE text")

    with dbapi.connect(url) as connection:
        began = time.perf_counter()

        for values in batches:
            rows = [
                (each.id, each.customer, each.amount, bytes(each.items).decode(), each.note)
                for each in map(DECODE, values)
            ]
            table = pa.table(dict(zip(COLUMNS.split(", "), map(list, zip(*rows, strict=True)), strict=True)))

            with connection.cursor() as cursor:
                cursor.adbc_ingest("orders", table, mode="append")

            connection.commit()

        return time.perf_counter() - began


async def sink(url: str, batches: Sequence[Batch]) -> float:
    """Return the seconds that the sink itself takes, without offsets."""
    config = PostgresConfig(url=SecretUrl(url), table_name="orders", insert_mode="insert", offsets_storage="broker")
    made = PostgresSink(config)
    await made.open(make_context())

    try:
        began = time.perf_counter()

        for batch, following in zip_longest(batches, batches[1:]):
            writing = asyncio.create_task(made.write(batch))

            if following is not None:
                await asyncio.gather(writing, made.prepare(following))  # as the runtime does

            await writing

        return time.perf_counter() - began
    finally:
        await made.close()


def main() -> None:
    """Print rows a second."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgres_copies", description=__doc__)
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=5_000)
    arguments = parser.parse_args()
    values = [order(number) for number in range(arguments.records)]
    lists = [values[at : at + arguments.size] for at in range(0, len(values), arguments.size)]
    batches = [make_batch(each, first_offset=at * arguments.size) for at, each in enumerate(lists)]
    found: dict[str, list[float]] = {}

    with Postgres() as server:
        url = server.create_database("bench")

        for _ in range(arguments.rounds):
            for name in ("the sink", *WAYS, "ADBC, items as text"):
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute("DROP TABLE IF EXISTS orders")
                    connection.execute(TABLE)
                    connection.execute("CHECKPOINT")

                if name in WAYS:
                    took = measure(url, lists, WAYS[name])
                else:
                    took = asyncio.run(sink(url, batches)) if name == "the sink" else adbc(url, lists)

                found.setdefault(name, []).append(arguments.records / took)

    for name, speeds in found.items():
        print(f"{name:28} {statistics.median(speeds):>9,.0f} rows/s ({min(speeds):,.0f} to {max(speeds):,.0f})")


if __name__ == "__main__":
    main()
