"""What all flights add up to, read from each destination by its own client, not by the product."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import fastavro
import psycopg
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from services import Bucket, SearchServer

__all__ = [
    "ALL_OF_2013",
    "COLUMNS",
    "Totals",
    "of_avro",
    "of_elasticsearch",
    "of_json",
    "of_parquet",
    "of_postgres",
    "parquet_days",
    "read_bucket",
]

COLUMNS: Final = """
    year integer, month integer, day integer, dep_time integer, sched_dep_time integer, dep_delay integer,
    arr_time integer, sched_arr_time integer, arr_delay integer, carrier text, flight integer, tailnum text,
    origin text, dest text, air_time integer, distance integer, hour integer, minute integer, time_hour timestamptz
"""
"""The columns of flights.csv for CREATE TABLE."""


@attrs.frozen
class Totals:
    """The count and the sum catch losses and duplicates; the cancelled ones, a null that became something else."""

    rows: int
    distance: int
    cancelled: int
    """Those without a `dep_time`."""

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.rows + other.rows, self.distance + other.distance, self.cancelled + other.cancelled)


ALL_OF_2013: Final = Totals(336_776, 350_217_607, 8_255)


def read_bucket(bucket: Bucket) -> dict[str, bytes]:
    """Read every object of a bucket."""
    client = bucket.server.client()

    try:
        return dict(_objects(client, bucket.name))
    finally:
        client.close()


def of_json(files: Iterable[bytes]) -> Totals:
    return sum((_of_rows(map(json.loads, file.splitlines())) for file in files), Totals(0, 0, 0))


def of_avro(files: Iterable[bytes]) -> Totals:
    rows = (_of_rows(cast("Iterator[dict[str, Any]]", fastavro.reader(io.BytesIO(file)))) for file in files)
    return sum(rows, Totals(0, 0, 0))


def of_parquet(files: Iterable[bytes | Path]) -> Totals:
    total = Totals(0, 0, 0)

    for file in files:
        table = pq.read_table(io.BytesIO(file) if isinstance(file, bytes) else file, columns=["distance", "dep_time"])
        distance, departures = table.column("distance"), table.column("dep_time")
        total += Totals(table.num_rows, pc.sum(distance).as_py(), departures.null_count)

    return total


def parquet_days(file: Path) -> set[str]:
    """List the days that occur in a file, in UTC."""
    hours = pq.read_table(file, columns=["time_hour"], partitioning=None).column("time_hour").unique()
    return {str(hour)[:10] for hour in hours.to_pylist()}


def of_postgres(url: str, table: str) -> Totals:
    query = f"select count(*), sum(distance), count(*) filter (where dep_time is null) from {table}"

    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()

    assert row is not None
    return Totals(*row)


def of_elasticsearch(server: SearchServer, index: str) -> Totals:
    server.request("POST", f"/{index}/_refresh")
    cancelled = {"filter": {"bool": {"must_not": {"exists": {"field": "dep_time"}}}}}
    question = {"size": 0, "aggs": {"distance": {"sum": {"field": "distance"}}, "cancelled": cancelled}}
    counted = cast("dict[str, Any]", server.request("GET", f"/{index}/_count"))
    found = cast("dict[str, Any]", server.request("POST", f"/{index}/_search", question))["aggregations"]
    return Totals(counted["count"], int(found["distance"]["value"]), found["cancelled"]["doc_count"])


def _objects(client: Any, bucket: str) -> Iterator[tuple[str, bytes]]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", ()):
            yield entry["Key"], client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()


def _of_rows(rows: Iterable[dict[str, Any]]) -> Totals:
    found: Counter[str] = Counter()

    for row in rows:
        found["rows"] += 1
        found["distance"] += row["distance"]
        found["cancelled"] += row["dep_time"] is None

    return Totals(found["rows"], found["distance"], found["cancelled"])
