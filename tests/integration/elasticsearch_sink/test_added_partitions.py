"""Topics that are given partitions, under documents versioned by offset: on a real Kafka, which tells of them in its own time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

import attrs
import pytest

from integration.elasticsearch_sink.conftest import Index
from services import Topics
from streamhouse_connect import ConnectorInfo, KafkaBroker, NewRecords, NotFoundError, State, Worker

KEYS: Final = 12
SECONDS: Final = 30.0


@attrs.frozen
class Growing:
    """A topic of two partitions, in which each key has its partition by its number, and a connector that reads it."""

    topic: str
    worker: Worker
    kafka: Topics
    index: Index

    async def create(self, **options: object) -> None:
        """Make the connector."""
        await self.worker.create(self._body(options))

    async def update(self, **options: object) -> None:
        """Give the connector other options."""
        await self.worker.update(self.topic, self._body(options))

    async def produce(self, *numbers: int, partitions: int) -> object:
        """Append a record of each key for every number; perhaps more than once."""
        keys = [key for _ in numbers for key in range(KEYS)]
        records = NewRecords(
            values=[b'{"n":%d}' % n for n in numbers for _ in range(KEYS)],
            keys=[b"%d" % key for key in keys],
            partitions=[key % partitions for key in keys],
        )

        async with asyncio.timeout(SECONDS):
            while True:
                with suppress(NotFoundError):  # the producer has not heard of an added partition yet
                    return await self.worker.broker.append(self.topic, records)

                await asyncio.sleep(0.1)

    async def until(self, condition: Callable[[ConnectorInfo], bool]) -> ConnectorInfo:
        """Wait until something holds of the connector."""
        async with asyncio.timeout(SECONDS):
            while not condition(info := await self.worker.get(self.topic)):
                await asyncio.sleep(0.05)

        return info

    async def drained(self) -> None:
        """Wait until all is delivered."""
        await self.worker.drained(self.topic, timeout=SECONDS)

    def _body(self, options: dict[str, object]) -> dict[str, Any]:
        config = {
            "connection.url": self.index.server.url,
            "index.name": self.index.name,
            "document.id": "{key}",
            "batch.interval_ms": 5,
            **options,
        }
        return {"name": self.topic, "connectorClass": "elasticsearch-sink", "topics": [self.topic], "config": config}


@pytest.fixture
async def growing(kafka: Topics, index: Index) -> AsyncIterator[Growing]:
    topic = f"{kafka.prefix}orders"

    async with Worker(KafkaBroker(kafka.bootstrap)) as worker:
        await worker.broker.create_topic(topic, partitions=2)
        yield Growing(topic, worker, kafka, index)


async def test_added_partitions_stop_the_connector_until_they_are_acknowledged(growing: Growing):
    """Then moved keys are written from offsets that are lower than before, and none is taken for an older one."""
    await growing.create()
    await growing.produce(*range(20), partitions=2)
    await growing.drained()
    growing.kafka.server.add_partitions(growing.topic, 3)
    failed = await growing.until(lambda info: info.state is State.FAILED)
    assert failed.error
    assert f"topic {growing.topic} has 3 partitions, and had 2 when documents were first versioned" in failed.error
    assert f"set version.partitions={growing.topic}:3. If not, choose version.source=timestamp:" in failed.error
    await growing.produce(20, partitions=3)
    assert growing.index.documents() == {str(key): {"n": 19} for key in range(KEYS)}
    await growing.update(**{"version.partitions": [f"{growing.topic}:3"]})
    await growing.drained()
    assert growing.index.documents() == {str(key): {"n": 20} for key in range(KEYS)}


async def test_every_task_stops_whoever_was_assigned_the_added_partition(growing: Growing):
    """The one that stops first leaves its partitions to the others, which learn of it by that."""
    await growing.create(**{"tasks.max": 2})
    await growing.produce(*range(20), partitions=2)
    await growing.until(lambda info: [len(task.partitions) for task in info.tasks] == [1, 1])
    await growing.drained()
    growing.kafka.server.add_partitions(growing.topic, 3)
    stopped: set[int] = set()

    def all_have_stopped(info: ConnectorInfo) -> bool:
        stopped.update(task.id for task in info.tasks if "has 3 partitions" in (task.error or ""))
        return len(stopped) == 2

    await growing.until(all_have_stopped)
    await growing.update(**{"tasks.max": 2, "version.partitions": [f"{growing.topic}:3"]})
    await growing.produce(20, partitions=3)
    await growing.drained()
    assert growing.index.documents() == {str(key): {"n": 20} for key in range(KEYS)}
