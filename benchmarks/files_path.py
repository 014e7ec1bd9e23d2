"""One way from a topic into files, in a process of its own: ours, or a bare loop. Run by `python -m benchmarks files`.

    python -m benchmarks.files_path '{"side": "bare", "source": {"bootstrap": …, "topic": …}, "form": "json", …}'

The bare loop has one thread and nothing but the libraries: it consumes, validates or decodes, and writes files of as many records,
each of them synced. Prints one JSON object, as `timing` has it.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import confluent_kafka

from benchmarks import kafka_path
from benchmarks.bare import BARE
from benchmarks.embedded_source import TimedBroker, read_all
from benchmarks.timing import Timing
from streamhouse_connect import Worker
from streamhouse_connect_server.process import prepare, settled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS: Final = 900
FILE_RECORDS: Final = 10_000


def from_kafka(bootstrap: str, topic: str, records: int) -> Iterator[list[bytes]]:
    """Consume the whole topic, as fast as the library does."""
    properties = {
        "bootstrap.servers": bootstrap,
        "group.id": f"bare-{uuid.uuid4().hex[:12]}",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "fetch.queue.backoff.ms": 10,
    }
    consumer = confluent_kafka.Consumer(properties)
    consumer.subscribe([topic])

    while records:
        values = [message.value() or b"" for message in consumer.consume(min(FILE_RECORDS, records), 1.0)]
        records -= len(values)

        if values:
            yield values

    consumer.commit(asynchronous=False)
    consumer.close()


def write(values: Sequence[bytes], form: str, path: Path) -> None:
    """Write one file, durably."""
    out = io.BytesIO()
    BARE[form](values, out)

    with path.open("xb") as file:
        file.write(out.getbuffer())
        file.flush()
        os.fsync(file.fileno())


async def bare(source: dict[str, str], form: str, directory: Path, records: int) -> None:
    """Do what has to be done, and nothing else."""
    timing = Timing()
    number = 0

    def take(values: Sequence[bytes]) -> None:
        nonlocal number
        timing.begin()
        write(values, form, directory / f"{number:08}")
        number += 1

    if "data" in source:
        async for values in read_all(source["data"], source["topic"], FILE_RECORDS):
            take(values)
    else:
        for values in from_kafka(source["bootstrap"], source["topic"], records):
            take(values)

    timing.end()
    timing.report(0)


async def ours(source: dict[str, str], form: str, directory: Path) -> None:
    """Have a connector do it, in a process tuned as `serve` tunes its own."""
    sink = {"connectorClass": "file-sink", "config": {"file.path": str(directory), "format": form}}

    if "bootstrap" in source:
        await kafka_path.measure(**source, sink=sink)
        return

    prepare()
    timing = Timing()
    name = f"bench-{uuid.uuid4().hex[:12]}"

    async with Worker(TimedBroker(source["data"], timing)) as worker:
        with settled():
            await worker.create({"name": name, "topics": [source["topic"]], **sink})
            await worker.drained(name, timeout=SECONDS)

    timing.report(0)


def measure(*, side: str, source: dict[str, str], form: str, directory: str, records: int) -> Any:
    """Return what one side does."""
    return ours(source, form, Path(directory)) if side == "ours" else bare(source, form, Path(directory), records)


if __name__ == "__main__":
    asyncio.run(measure(**json.loads(sys.argv[1])))
