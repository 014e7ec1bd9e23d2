"""The S3 sink while its store, or itself, is killed, with batches that are cut differently: every record is in one object.

`FAULT_ROUNDS` says how often each fault is repeated, `SEED` repeats a run.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from lives import live
from repeats import rounds, seeded
from services import Bucket, SeaweedFS, Service
from streamhouse_connect import Broker, NewRecords, SqliteBroker, TopicPartition, Worker

PARTITIONS = 3
RECORDS = 1_500
HOUR_MS = 3_600_000
PART_BYTES = 8 << 10
LARGE = {"batch.size": 10_000, "batch.bytes": 300 << 10, "batch.interval_ms": 500}

# A bucket of AWS takes parts from 5 MiB on; these stores take small ones, so that many objects have several.
SMALL_PARTS = f"""
import attrs
from streamhouse_connect import Size
from streamhouse_s3_sink import S3Sink

made = S3Sink.__init__
S3Sink.__init__ = lambda self, config, **others: made(self, attrs.evolve(config, part_size=Size({PART_BYTES})), **others)
"""

pytestmark = pytest.mark.timeout(120 + 20 * rounds())


@attrs.frozen
class Place:
    """Where a record is in the topic, and the folder that it belongs into."""

    tp: TopicPartition
    offset: int
    folder: str


@attrs.frozen
class Stored:
    """An object as the store has it."""

    key: str
    body: bytes
    metadata: dict[str, str]
    tag: str

    @property
    def values(self) -> list[bytes]:
        """The records in it."""
        return self.body.splitlines()

    @property
    def has_parts(self) -> bool:
        """Whether it was uploaded in parts."""
        return "-" in self.tag


@attrs.define
class Topic:
    """What is produced, and what of it shall be found: the good records, and the dead letters."""

    random: random.Random
    good: dict[bytes, Place] = attrs.field(factory=dict)
    poison: set[bytes] = attrs.field(factory=set)
    count: int = 0

    async def produce(self, broker: Broker, records: int) -> None:
        """Append records whose hours go to and fro."""
        hours: list[int] = []

        while len(hours) < records:
            hours += [self.random.randrange(3)] * self.random.randint(1, 200)

        hours = hours[:records]
        values = [self._value(number) for number in range(self.count, self.count + records)]
        spoilt = set(self.random.sample(range(records), records // 100))
        values = [value[:-1] if index in spoilt else value for index, value in enumerate(values)]
        appended = await broker.append(
            "orders",
            NewRecords(
                values=values,
                timestamps=[hour * HOUR_MS for hour in hours],
                partitions=[self.random.randrange(PARTITIONS) for _ in values],
            ),
        )

        for index, (value, partition, offset) in enumerate(
            zip(values, appended.partitions, appended.offsets, strict=True)
        ):
            if index in spoilt:
                self.poison.add(value)
            else:
                folder = f"orders/year=1970/month=01/day=01/hour={hours[index]:02}"
                self.good[value] = Place(TopicPartition("orders", partition), offset, folder)

        self.count += records

    def _value(self, number: int) -> bytes:
        return b'{"n":%d,"pad":"%s"}' % (number, b"x" * self.random.choice([0, 10, 100, 1500]))

    def check(self, objects: Sequence[Stored]) -> None:
        """Find every good record once, in the right folder, in an object whose metadata says what it is."""
        found = Counter(value for each in objects for value in each.values)
        assert not found - Counter(dict.fromkeys(self.good, 1))
        assert not self.good.keys() - found

        for each in objects:
            places = [self.good[value] for value in each.values]
            assert {place.folder for place in places} == {each.key.rsplit("/", 1)[0]}
            assert {place.tp for place in places} == {TopicPartition("orders", int(each.metadata["partition"]))}
            assert each.metadata["topic"] == "orders"
            assert each.metadata["first-offset"] == str(places[0].offset)
            assert each.metadata["last-offset"] == str(places[-1].offset)
            assert each.metadata["count"] == str(len(places))
            assert each.metadata["checksum"] == f"sha256:{hashlib.sha256(each.body).hexdigest()}"

        assert len({each.metadata["identity"] for each in objects}) == 1


@pytest.fixture
def topic() -> Topic:
    return Topic(seeded())


@pytest.mark.parametrize("s3_server", ["seaweedfs", "ministack"], indirect=True)
async def test_every_record_is_in_one_object_after_kills(s3: Bucket, topic: Topic, tmp_path: Path) -> None:
    """Killed at random under load, with poison and hours that alternate: nothing is lost, nothing is there twice."""
    # Where several completions of an upload may win, the last one replaces what others have relied on.
    first = SMALL_PARTS if s3.server.name == "ministack" else ""

    async with SqliteBroker(tmp_path) as broker:
        await broker.create_topic("orders", partitions=PARTITIONS)

    async def live_for(seconds: float) -> None:
        async with SqliteBroker(tmp_path) as broker:
            await topic.produce(broker, RECORDS)

        await asyncio.to_thread(live, tmp_path, connector(s3, topic.random), seconds=seconds, first=first)

    for _ in range(rounds()):
        await live_for(topic.random.uniform(0.0, 0.6))

    while first and not any(each.has_parts for each in objects(s3)):  # all those lives were too short
        await live_for(2.0)

    async with Worker(SqliteBroker(tmp_path)) as worker:
        await topic.produce(worker.broker, RECORDS)
        await worker.create(connector(s3, topic.random, **LARGE))
        await finish(worker, s3, topic)


async def test_every_record_is_in_one_object_though_the_store_is_killed(
    start_service: Callable[[Service], None], topic: Topic, tmp_path: Path
) -> None:
    """It may have made objects whose answers nobody has heard: they are met again, and known."""
    rng = topic.random
    store = SeaweedFS()  # ministack, killed in the middle of a PUT, may keep an object without its metadata
    start_service(store)
    store.create_bucket("orders")
    bucket = Bucket("orders", store)

    async with Worker(SqliteBroker(tmp_path)) as worker:
        await worker.broker.create_topic("orders", partitions=PARTITIONS)
        await worker.create(connector(bucket, rng))

        async def produce(stop: asyncio.Event) -> None:
            while not stop.is_set():
                await topic.produce(worker.broker, RECORDS // 10)
                await asyncio.sleep(0.05)

        for _ in range(rounds()):
            stop = asyncio.Event()
            producing = asyncio.create_task(produce(stop))
            await asyncio.sleep(rng.uniform(0.2, 0.8))
            await asyncio.to_thread(store.kill)
            await asyncio.sleep(rng.uniform(0.0, 0.2))
            await asyncio.to_thread(store.start)
            stop.set()
            await producing

        await finish(worker, bucket, topic)


async def finish(worker: Worker, bucket: Bucket, topic: Topic) -> None:
    """Let the connector deliver all, and look at what is there."""
    await worker.drained("orders", timeout=60 + 5 * rounds())
    letters = [
        value
        for tp in await worker.broker.watermarks("orders-dlq")
        for value in (await worker.broker.read(tp, 0, max_records=10**6)).values
    ]
    topic.check(list(objects(bucket)))
    assert (await worker.get("orders")).processed == len(topic.good)
    assert set(letters) == topic.poison


def connector(bucket: Bucket, rng: random.Random, **options: int) -> dict[str, Any]:
    config = {
        "s3.bucket": bucket.name,
        "s3.endpoint": bucket.server.url,
        "s3.access.key": bucket.server.access_key,
        "s3.secret.key": bucket.server.secret_key,
        "partitioning": "hourly",
        "errors.tolerance": "all",
        "batch.size": rng.choice([20, 50, 300, 10_000]),
        "batch.bytes": rng.choice([4 << 10, 50 << 10, 300 << 10]),
        "batch.interval_ms": rng.choice([5, 50, 500]),
        "retry.backoff.ms": 20,
        "retry.backoff.max.ms": 200,
        **options,
    }
    return {"name": "orders", "connectorClass": "s3-sink", "topics": ["orders"], "config": config}


def objects(bucket: Bucket) -> Iterator[Stored]:
    """Read all objects of a bucket."""
    with closing(bucket.server.client()) as client:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name):
            for each in page.get("Contents", []):
                answer = client.get_object(Bucket=bucket.name, Key=each["Key"])

                with answer["Body"] as body:
                    metadata = {key.removeprefix("streamhouse-"): text for key, text in answer["Metadata"].items()}
                    yield Stored(each["Key"], body.read(), metadata, answer["ETag"])
