"""The speed and memory of each path from Kafka to a destination, beside those of a peer that does the same.

One topic on a server of its own is filled once: orders of 200 bytes, with keys, not compressed, evenly over four
partitions. Both sides read it with one consumer, each measurement in a process of its own and in a new group, ours and
the peer's in turn. Measured is the time from the first record polled to the last one durable; a figure counts only if
the destination then holds every record. Peaks of memory are of those processes, and so leave the servers out.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from benchmarks.destinations import Place, drop, files, index, instant_index, table
from benchmarks.orders import order
from benchmarks.peer_environment import PEER, peer_python
from services import Elasticsearch, Kafka, Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

__all__ = ["run"]

TOPIC: Final = "orders"
PARTITIONS: Final = 4
MEMORY_GOAL: Final = 300_000_000
SECONDS: Final = 1800
TAIL: Final = 3000
MODES: Final[tuple[Literal["insert", "upsert"], ...]] = ("insert", "upsert")
ROOT: Final = Path(__file__).parents[1]


@attrs.frozen
class Lane:
    """What is measured, and how many times as fast as the peer it shall be at least; 0: that does not say much."""

    name: str
    goal: int
    place: Callable[[], AbstractContextManager[Place]]


@attrs.frozen
class Figures:
    """One measurement of one side."""

    speed: float
    """Records a second."""
    cpu: float
    """CPU seconds."""
    peak_bytes: int


@attrs.frozen
class Bench:
    """A topic to be read from again and again."""

    bootstrap: str
    records: int
    peer: Path

    def ours(self, place: Place) -> Figures:
        """Measure our side."""
        return self._measure([sys.executable, "-m", "benchmarks.kafka_path"], place, {"sink": place.ours})

    def theirs(self, place: Place) -> Figures:
        """Measure the peer."""
        command = [str(self.peer), "-m", "benchmarks.peer_quixstreams"]
        return self._measure(command, place, {"records": self.records, **place.peer})

    def _measure(self, command: list[str], place: Place, told: dict[str, Any]) -> Figures:
        arguments = json.dumps({"bootstrap": self.bootstrap, "topic": TOPIC, **told})
        done = subprocess.run(
            [*command, arguments], cwd=ROOT, capture_output=True, check=False, text=True, timeout=SECONDS
        )

        if done.returncode:
            raise RuntimeError(f"{command[-1]} ended with {done.returncode}:\n{done.stderr[-TAIL:]}")

        found = json.loads(done.stdout.splitlines()[-1])
        records = place.records(found["nbytes"])

        if records != self.records:
            raise RuntimeError(f"{command[-1]}: {records:,.0f} of {self.records:,} records arrived, the figure is void")

        return Figures(self.records / found["seconds"], found["cpu"], found["peak_bytes"])


def fill(server: Kafka, records: int) -> None:
    """Fill the topic."""
    server.create_topic(TOPIC, partitions=PARTITIONS)
    producer = Producer({"bootstrap.servers": server.bootstrap, "linger.ms": 50, "acks": "all"})

    for number in range(records):
        while True:
            try:
                producer.produce(TOPIC, order(number), str(number).encode(), partition=number % PARTITIONS)
            except BufferError:
                producer.poll(1.0)
            else:
                break

    if left := producer.flush(SECONDS):
        raise RuntimeError(f"{left} records could not be written")


def wait_for_coordinators(server: Kafka) -> None:
    """Wait until groups of any name can be used: what a new server does first is not measured."""
    admin = server.admin()
    groups = [f"warm-up-{number}" for number in range(32)]

    while any(found.exception(SECONDS) for found in admin.describe_consumer_groups(groups).values()):
        time.sleep(0.1)


def run(*, records: int, rounds: int, only: tuple[str, ...]) -> None:
    """Measure all lanes whose names begin with one of `only`, and print the table."""
    lanes: list[tuple[Lane, list[Figures], list[Figures]]] = []
    peer = peer_python()

    with ExitStack() as stack:
        lanes = [(lane, [], []) for lane in chosen_lanes(stack, only)]

        if not lanes:
            return

        server = stack.enter_context(Kafka())
        wait_for_coordinators(server)
        fill(server, records)
        bench = Bench(server.bootstrap, records, peer)

        for number in range(rounds):
            for lane, ours, theirs in lanes:
                sides = ((bench.ours, ours), (bench.theirs, theirs))

                for measure, found in sides if number % 2 else reversed(sides):
                    with lane.place() as place:
                        found.append(measure(place))

    show(lanes, records)


def chosen_lanes(stack: ExitStack, only: tuple[str, ...]) -> list[Lane]:
    """Return the lanes, and start the servers that they need."""
    lanes = [
        Lane("drop", 7, drop),
        Lane("JSON files", 7, partial(files, "json")),
        Lane("Parquet files", 3, partial(files, "parquet")),
        Lane("Elasticsearch client", 6, instant_index),
    ]
    lanes = [lane for lane in lanes if lane.name.startswith(only)]

    if wanted := [mode for mode in MODES if f"PostgreSQL {mode}".startswith(only)]:
        database = stack.enter_context(Postgres())
        url = database.create_database("bench")
        goals = {"insert": 6, "upsert": 4}
        lanes += [Lane(f"PostgreSQL {mode}", goals[mode], partial(table, url, mode)) for mode in wanted]

    if "Elasticsearch server".startswith(only):
        lanes.append(Lane("Elasticsearch server", 0, partial(index, stack.enter_context(Elasticsearch()).url)))

    return lanes


def show(lanes: Sequence[tuple[Lane, list[Figures], list[Figures]]], records: int) -> None:
    """Print the figures, with the ratio of each round's pair, of which the median counts."""
    title = f"{records:,} records of 200 bytes from Kafka, one consumer, {os.cpu_count()} cores; the peer is {PEER}"
    shown = Table(title=title)
    shown.add_column("path")

    for heading in ("ours/s", "peer/s", "ratio", "goal", "CPU s", "peer", "peak MB", "peer"):
        shown.add_column(heading, justify="right")

    for lane, ours, theirs in lanes:
        ratios = [own.speed / other.speed for own, other in zip(ours, theirs, strict=True)]
        peak = max(own.peak_bytes for own in ours)
        shown.add_row(
            lane.name,
            spread([own.speed for own in ours], ",.0f"),
            spread([other.speed for other in theirs], ",.0f"),
            spread(ratios, ".1f"),
            f"{lane.goal} {met(statistics.median(ratios) >= lane.goal)}" if lane.goal else "",
            f"{statistics.median(own.cpu for own in ours):.1f}",
            f"{statistics.median(other.cpu for other in theirs):.1f}",
            f"{peak / 1e6:,.0f} {met(peak <= MEMORY_GOAL)}",
            f"{max(other.peak_bytes for other in theirs) / 1e6:,.0f}",
        )

    Console(width=None if sys.stdout.isatty() else 160).print(shown)


def spread(values: Sequence[float], form: str) -> str:
    """Return the median, and the extremes."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def met(is_met: bool) -> str:  # noqa: FBT001 - a word for it
    """Say whether a goal is met."""
    return "met" if is_met else "MISSED"
