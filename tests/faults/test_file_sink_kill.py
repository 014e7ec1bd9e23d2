"""The file sink under kill -9, with batches that each life cuts differently: every record is in one file afterwards."""

import asyncio
import random
from collections import Counter
from pathlib import Path

from lives import live
from repeats import rounds, seeded
from streamhouse_connect import NewRecords, SqliteBroker, Worker

ROUNDS = rounds(6)
RECORDS = 5_000
HOUR_MS = 3_600_000


async def test_every_record_is_in_one_file_after_kills(tmp_path: Path) -> None:
    """Killed at random, again and again, with poison among the records: nothing is lost, and nothing is there twice."""
    rng = seeded()
    good: list[bytes] = []

    async with SqliteBroker(tmp_path / "data") as broker:
        await broker.create_topic("orders", partitions=2)

    for life in range(ROUNDS):
        async with SqliteBroker(tmp_path / "data") as broker:
            records, more = _records(rng, life)
            await broker.append("orders", records)
            good += more

        await asyncio.to_thread(live, tmp_path / "data", _body(tmp_path, rng), seconds=rng.uniform(0.0, 0.3))

    async with Worker(SqliteBroker(tmp_path / "data")) as worker:
        await worker.create(_body(tmp_path, rng))
        await worker.drained("files", timeout=60)
        processed = (await worker.get("files")).processed

    files = list((tmp_path / "files").rglob("batch-*"))
    found, wanted = Counter(line for file in files for line in file.read_bytes().splitlines()), Counter(good)
    assert not found - wanted
    assert not wanted - found
    assert processed == len(good)


def _records(rng: random.Random, life: int) -> tuple[NewRecords, list[bytes]]:
    """Return records of three hours, and the values of those that are no poison."""
    values = [b'{"life":%d,"n":%d}' % (life, number) for number in range(RECORDS)]
    poison = set(rng.sample(range(RECORDS), RECORDS // 50))
    records = NewRecords(
        values=[value[:-1] if number in poison else value for number, value in enumerate(values)],
        timestamps=[rng.randrange(3) * HOUR_MS for _ in values],
        partitions=[rng.randrange(2) for _ in values],
    )
    return records, [value for number, value in enumerate(values) if number not in poison]


def _body(directory: Path, rng: random.Random) -> dict[str, object]:
    config = {
        "file.path": str(directory / "files"),
        "partitioning": "hourly",
        "errors.tolerance": "all",
        "batch.size": rng.choice([20, 50, 300]),
        "batch.interval_ms": rng.choice([5, 50]),
    }
    return {"name": "files", "connectorClass": "file-sink", "topics": ["orders"], "config": config}
