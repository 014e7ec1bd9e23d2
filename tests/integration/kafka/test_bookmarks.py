"""A connector on Kafka whose group's offsets are deleted while nobody is in it, as they are after a week."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from services import Topics
from streamhouse_connect import KafkaBroker, KafkaDefinitionStore, NewRecords, Registry, Worker

PARTITIONS = 4

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("reset", ["earliest", "latest"])
async def test_it_goes_on_where_it_was(kafka: Topics, tmp_path: Path, reset: str) -> None:
    """Whatever offset.reset says: nothing is read again, and nothing is passed over; a later worker knows it too."""
    name, topic = f"{kafka.prefix}c", f"{kafka.prefix}orders"

    def worker() -> Worker:
        definitions = KafkaDefinitionStore(kafka.bootstrap, group=f"{kafka.prefix}workers")
        return Worker(KafkaBroker(kafka.bootstrap), definitions=definitions, registry=Registry(entry_points=False))

    async def produce(worker: Worker, first: int, stop: int) -> None:
        values = [b'{"n":%d}' % number for number in range(first, stop)]
        partitions = [number % PARTITIONS for number in range(first, stop)]
        await worker.broker.append(topic, NewRecords(values=values, partitions=partitions))

    async with worker() as one:
        await one.broker.create_topic(topic, partitions=PARTITIONS)
        config = {"file.path": str(tmp_path), "batch.interval_ms": 10, "offset.reset": "earliest"}
        body = {"name": name, "connectorClass": "file-sink", "topics": [topic], "config": config}
        await one.create(body)
        await produce(one, 0, 100)
        await one.drained(name, timeout=30)
        await one.stop(name)
        await one.update(name, {**body, "config": {**config, "offset.reset": reset}})

    await delete_offsets(kafka.bootstrap, f"connect-{name}", topic)

    for path in tmp_path.rglob("batch-*"):
        path.unlink()  # whoever reads from the start writes it again

    async with worker() as two:
        await produce(two, 100, 200)
        await two.resume(name)
        await two.drained(name, timeout=30)

    found = [line for path in tmp_path.rglob("batch-*") for line in path.read_bytes().splitlines()]
    assert Counter(json.loads(line)["n"] for line in found) == Counter(range(100, 200))


async def delete_offsets(bootstrap: str, group: str, topic: str) -> None:
    """Delete what a group has committed, as a broker does that has not seen it for too long."""
    partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    asked = ConsumerGroupTopicPartitions(group, partitions)
    assert admin.list_consumer_group_offsets([asked])[group].result(10).topic_partitions[0].offset > 0
    assert admin.delete_consumer_groups([group])[group].result(10) is None
