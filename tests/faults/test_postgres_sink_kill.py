"""The PostgreSQL sink while its server, or itself, is killed: every record is in the table once, which has no key to help.

`FAULT_ROUNDS` says how often each fault is repeated, `SEED` repeats a run.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lives import live
from repeats import rounds, seeded
from services import Database
from streamhouse_connect import NewRecords, SqliteBroker, Worker

PARTITIONS = 3
APPEND = 100

MAJORS = pytest.mark.parametrize("postgres_server", [16, 18], indirect=True)
pytestmark = pytest.mark.timeout(120 + 20 * rounds())


class Produced:
    """Records with the numbers 0, 1, 2, … of which some are poison; all of them, and what of them is good."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.count = 0
        self.good: list[int] = []

    def records(self) -> NewRecords:
        """Return the next ones, good in all partitions."""
        numbers = range(self.count, self.count + APPEND)
        poison = set(self.rng.sample(numbers, APPEND // 100))
        self.count += APPEND
        self.good += [number for number in numbers if number not in poison]
        return NewRecords(
            values=[b'{"id":%d,"a":%s}' % (n, b'"poison"' if n in poison else b"%d" % (n % 7)) for n in numbers],
            partitions=[self.rng.randrange(PARTITIONS) for _ in numbers],
        )

    def check(self, url: str) -> None:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT count(*), count(DISTINCT id), sum(id), sum(a) FROM orders").fetchone()

        count = len(self.good)
        assert found == (count, count, sum(self.good), sum(number % 7 for number in self.good))


@pytest.fixture
def produced() -> Produced:
    return Produced(seeded())


@pytest.fixture
def orders(postgres: Database) -> Iterator[str]:
    """The URL of a database with a table that takes everything twice."""
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE orders (id int, a int)")

    yield postgres.url
    postgres.server.start()


# Takes a moment at COMMIT, so that it can be met there.
DAWDLE = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.005); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.id % 50 = 0) EXECUTE FUNCTION dawdle()
"""
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name LIKE 'streamhouse%%' AND state = 'active' AND query LIKE %s
"""
PATIENCE = 30.0
"""Seconds within which a statement is met."""


@pytest.fixture
def dawdling(orders: str) -> str:
    """The URL of a database in which COMMIT takes a moment."""
    with psycopg.connect(orders) as connection:
        connection.execute(DAWDLE)

    return orders


def terminate(url: str, statement: str) -> None:
    """End the sink's connection while it is at such a statement."""
    deadline = time.monotonic() + PATIENCE

    with psycopg.connect(url, autocommit=True) as connection:
        while not connection.execute(TERMINATE, [statement]).fetchall():
            assert time.monotonic() < deadline, f"no {statement} was met"


def body(url: str, rng: random.Random) -> dict[str, Any]:
    config = {
        "connection.url": url,
        "table.name": "orders",
        "insert.mode": "insert",
        "errors.tolerance": "all",
        "batch.size": rng.choice([20, 100, 1000]),
        "batch.interval_ms": rng.choice([1, 20]),
        "retry.backoff.ms": 20,
        "retry.backoff.max.ms": 100,
    }
    return {"name": "orders", "connectorClass": "postgres-sink", "topics": ["orders"], "config": config}


@MAJORS
async def test_a_server_that_crashes_holds_every_record_once(
    postgres: Database, orders: str, produced: Produced, tmp_path: Path
) -> None:
    """Killed at random under load, again and again, and recovered from its log."""
    rng = produced.rng

    async with Worker(SqliteBroker(tmp_path)) as worker:
        await worker.broker.create_topic("orders", partitions=PARTITIONS)
        await worker.create(body(orders, rng))

        async def produce(stop: asyncio.Event) -> None:
            while not stop.is_set():
                await worker.broker.append("orders", produced.records())
                await asyncio.sleep(0.05)

        for _ in range(rounds()):
            stop = asyncio.Event()
            producing = asyncio.create_task(produce(stop))
            await asyncio.sleep(rng.uniform(0.1, 0.6))
            await asyncio.to_thread(postgres.server.kill)
            await asyncio.sleep(rng.uniform(0.0, 0.2))
            await asyncio.to_thread(postgres.server.start)
            await asyncio.sleep(rng.uniform(0.0, 0.3))
            stop.set()
            await producing

        await worker.drained("orders", timeout=60)
        processed = (await worker.get("orders")).processed

    produced.check(orders)
    count = len(produced.good)
    assert processed == count


@MAJORS
async def test_a_connection_that_is_ended_in_copy_or_at_commit_holds_every_record_once(
    dawdling: str, produced: Produced, tmp_path: Path
) -> None:
    """By an administrator, under load: what was under way is rolled back, or was committed without an answer."""
    rng = produced.rng

    async with Worker(SqliteBroker(tmp_path)) as worker:
        await worker.broker.create_topic("orders", partitions=PARTITIONS)
        await worker.create(body(dawdling, rng))
        stop = asyncio.Event()

        async def produce() -> None:
            while not stop.is_set():
                await worker.broker.append("orders", produced.records())
                await asyncio.sleep(0.02)

        producing = asyncio.create_task(produce())

        for _ in range(rounds()):
            for statement in rng.sample(["COPY %", "%COMMIT"], 2):
                await asyncio.to_thread(terminate, dawdling, statement)
                await asyncio.sleep(rng.uniform(0.0, 0.2))

        stop.set()
        await producing
        await worker.drained("orders", timeout=60)

    produced.check(dawdling)


@MAJORS
async def test_a_worker_that_is_killed_has_written_every_record_once(
    postgres: Database, orders: str, produced: Produced, tmp_path: Path
) -> None:
    """Kill -9 at random, with batches that each life cuts differently: its rows and its offsets are of one mind."""
    rng = produced.rng

    async with SqliteBroker(tmp_path) as broker:
        await broker.create_topic("orders", partitions=PARTITIONS)

    for _ in range(rounds()):
        async with SqliteBroker(tmp_path) as broker:
            for _ in range(40):
                await broker.append("orders", produced.records())

        await asyncio.to_thread(live, tmp_path, body(orders, rng), seconds=rng.uniform(0.0, 0.4), after="created")

    async with Worker(SqliteBroker(tmp_path)) as worker:
        await worker.create(body(orders, rng))
        await worker.drained("orders", timeout=60)

    produced.check(orders)
