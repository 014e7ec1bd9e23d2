"""A connector that writes files for a long time, in a process of its own: run by `python -m benchmarks memory`.

    python -m benchmarks.footprint_path '{"config": {…}, "records": N, "legs": N}'

Fills the topic itself, a leg at a time. Prints one JSON object: what is resident before, and after each leg, and the peak.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.memory import peak_bytes
from streamhouse_connect import NewRecords, SqliteBroker, Worker
from streamhouse_connect_server.process import prepare, settled

TENANTS: Final = 200
APPENDED: Final = 5_000
SECONDS: Final = 900
_RESIDENT: Final = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


def resident() -> int:
    """Return the bytes that are resident now."""
    found = _RESIDENT.search(Path("/proc/self/status").read_text(encoding="ascii"))
    assert found, "Linux alone tells"
    return int(found[1]) * 1024


def order(number: int, source: random.Random) -> bytes:
    """Return about 200 bytes of one of the tenants."""
    made = {"id": number, "tenant": source.randrange(TENANTS), "amount": number * 1.25, "note": "x" * 140}
    return json.dumps(made).encode()


async def measure(*, config: dict[str, Any], records: int, legs: int) -> None:
    """Deliver leg after leg."""
    prepare()
    source = random.Random(1)

    with tempfile.TemporaryDirectory() as directory:
        broker = SqliteBroker(f"{directory}/data")
        open_long = {"partitioning.max.open": TENANTS, "batch.interval_ms": 600_000} if "partitioning" in config else {}
        options = {**open_long, **config, "file.path": f"{directory}/out"}

        async with Worker(broker) as worker:
            await broker.create_topic("orders")
            await broker.append("orders", NewRecords(values=[order(0, source)]))
            await worker.create({"name": "c", "connectorClass": "file-sink", "topics": ["orders"], "config": options})
            await worker.drained("c", timeout=SECONDS)

            with settled():
                before, after = resident(), []

                for leg in range(legs):
                    for first in range(leg * records, (leg + 1) * records, APPENDED):
                        values = [order(number, source) for number in range(first, first + APPENDED)]
                        await broker.append("orders", NewRecords(values=values))

                    await worker.drained("c", timeout=SECONDS)
                    after.append(resident())

    print(json.dumps({"before": before, "after": after, "peak": peak_bytes()}))


if __name__ == "__main__":
    asyncio.run(measure(**json.loads(sys.argv[1])))
