"""The speed of each path from the embedded broker to a destination.

Every measurement is a process of its own. The medians and the spread of the rounds are printed beside the goal; the
rounds of all paths are interleaved, so that a machine whose speed drifts drifts for all.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from typing import Any

import attrs
import psycopg
from rich.console import Console
from rich.table import Table

from services import Postgres

__all__ = ["run"]

TABLE = "CREATE TABLE orders (id bigint {key}, customer text, amount double precision, items jsonb, note text)"


@attrs.frozen
class Lane:
    """What is measured, and how fast it shall be at least, in records a second."""

    name: str
    body: dict[str, Any]
    goal: int


def file_path(name: str, goal: int, **config: object) -> Lane:
    """Return a path into files."""
    return Lane(name, {"connectorClass": "file-sink", "config": config}, goal)


def postgres_path(name: str, goal: int, url: str, **config: object) -> Lane:
    """Return a path into a table."""
    options = {"connection.url": url, "table.name": "orders", "batch.size": 5000, **config}
    return Lane(name, {"connectorClass": "postgres-sink", "config": options}, goal)


def measure(path: Lane, records: int) -> dict[str, float]:
    """Measure once, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.paths", json.dumps(path.body), str(records)]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
    result: dict[str, float] = json.loads(out)
    return result


def empty_table(url: str, key: str) -> None:
    """Make the table anew."""
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS orders")
        connection.execute(TABLE.format(key=key))


def run(*, records: int, rounds: int, only: tuple[str, ...]) -> None:
    """Measure all paths whose names begin with one of `only`, and print the table."""
    found: dict[str, list[dict[str, float]]] = {}

    with ExitStack() as stack:
        database = Postgres()
        stack.callback(database.close)
        database.start()
        url = database.create_database("bench")
        paths = [
            file_path("JSON files", 250_000, format="json"),
            file_path("JSON files, hourly", 250_000, format="json", partitioning="hourly"),
            file_path("Parquet files", 150_000, format="parquet"),
            file_path("Avro files", 0, format="avro"),
            postgres_path("PostgreSQL insert", 100_000, url, **{"insert.mode": "insert"}),
            postgres_path("PostgreSQL upsert", 0, url, **{"insert.mode": "upsert", "pk.fields": "id"}),
        ]
        chosen = [path for path in paths if path.name.startswith(only)]

        for _ in range(rounds):
            for path in chosen:
                if path.name.startswith("PostgreSQL"):
                    empty_table(url, "PRIMARY KEY" if "upsert" in path.name else "")

                found.setdefault(path.name, []).append(measure(path, records))

    show(chosen, found, records)


def show(paths: list[Lane], found: dict[str, list[dict[str, float]]], records: int) -> None:
    """Print the figures."""
    cores = os.cpu_count()
    table = Table(title=f"{records:,} records of about 200 bytes, embedded broker, one process, {cores} cores")

    for heading in ("path", "records/s", "min to max", "goal", "CPU s", "peak MiB"):
        table.add_column(heading, justify="left" if heading == "path" else "right")

    for path in paths:
        rounds = found[path.name]
        speeds = [records / each["seconds"] for each in rounds]
        table.add_row(
            path.name,
            f"{statistics.median(speeds):,.0f}",
            f"{min(speeds):,.0f} to {max(speeds):,.0f}",
            f"{path.goal:,}" if path.goal else "",
            f"{statistics.median(each['cpu'] for each in rounds):.1f}",
            f"{max(each['peak_mib'] for each in rounds):,.0f}",
        )

    Console().print(table)
