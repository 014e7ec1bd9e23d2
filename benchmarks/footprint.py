"""The memory of a process that delivers: with many paths open, and over a long time. Each lane is a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import attrs
from rich.console import Console
from rich.table import Table

from benchmarks.kafka import met

__all__ = ["run"]

SECONDS: Final = 1800
LEGS: Final = 5
MIB: Final = 1 << 20


@attrs.frozen
class Lane:
    """What is measured: a configuration of the file-sink, and what the peak may be over the memory of records."""

    name: str
    config: dict[str, object]


LANES: Final = (
    Lane("JSON files", {"format": "json"}),
    Lane("Parquet files", {"format": "parquet"}),
    Lane("JSON files, 200 open paths", {"format": "json", "partitioning": "field", "partitioning.fields": "tenant"}),
    Lane(
        "Parquet files, 200 open paths", {"format": "parquet", "partitioning": "field", "partitioning.fields": "tenant"}
    ),
)
FLAT: Final = 1.1
"""What is resident after the last leg may be so many times what it was after the first."""


def run(*, records: int, rounds: int, only: tuple[str, ...]) -> None:
    """Measure the lanes whose names begin with one of `only`, each in five legs of so many records, and print the table."""
    table = Table(
        title=f"{LEGS} legs of {records:,} records, embedded broker, buffer.memory 64 MiB; one round whatever {rounds=}"
    )

    for heading in (
        "path",
        "before, MB",
        "after each leg, MB",
        "last to first",
        f"goal {FLAT}",
        "peak over before, MB",
    ):
        table.add_column(heading, justify="left" if heading == "path" else "right")

    for lane in LANES:
        if lane.name.startswith(only):
            told = json.dumps({"config": lane.config, "records": records, "legs": LEGS})
            command = [sys.executable, "-m", "benchmarks.footprint_path", told]
            done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=SECONDS)
            found = json.loads(done.stdout.splitlines()[-1])
            grown = found["after"][-1] / found["after"][0]
            table.add_row(
                lane.name,
                f"{found['before'] / 1e6:,.0f}",
                " ".join(f"{each / 1e6:,.0f}" for each in found["after"]),
                f"{grown:.2f}",
                met(grown <= FLAT),
                f"{(found['peak'] - found['before']) / 1e6:,.0f}",
            )

    Console(width=None if sys.stdout.isatty() else 160).print(table)
