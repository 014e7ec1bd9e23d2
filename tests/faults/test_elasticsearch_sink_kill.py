"""The Elasticsearch sink while its server, or itself, is killed: every document is there once, with the content that was produced.

`FAULT_ROUNDS` says how often each fault is repeated, `SEED` repeats a run, `OUTAGE_SECONDS` is how long a node is away: by
default as long as it takes for a member of a group to be thrown out, 60 with `FAULT_ROUNDS`.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import attrs
import pytest

from lives import live
from repeats import rounds, seeded
from services import Indices, Topics
from streamhouse_connect import KafkaBroker, NewRecords, SqliteBroker, State, Worker

PARTITIONS = 3
APPEND = 100
IDS = {None: 50, "id": 50, "{key}": 300}
"""How many documents there are, by where their ids come from; offsets make one of each record."""
OUTAGE = float(os.environ.get("OUTAGE_SECONDS", "60" if "FAULT_ROUNDS" in os.environ else "9"))
SESSION_MS = 6000

EACH_ID = pytest.mark.parametrize("document_id", [None, "id", "{key}"], ids=["offsets", "field", "key"])
pytestmark = pytest.mark.timeout(180 + 40 * rounds() + int(OUTAGE))


@attrs.define
class Produced:
    """Records with the numbers 0, 1, 2, … of which some are poison, or delete, and the documents that are left of the good ones."""

    rng: random.Random
    document_id: str | None = None
    count: int = 0
    good: int = 0
    offsets: list[int] = attrs.field(factory=lambda: [0] * PARTITIONS)
    documents: dict[str, dict[str, int]] = attrs.field(factory=dict)

    def records(self) -> NewRecords:
        """Return the next ones; all of one id are in one partition."""
        numbers = range(self.count, self.count + APPEND)
        poison = set(self.rng.sample(numbers, APPEND // 100))
        deleting = self.rng.sample(numbers, APPEND // 10) if self.document_id == "{key}" else []
        tombstones = set(deleting) - poison
        ids = [self.rng.randrange(IDS[self.document_id]) for _ in numbers]
        self.count += APPEND
        self.good += len(numbers) - len(poison)

        for number, document_id in zip(numbers, ids, strict=True):
            partition = document_id % PARTITIONS
            key = str(document_id) if self.document_id else f"orders+{partition}+{self.offsets[partition]}"

            if number in tombstones:
                self.documents.pop(key, None)
            elif number not in poison:
                self.documents[key] = {"id": document_id, "n": number}

            self.offsets[partition] += 1

        return NewRecords(
            values=[
                None if n in tombstones else b'{"id":%d,"n":%s}' % (i, b'"poison"' if n in poison else b"%d" % n)
                for n, i in zip(numbers, ids, strict=True)
            ],
            keys=[b"%d" % i for i in ids],
            partitions=[i % PARTITIONS for i in ids],
        )


@pytest.fixture
def produced() -> Produced:
    return Produced(seeded())


@pytest.fixture
def orders(elasticsearch: Indices) -> str:
    """The name of an index that refuses poison."""
    name = f"{elasticsearch.prefix}orders"
    elasticsearch.server.request("PUT", f"/{name}", {"mappings": {"properties": {"n": {"type": "long"}}}})
    return name


def body(url: str, index: str, produced: Produced) -> dict[str, Any]:
    config = {
        "connection.url": url,
        "index.name": index,
        "document.id": produced.document_id,
        "delete.enabled": produced.document_id == "{key}",
        "errors.tolerance": "all",
        "batch.size": produced.rng.choice([20, 100, 1000]),
        "batch.interval_ms": produced.rng.choice([1, 20]),
        "max.in.flight": produced.rng.choice([1, 2, 5]),
        "retry.backoff.ms": 20,
        "retry.backoff.max.ms": 100,
    }
    return {"name": "orders", "connectorClass": "elasticsearch-sink", "topics": ["orders"], "config": config}


@EACH_ID
async def test_a_server_that_is_restarted_has_every_document_once(
    elasticsearch: Indices, orders: str, produced: Produced, tmp_path: Path, document_id: str | None
) -> None:
    """Killed, or stopped, at random under load, again and again."""
    rng = produced.rng
    produced.document_id = document_id

    async with Worker(SqliteBroker(tmp_path)) as worker:
        await worker.broker.create_topic("orders", partitions=PARTITIONS)
        await worker.create(body(elasticsearch.url, orders, produced))

        async def produce(stop: asyncio.Event) -> None:
            while not stop.is_set():
                await worker.broker.append("orders", produced.records())
                await asyncio.sleep(0.05)

        for _ in range(min(rounds(), 20)):
            stop = asyncio.Event()
            producing = asyncio.create_task(produce(stop))
            await asyncio.sleep(rng.uniform(0.1, 0.8))
            await asyncio.to_thread(rng.choice([elasticsearch.server.kill, elasticsearch.server.stop]))
            await asyncio.sleep(rng.uniform(0.0, 0.2))
            stop.set()
            await producing
            await asyncio.to_thread(elasticsearch.server.start)

        await worker.drained("orders", timeout=120)
        processed = (await worker.get("orders")).processed

    assert elasticsearch.server.documents(orders) == produced.documents

    # Of poison that a later record of its id has replaced nobody knows that it is poison.
    assert processed == produced.good or document_id
    assert produced.good <= processed <= produced.count


@EACH_ID
async def test_a_worker_that_is_killed_has_written_every_document_once(
    elasticsearch: Indices, orders: str, produced: Produced, tmp_path: Path, document_id: str | None
) -> None:
    """Kill -9 at random, with batches that each life cuts differently: what is repeated replaces itself."""
    rng = produced.rng
    produced.document_id = document_id

    async with SqliteBroker(tmp_path) as broker:
        await broker.create_topic("orders", partitions=PARTITIONS)

    for _ in range(rounds()):
        async with SqliteBroker(tmp_path) as broker:
            for _ in range(10):
                await broker.append("orders", produced.records())

        await asyncio.to_thread(
            live, tmp_path, body(elasticsearch.url, orders, produced), seconds=rng.uniform(0.0, 0.8), after="created"
        )

    async with Worker(SqliteBroker(tmp_path)) as worker:
        await worker.create(body(elasticsearch.url, orders, produced))
        await worker.drained("orders", timeout=120)

    assert elasticsearch.server.documents(orders) == produced.documents


async def test_a_node_that_is_away_for_long_means_retrying_and_no_rebalance(
    elasticsearch: Indices, orders: str, produced: Produced, kafka: Topics
) -> None:
    """The member of the group stays the same, though it is away for longer than a member may be silent; then all is delivered."""
    topic, name = f"{kafka.prefix}orders", f"{kafka.prefix}orders"
    group = f"connect-{name}"
    admin = kafka.server.admin()
    properties = {"session.timeout.ms": str(SESSION_MS), "max.poll.interval.ms": str(SESSION_MS)}

    def members() -> list[tuple[str, set[int]]]:
        described = admin.describe_consumer_groups([group])[group].result(30)
        return [(m.member_id, {tp.partition for tp in m.assignment.topic_partitions}) for m in described.members]

    async with Worker(KafkaBroker(kafka.bootstrap, properties=properties)) as worker:
        await worker.broker.create_topic(topic, partitions=PARTITIONS)
        created = {**body(elasticsearch.url, orders, produced), "name": name, "topics": [topic]}
        await worker.create(created)
        await worker.broker.append(topic, produced.records())
        await worker.drained(name, timeout=60)
        before = await asyncio.to_thread(members)
        await asyncio.to_thread(elasticsearch.server.kill)
        states = set()

        for _ in range(int(OUTAGE)):
            await worker.broker.append(topic, produced.records())
            await asyncio.sleep(1.0)
            states.add((await worker.get(name)).state)

        error = str((await worker.get(name)).error)
        during = await asyncio.to_thread(members)
        await asyncio.to_thread(elasticsearch.server.start)
        await worker.drained(name, timeout=60)
        after = await asyncio.to_thread(members)
        assert (await worker.get(name)).state is State.RUNNING

    assert states <= {State.RUNNING, State.RETRYING}
    assert State.RETRYING in states
    assert f"can't reach Elasticsearch at {elasticsearch.url}" in error
    assert before == during == after
    assert [partitions for _, partitions in before] == [set(range(PARTITIONS))]
    expected = {key.replace("orders+", f"{topic}+", 1): document for key, document in produced.documents.items()}
    assert elasticsearch.server.documents(orders) == expected
