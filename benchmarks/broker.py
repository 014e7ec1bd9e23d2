"""How fast the embedded broker appends and reads, next to SQLite alone: `python -m benchmarks.broker [--records 2000000]`.

Batches of 1,000 values of 200 bytes, appended by a few producers at once, and read by `Consumer.poll`.
"""

import argparse
import asyncio
import resource
import sqlite3
import tempfile
import time
from pathlib import Path

from streamhouse_connect import NewRecords, SqliteBroker, Subscription
from streamhouse_connect.testing.brokers import RecordingListener

BATCH = 1_000
PRODUCERS = 4
TARGETS = {"append": 250_000, "append, keyed, 4 partitions": 250_000, "read": 1_000_000}


def values() -> list[bytes]:
    return [
        f'{{"order_id":{number},"customer":"customer {number % 97}","amount":{number * 1.37:.2f},"note":"'.encode().ljust(
            198, b"x"
        )
        + b'"}'
        for number in range(BATCH)
    ]


def bare(directory: Path, batches: int) -> tuple[float, float]:
    """SQLite alone: a row a batch, joined bytes, WAL and FULL, one transaction a batch."""
    blob = b"".join(values())
    connection = sqlite3.connect(directory / "bare.db", isolation_level=None)
    connection.execute("PRAGMA page_size=16384")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)")
    started = time.perf_counter()

    for _ in range(batches):
        connection.execute("INSERT INTO t (data) VALUES (?)", (blob,))

    written = time.perf_counter()
    read = sum(len(data) for (data,) in connection.execute("SELECT data FROM t"))
    ended = time.perf_counter()
    connection.close()
    assert read == batches * len(blob)
    return batches * BATCH / (written - started), batches * BATCH / (ended - written)


async def append(broker: SqliteBroker, topic: str, batches: int, records: NewRecords) -> float:
    async def produce(count: int) -> None:
        for _ in range(count):
            await broker.append(topic, records)

    started = time.perf_counter()
    await asyncio.gather(*(produce(batches // PRODUCERS) for _ in range(PRODUCERS)))
    return batches // PRODUCERS * PRODUCERS * BATCH / (time.perf_counter() - started)


async def read(broker: SqliteBroker, topic: str, records: int) -> float:
    consumer = broker.consumer("bench", Subscription([topic]), RecordingListener())
    started = time.perf_counter()
    seen = nbytes = 0

    while seen < records:
        for batch in await consumer.poll(max_records=10_000, timeout=1):
            seen += len(batch)
            nbytes += batch.nbytes
            assert len(batch.values) == len(batch)

    taken = time.perf_counter() - started
    assert nbytes == seen * 200
    await consumer.close()
    return seen / taken


async def measure(directory: Path, records: int) -> dict[str, float]:
    batches = records // BATCH // PRODUCERS * PRODUCERS
    plain = NewRecords(values=values())
    keyed = NewRecords(values=values(), keys=[f"customer {number % 97}".encode() for number in range(BATCH)])

    async with SqliteBroker(directory) as broker:
        await broker.create_topic("plain")
        await broker.create_topic("keyed", partitions=4)
        rates = {"append": await append(broker, "plain", batches, plain)}
        rates["read"] = await read(broker, "plain", batches * BATCH)
        rates["append, one producer"] = await append_alone(broker, batches // 4, plain)
        rates["append, keyed, 4 partitions"] = await append(broker, "keyed", batches // 4, keyed)

    return rates


async def append_alone(broker: SqliteBroker, batches: int, records: NewRecords) -> float:
    started = time.perf_counter()

    for _ in range(batches):
        await broker.append("plain", records)

    return batches * BATCH / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=2_000_000)
    records = parser.parse_args().records

    with tempfile.TemporaryDirectory() as directory:
        rates = asyncio.run(measure(Path(directory), records))
        written, scanned = bare(Path(directory), records // BATCH)

    against = {"read": scanned}

    for name, rate in rates.items():
        share = rate / against.get(name, written)
        target = f"   target {TARGETS[name]:>9,}" if name in TARGETS else ""
        print(f"{name:<30} {rate:>12,.0f} records/s   {share:>5.2f} of bare SQLite{target}")

    print(f"{'bare SQLite, write':<30} {written:>12,.0f} records/s")
    print(f"{'bare SQLite, scan':<30} {scanned:>12,.0f} records/s")
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
