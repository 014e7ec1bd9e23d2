"""Rows from the embedded broker into PostgreSQL, beside a bare loop over the same bytes, and what the table of offsets costs.

Each measurement is a process of its own, the two sides in turn, into an empty table unless the lane says otherwise; a figure counts
only if the table holds every record. The server syncs to disk, as it does by default.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Final

import attrs
import psycopg

from benchmarks import embedded_source
from benchmarks.kafka import TOPIC
from benchmarks.pairs import Pair, show
from services import Postgres

__all__ = ["run"]

SECONDS: Final = 900
TAIL: Final = 3000
TABLE: Final = "CREATE TABLE orders (id bigint {}, customer text, amount double precision, items jsonb, note text)"


@attrs.frozen
class Lane:
    """What is measured beside what, and which share of its speed ours has to reach; with what each took, in seconds and CPU seconds."""

    name: str
    goal: float
    size: int
    upsert: bool = False
    exists: bool = False
    """Whether the rows are there already."""
    beside: str = "bare"
    found: Mapping[str, list[tuple[float, float]]] = attrs.field(factory=lambda: {"ours": [], "bare": [], "broker": []})

    def measure(self, side: str, data: str, url: str, records: int) -> None:
        """Measure one side once."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS orders")
            connection.execute(TABLE.format("PRIMARY KEY" if self.upsert else ""))

            if self.exists:
                self._run("bare", data, url)
                connection.execute("VACUUM ANALYZE orders")

            connection.execute("CHECKPOINT")
            took = self._run(side, data, url)
            (rows,) = connection.execute("SELECT count(DISTINCT id) FROM orders").fetchone() or (0,)

        if rows != records:
            raise RuntimeError(f"{side}: {rows:,} of {records:,} records are in the table, the figure is void")

        self.found[side].append((took["seconds"], took["cpu"]))

    def _run(self, side: str, data: str, url: str) -> dict[str, float]:
        told = {"side": side, "data": data, "topic": TOPIC, "url": url, "upsert": self.upsert, "size": self.size}
        command = [sys.executable, "-m", "benchmarks.postgres_path", json.dumps(told)]
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=SECONDS)

        if done.returncode:
            raise RuntimeError(f"{side} ended with {done.returncode}:\n{done.stderr[-TAIL:]}")

        took: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return took


def run(*, records: int, rounds: int, only: tuple[str, ...]) -> None:
    """Measure all lanes whose names begin with one of `only`, and print the table."""
    lanes = [
        Lane("insert, batches of 5,000", 0.65, 5000),
        Lane("insert, batches of 500", 0.65, 500),
        Lane("upsert of new keys", 0.70, 5000, upsert=True),
        Lane("upsert of existing keys", 0.70, 5000, upsert=True, exists=True),
        Lane("insert beside one without offsets, batches of 5,000", 0.95, 5000, beside="broker"),
        Lane("insert beside one without offsets, batches of 500", 0.95, 500, beside="broker"),
    ]
    lanes = [lane for lane in lanes if lane.name.startswith(only)]

    if not lanes:
        return

    with tempfile.TemporaryDirectory() as data, Postgres() as server:
        asyncio.run(embedded_source.fill(data, TOPIC, records))
        url = server.create_database("bench")

        for number in range(rounds):
            for lane in lanes:
                sides = ("ours", lane.beside)

                for side in sides if number % 2 else reversed(sides):
                    lane.measure(side, data, url, records)

    title = f"{records:,} records of 200 bytes into PostgreSQL, one task, {os.cpu_count()} cores"
    show(
        title,
        "other",
        [Pair(lane.name, lane.goal, lane.found["ours"], lane.found[lane.beside]) for lane in lanes],
        records,
    )
