"""The main job: all flights of 2013, sent over REST, arrive at every destination, each exactly once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from e2e.totals import (
    ALL_OF_2013,
    COLUMNS,
    of_avro,
    of_elasticsearch,
    of_json,
    of_parquet,
    of_postgres,
    parquet_days,
    read_bucket,
)
from processes import Server, serving
from services import Bucket, Database, Indices
from streamhouse_connect.cli import flights

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose topic `flights` holds all of them; in the end it stops as it should, without any trouble logged."""
    directory = tmp_path_factory.mktemp("flights")

    with serving(directory) as running:
        running.request("POST", "/topics", {"name": "flights", "partition_count": 1}, status=201)
        produce_all(running)
        yield running
        assert running.request("GET", "/connectors") == []
        assert running.stop() == 0

    assert "Traceback" not in running.log.read_text()


def produce_all(server: Server) -> None:
    """Send the flights, 10,000 in a request."""
    started = time.monotonic()
    sent = 0

    with httpx.Client(base_url=server.url, timeout=60) as client:
        for batch in flights.all_of_2013():
            answer = client.post("/api/v1/produce/batch", content=batch_body(batch))
            assert answer.status_code == 200, answer.text
            count = len(batch)
            assert answer.json() == {"count": count, "offsets": list(range(sent, sent + count))}
            sent += count

    report("produce", sent, time.monotonic() - started)


def batch_body(batch: flights.Flights) -> bytes:
    records = batch.records
    assert records.keys is not None
    assert records.timestamps is not None
    rows = zip(records.keys, records.values, records.timestamps, strict=True)
    shown = [
        {"key": (key or b"").decode(), "value": msgspec.Raw(value or b"null"), "timestamp": timestamp}
        for key, value, timestamp in rows
    ]
    return msgspec.json.encode({"topic": "flights", "records": shown})


def report(what: str, count: int, seconds: float) -> None:
    """Say how long it took, for those who run pytest -s."""
    print(f"{what}: {count:,} records in {seconds:.1f} s, {count / seconds:,.0f} records/s")


@contextmanager
def delivered(server: Server, name: str, connector_class: str, config: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Run a connector until it has delivered everything; it is deleted afterwards."""
    body = {
        "name": name,
        "connectorType": "sink",
        "connectorClass": connector_class,
        "topics": ["flights"],
        "config": config,
    }
    started = time.monotonic()
    created = server.request("POST", "/connectors", body, status=201)
    assert created.get("warnings", []) == []

    try:
        shown = server.drained(name, within=240)
        report(name, ALL_OF_2013.rows, time.monotonic() - started)
        assert shown["recordsProcessed"] == ALL_OF_2013.rows
        assert shown["errorMessage"] is None
        assert shown["state"] == "running"
        yield shown
    finally:
        server.request("DELETE", f"/connectors/{name}", status=204)
        server.request("GET", f"/connectors/{name}", status=404)


def s3_config(bucket: Bucket, **options: str) -> dict[str, str]:
    return {
        "s3.bucket": bucket.name,
        "s3.endpoint": bucket.server.url,
        "s3.access.key": bucket.server.access_key,
        "s3.secret.key": bucket.server.secret_key,
        "s3.prefix": "lake",
        "batch.interval_ms": "1000",
        **options,
    }


def test_all_flights_are_in_daily_parquet_files(server: Server, tmp_path: Path) -> None:
    """file-sink: the rows add up, and every file holds the flights of its own day only."""
    config = {"file.path": str(tmp_path), "format": "parquet", "partitioning": "daily", "batch.interval_ms": "1000"}

    with delivered(server, "flights-to-files", "file-sink", config):
        files = sorted(tmp_path.glob("flights/year=*/month=*/day=*/batch-*.parquet"))

    assert sum(path.is_file() for path in tmp_path.rglob("*")) == len(files)
    assert of_parquet(files) == ALL_OF_2013
    days = {file: "-".join(part.partition("=")[2] for part in file.parts[-4:-1]) for file in files}
    assert len(set(days.values())) == 366  # in UTC the last evening is in 2014
    assert {file: parquet_days(file) for file in files} == {file: {day} for file, day in days.items()}


def test_all_flights_are_in_json_objects(server: Server, s3: Bucket) -> None:
    """s3-sink: one flight a line."""
    with delivered(server, "flights-to-json", "s3-sink", s3_config(s3)):
        objects = read_bucket(s3)

    assert {key.rpartition("/")[0] for key in objects} == {"lake/flights"}
    assert {key.rpartition(".")[2] for key in objects} == {"json"}
    assert of_json(objects.values()) == ALL_OF_2013


def test_all_flights_are_in_daily_parquet_objects(server: Server, s3: Bucket) -> None:
    """s3-sink: one directory a day."""
    config = s3_config(s3, format="parquet", partitioning="daily")

    with delivered(server, "flights-to-parquet", "s3-sink", config):
        objects = read_bucket(s3)

    assert len({key.rpartition("/")[0] for key in objects}) == 366
    assert min(objects).startswith("lake/flights/year=2013/month=01/day=01/batch-")
    assert of_parquet(objects.values()) == ALL_OF_2013


def test_all_flights_are_in_avro_objects(server: Server, s3: Bucket) -> None:
    """s3-sink: fastavro reads what was sent."""
    with delivered(server, "flights-to-avro", "s3-sink", s3_config(s3, format="avro")):
        objects = read_bucket(s3)

    assert {key.rpartition(".")[2] for key in objects} == {"avro"}
    assert of_avro(objects.values()) == ALL_OF_2013


def test_all_flights_are_inserted(server: Server, postgres: Database) -> None:
    """postgres-sink with insert.mode=insert: a table without any key has each flight once."""
    with psycopg.connect(postgres.url) as connection:
        connection.execute(f"create table flights ({COLUMNS})".encode())

    config = {
        "connection.url": postgres.url,
        "table.name": "flights",
        "insert.mode": "insert",
        "batch.size": "5000",
    }

    with delivered(server, "flights-to-postgres", "postgres-sink", config):
        assert of_postgres(postgres.url, "flights") == ALL_OF_2013


def test_all_flights_are_upserted(server: Server, postgres: Database) -> None:
    """postgres-sink with the default insert.mode: the hour, the carrier and the flight are a key."""
    with psycopg.connect(postgres.url) as connection:
        connection.execute(f"create table flights ({COLUMNS}, primary key (time_hour, carrier, flight))".encode())

    config = {
        "connection.url": postgres.url,
        "table.name": "flights",
        "pk.fields": "time_hour,carrier,flight",
        "batch.size": "5000",
    }

    with delivered(server, "flights-upserted", "postgres-sink", config):
        assert of_postgres(postgres.url, "flights") == ALL_OF_2013

    with psycopg.connect(postgres.url) as connection:
        hours = connection.execute("select min(time_hour)::text, max(time_hour)::text from flights").fetchone()

    assert hours == ("2013-01-01 10:00:00+00", "2014-01-01 04:00:00+00")


def test_all_flights_are_indexed(server: Server, elasticsearch: Indices) -> None:
    """elasticsearch-sink: a document each, which the server can add up."""
    config = {
        "connection.url": elasticsearch.url,
        "index.name": f"{elasticsearch.prefix}{{topic}}",
        "batch.size": "5000",
    }

    with delivered(server, "flights-to-elasticsearch", "elasticsearch-sink", config):
        assert of_elasticsearch(elasticsearch.server, f"{elasticsearch.prefix}flights") == ALL_OF_2013
