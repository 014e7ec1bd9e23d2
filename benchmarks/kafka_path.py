"""One path from a topic of Kafka to a destination, in a process of its own: run by `python -m benchmarks kafka`.

    python -m benchmarks.kafka_path '{"bootstrap": …, "topic": …, "sink": {"connectorClass": …, "config": {…}}}'

A worker runs one connector with one task until everything is delivered and committed, in a process tuned as `serve` tunes its
own. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from benchmarks.timing import Timing
from streamhouse_connect import Batch, KafkaBroker, Registry, Sink, Worker, hookimpl
from streamhouse_connect.brokers import Committed, Consumer, RebalanceListener, Subscription
from streamhouse_connect.records import TopicPartition
from streamhouse_connect_server.process import prepare, settled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

SECONDS = 900


@attrs.frozen
class DropConfig:
    """There is nothing to choose."""


class DropSink(Sink[DropConfig]):
    """Touches every value, and keeps none."""

    name = "drop-sink"
    config_class = DropConfig
    nbytes: ClassVar[int] = 0

    async def write(self, batch: Batch) -> None:
        DropSink.nbytes += sum(len(value) for value in batch.values if value is not None)


class Plugin:
    """What a distribution with a drop sink would have as its entry point."""

    @hookimpl
    def streamhouse_register_sinks(self) -> list[type[Sink[Any]]]:
        return [DropSink]


@attrs.frozen
class TimedConsumer(Consumer):
    """A consumer that notes when records come and when commits are done."""

    consumer: Consumer
    timing: Timing

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:  # noqa: ASYNC109 - the contract's
        batches = await self.consumer.poll(max_records=max_records, timeout=timeout)

        if batches:
            self.timing.begin()

        return batches

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        await self.consumer.commit(offsets)
        self.timing.end()

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Committed]:
        return await self.consumer.committed(partitions)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self.consumer.pause(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self.consumer.resume(partitions)

    async def seek(self, tp: TopicPartition, offset: int | None) -> int:
        return await self.consumer.seek(tp, offset)

    async def close(self) -> None:
        await self.consumer.close()


class TimedBroker(KafkaBroker):
    """Kafka, whose consumers are timed."""

    def __init__(self, bootstrap_servers: str, timing: Timing) -> None:
        super().__init__(bootstrap_servers)
        self._timing = timing

    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> Consumer:
        return TimedConsumer(super().consumer(group, subscription, listener), self._timing)


async def measure(*, bootstrap: str, topic: str, sink: Mapping[str, object]) -> None:
    prepare()
    timing = Timing()
    name = f"bench-{uuid.uuid4().hex[:12]}"

    async with Worker(TimedBroker(bootstrap, timing), registry=Registry(plugins=[Plugin()])) as worker:
        with settled():
            await worker.create({"name": name, "topics": [topic], **sink})
            await worker.drained(name, timeout=SECONDS)

    timing.report(DropSink.nbytes)


if __name__ == "__main__":
    asyncio.run(measure(**json.loads(sys.argv[1])))
