"""Files from Kafka and from the embedded broker, beside a bare loop over the same bytes: what all that is around the libraries costs.

Each measurement is a process of its own, ours and the bare loop's in turn; a figure counts only if the files hold every
record.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import attrs
import fastavro

from benchmarks import embedded_source
from benchmarks.destinations import files_in, lines, rows
from benchmarks.kafka import TOPIC, fill, wait_for_coordinators
from benchmarks.pairs import Pair, show
from services import Kafka

__all__ = ["run"]

GOALS: Final = {"json": 0.60, "parquet": 0.60, "avro": 0.85}
"""How fast ours has to be at least, as a share of the bare loop's speed."""
SIDES: Final = ("ours", "bare")
SECONDS: Final = 900
TAIL: Final = 3000


@attrs.frozen
class Lane:
    """What is measured, with what each side took, in seconds and CPU seconds."""

    name: str
    source: Mapping[str, str]
    form: str
    found: Mapping[str, list[tuple[float, float]]] = attrs.field(factory=lambda: {side: [] for side in SIDES})

    def measure(self, side: str, records: int) -> None:
        """Measure one side once."""
        with tempfile.TemporaryDirectory() as directory:
            told = {"side": side, "source": self.source, "form": self.form, "directory": directory, "records": records}
            command = [sys.executable, "-m", "benchmarks.files_path", json.dumps(told)]
            done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=SECONDS)

            if done.returncode:
                raise RuntimeError(f"{side} ended with {done.returncode}:\n{done.stderr[-TAIL:]}")

            if (held := sum(map(COUNT[self.form], files_in(Path(directory))))) != records:
                raise RuntimeError(f"{side}: {held:,} of {records:,} records are in the files, the figure is void")

        took = json.loads(done.stdout.splitlines()[-1])
        self.found[side].append((took["seconds"], took["cpu"]))


def blocks(path: Path) -> int:
    """Count the records of a file of Avro."""
    with path.open("rb") as file:
        return sum(block.num_records for block in fastavro.block_reader(file))


COUNT: Final[Mapping[str, Callable[[Path], int]]] = {"json": lines, "parquet": rows, "avro": blocks}


def run(*, records: int, rounds: int, only: tuple[str, ...]) -> None:
    """Measure all lanes whose names begin with one of `only`, and print the table."""
    with ExitStack() as stack:
        lanes: list[Lane] = []

        if any(f"{form} from embedded".startswith(only) for form in GOALS):
            data = stack.enter_context(tempfile.TemporaryDirectory())
            asyncio.run(embedded_source.fill(data, TOPIC, records))
            lanes += [Lane(f"{form} from embedded", {"data": data, "topic": TOPIC}, form) for form in GOALS]

        if any(f"{form} from Kafka".startswith(only) for form in GOALS):
            server = stack.enter_context(Kafka())
            wait_for_coordinators(server)
            fill(server, records)
            source = {"bootstrap": server.bootstrap, "topic": TOPIC}
            lanes += [Lane(f"{form} from Kafka", source, form) for form in GOALS]

        lanes = [lane for lane in lanes if lane.name.startswith(only)]

        for number in range(rounds):
            for lane in lanes:
                for side in SIDES if number % 2 else reversed(SIDES):
                    lane.measure(side, records)

    if lanes:
        title = f"{records:,} records of 200 bytes into files, one task, {os.cpu_count()} cores, beside a bare loop"
        pairs = [Pair(lane.name, GOALS[lane.form], lane.found["ours"], lane.found["bare"]) for lane in lanes]
        show(title, "bare", pairs, records)
