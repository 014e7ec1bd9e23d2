"""One path from a topic to a destination, measured in a process of its own: run by `python -m benchmarks`.

    python -m benchmarks.paths '{"connectorClass": "file-sink", …}' RECORDS

The topic is filled beforehand. Prints one JSON object: seconds, CPU seconds, and the peak of resident memory.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from typing import Any

from streamhouse_connect import NewRecords, SqliteBroker, Worker

BATCH = 1000


def orders(first: int) -> list[bytes]:
    """Return a batch of orders, about 200 bytes of JSON each, with a nested list."""
    return [
        json.dumps(
            {
                "id": number,
                "customer": f"c{number % 9999:06}",
                "amount": number * 1.25,
                "items": [{"sku": f"a{number}", "quantity": 2}, {"sku": f"b{number}", "quantity": 1}],
                "note": "x" * 48,
            }
        ).encode()
        for number in range(first, first + BATCH)
    ]


async def measure(body: dict[str, Any], records: int) -> dict[str, float]:
    """Fill a topic, then time a connector until it has delivered and committed everything."""
    with tempfile.TemporaryDirectory() as directory:
        broker = SqliteBroker(f"{directory}/data")

        async with Worker(broker) as worker:
            await broker.create_topic("orders")

            for first in range(0, records, BATCH):
                await broker.append("orders", NewRecords(values=orders(first)))

            if body["connectorClass"] == "file-sink":
                body["config"]["file.path"] = f"{directory}/out"

            began, cpu = time.perf_counter(), time.process_time()
            await worker.create({"name": "bench", "topics": ["orders"], **body})
            await worker.drained("bench")
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": cpu, "peak_mib": peak}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(json.loads(sys.argv[1]), int(sys.argv[2])))))
