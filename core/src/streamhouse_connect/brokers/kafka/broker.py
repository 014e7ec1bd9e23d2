"""Kafka as a broker: the contract, put together from the clients that do the work.

Admin       topics, offsets, groups          KafkaConsumer   reading as a member of a group
Appender    appends                          Reader          reads outside any group
TopicWatch  what topics there are, for all consumers
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

import attrs

from streamhouse_connect.brokers._topics import check_topic, unknown_topic
from streamhouse_connect.brokers.interface import Appended, Broker, Topic
from streamhouse_connect.brokers.kafka._offsets import Offsets
from streamhouse_connect.brokers.partitioning import KeyPartitioner, check_partitions
from streamhouse_connect.columns import PlainColumns
from streamhouse_connect.errors import ConfigError, FatalError, NotFoundError, Problem, RetriableError
from streamhouse_connect.records import Batch, Span, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from streamhouse_connect.brokers.interface import Committed, Consumer, NewRecords, RebalanceListener
    from streamhouse_connect.brokers.kafka._admin import Admin
    from streamhouse_connect.brokers.kafka._clients import Clients
    from streamhouse_connect.brokers.kafka._offsets import StateKeeper
    from streamhouse_connect.brokers.subscription import Subscription

__all__ = ["KafkaBroker"]

R = TypeVar("R")

_NOTHING: Final = PlainColumns(values=(), keys=(), offsets=(), timestamps=(), headers=())
_ASSIGNMENT: Final = "consumer.assignment"
_GROUP_SECONDS: Final = 10.0
_GROUP_LOOK_SECONDS: Final = 0.2


class KafkaBroker(Broker):
    """A cluster; `properties` are librdkafka's, for all clients: security, timeouts, and so on. They may hold secrets.

    One more is ours: `consumer.assignment=manual` does without consumer groups. Then there is one worker, which reads all
    partitions, and its offsets are kept in `offsets`, such as a definition store. No list has the `hidden` topics in it, and no
    pattern takes them in.

    :raises FatalError: if the client library is not installed.
    :raises ConfigError: if `consumer.assignment` is something else, or lacks `offsets`.
    """

    name: ClassVar[str] = "kafka"

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        properties: Mapping[str, str] | None = None,
        offsets: StateKeeper | None = None,
        hidden: Collection[str] = (),
    ) -> None:
        if find_spec("confluent_kafka") is None:
            raise FatalError('the Kafka broker needs confluent-kafka: pip install "streamhouse-connect[kafka]"')

        self._properties = {**(properties or {}), "bootstrap.servers": bootstrap_servers}
        self.shares_partitions = _is_group(self._properties.pop(_ASSIGNMENT, "group"), offsets)
        self._offsets = Offsets(offsets) if offsets is not None and not self.shares_partitions else None
        self._hidden = frozenset(hidden)
        self._partitioner = KeyPartitioner()
        self._spread = count()
        self._opened: Clients | None = None

    async def open(self) -> None:
        if self._opened is None:
            from streamhouse_connect.brokers.kafka._clients import Clients  # noqa: PLC0415 - takes the client library in

            self._opened = await asyncio.to_thread(Clients, self._properties, self._offsets)

    async def close(self) -> None:
        opened, self._opened = self._opened, None

        if opened is not None:
            await asyncio.to_thread(opened.close)

    # ------------------------------------------------------------------------------------------------------ topics

    async def create_topic(
        self, name: str, *, partitions: int = 1, retention_ms: int | None = None, retention_bytes: int | None = None
    ) -> Topic:
        check_topic(name, partitions=partitions, retention_ms=retention_ms, retention_bytes=retention_bytes)
        return await self._admin.create(
            name, partitions=partitions, retention_ms=retention_ms, retention_bytes=retention_bytes
        )

    async def topics(self) -> list[Topic]:
        found = await self._admin.describe(list(await self._admin.names()))
        return [found[name] for name in sorted(found) if name not in self._hidden]

    async def topic(self, name: str) -> Topic:
        found = await self._admin.describe([name])

        if name not in found:
            raise unknown_topic(name)

        return found[name]

    async def delete_topic(self, name: str) -> None:
        await self.topic(name)
        await self._admin.delete(name)

    async def watermarks(self, topic: str) -> Mapping[TopicPartition, tuple[int, int]]:
        return await self._admin.watermarks(topic, (await self.topic(topic)).partitions)

    # ----------------------------------------------------------------------------------------------------- records

    async def append(self, topic: str, records: NewRecords) -> Appended:
        """See `Broker.append`; a failure in the middle of several records may leave some of them."""
        found = await self.topic(topic)
        partitions = self._partitions(found, records)

        if not records.values:
            return Appended((), ())

        opened = self._open
        future = await self._run(lambda: opened.appender.append(topic, records, partitions))
        offsets = await asyncio.wrap_future(future)
        return Appended(partitions, offsets)

    def _partitions(self, topic: Topic, records: NewRecords) -> Sequence[int]:
        number, given = len(records.values), records.partitions
        check_partitions(topic, given or ())
        unkeyed = next(self._spread) % topic.partitions
        chosen = self._partitioner(records.keys or (None,) * number, topic.partitions, unkeyed=unkeyed)
        return chosen if given is None else [c if g is None else g for c, g in zip(chosen, given, strict=True)]

    async def read(self, tp: TopicPartition, offset: int, *, max_records: int) -> Batch:
        topic = await self.topic(tp.topic)

        if not 0 <= tp.partition < topic.partitions:
            raise NotFoundError(
                f"there is no partition {tp.partition} in topic {tp.topic!r}, which has 0 to {topic.partitions - 1}",
                code="unknown_partition",
            )

        start, end = (await self._admin.watermarks(tp.topic, topic.partitions))[tp]
        first = max(offset, start)

        if first >= end or max_records <= 0:
            return Batch(_NOTHING, spans=(Span(tp, 0, 0, first, first),), nbytes=0)

        reader = self._open.reader
        return await self._run(lambda: reader.read(tp, first, end, max_records=max_records))

    # --------------------------------------------------------------------------------------------------- consumers

    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> Consumer:
        visible = attrs.evolve(subscription, excluded=subscription.excluded | self._hidden)
        return self._open.consumer(group, visible, listener)

    async def committed(self, group: str) -> Mapping[TopicPartition, Committed]:
        if self._offsets is not None:
            topics = await self._admin.describe(await self._offsets.topics(group))
            return await self._offsets.read(group, {name: topic.id for name, topic in topics.items()})

        return await self._admin.committed(group)

    async def delete_group(self, group: str) -> None:
        """See `Broker.delete_group`; members that are about to leave are waited for.

        :raises RetriableError: if it keeps members.
        """
        if self._offsets is not None:
            await self._offsets.forget(group)
            return

        deadline = asyncio.get_running_loop().time() + _GROUP_SECONDS

        while True:
            try:
                await self._admin.delete_group(group)
            except RetriableError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            else:
                return

            await asyncio.sleep(_GROUP_LOOK_SECONDS)

    # ---------------------------------------------------------------------------------------------------- clients

    @property
    def _open(self) -> Clients:
        if self._opened is None:
            raise FatalError("the broker is not open; use it inside `async with`")

        return self._opened

    @property
    def _admin(self) -> Admin:
        return self._open.admin

    async def _run(self, act: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._open.threads, act)


def _is_group(assignment: str, offsets: StateKeeper | None) -> bool:
    if assignment not in ("group", "manual"):
        raise ConfigError([Problem(_ASSIGNMENT, f"must be group or manual, but is {assignment!r}")])

    if assignment == "manual" and offsets is None:
        raise ConfigError([Problem(_ASSIGNMENT, "is manual, which needs a place for the offsets: a definition store")])

    return assignment == "group"
