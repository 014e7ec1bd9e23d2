"""What the embedded brokers share: all of the contract but the place where blobs are kept.

Knows nothing of SQLite, nor of connectors.
"""

from __future__ import annotations

import threading
import time
import uuid
from itertools import count
from typing import TYPE_CHECKING, Final

from streamhouse_connect.brokers._blobs import decode, encode
from streamhouse_connect.brokers._consumer import EmbeddedConsumer
from streamhouse_connect.brokers._topics import check_topic, find
from streamhouse_connect.brokers.interface import Appended, Broker, Topic
from streamhouse_connect.brokers.partitioning import KeyPartitioner, check_partitions
from streamhouse_connect.errors import NotFoundError
from streamhouse_connect.records import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamhouse_connect.brokers._blobs import Piece
    from streamhouse_connect.brokers._storage import Storage
    from streamhouse_connect.brokers._topics import TopicLog
    from streamhouse_connect.brokers.interface import Committed, Consumer, NewRecords, RebalanceListener
    from streamhouse_connect.brokers.subscription import Subscription
    from streamhouse_connect.records import Batch

__all__ = ["EmbeddedBroker"]

_READ_BYTES: Final = 64 * 2**20


class EmbeddedBroker(Broker):
    """A broker inside this process. A group has one consumer, with all partitions; a newer one takes over from an older."""

    def __init__(self, storage: Storage, *, clock: Callable[[], float] = time.time) -> None:
        self._storage = storage
        self._clock = clock
        self._partitioner = KeyPartitioner()
        self._consumers: dict[str, EmbeddedConsumer] = {}
        self._guard = threading.Lock()

    async def open(self) -> None:
        await self._storage.open(self._changed)

    async def close(self) -> None:
        with self._guard:
            consumers = list(self._consumers.values())
            self._consumers.clear()

        for consumer in consumers:
            consumer.end("the broker was closed; open it, and make a new consumer")

        await self._storage.close()

    # ------------------------------------------------------------------------------------------------------ topics

    async def create_topic(
        self, name: str, *, partitions: int = 1, retention_ms: int | None = None, retention_bytes: int | None = None
    ) -> Topic:
        check_topic(name, partitions=partitions, retention_ms=retention_ms, retention_bytes=retention_bytes)
        topic = Topic(name, str(uuid.uuid4()), partitions, retention_ms, retention_bytes)
        await self._storage.create_topic(topic)
        return topic

    async def topics(self) -> list[Topic]:
        logs = self._storage.logs
        return [logs[name].topic for name in sorted(logs)]

    async def topic(self, name: str) -> Topic:
        return find(self._storage.logs, name).topic

    async def delete_topic(self, name: str) -> None:
        await self._storage.delete_topic(find(self._storage.logs, name))

    async def watermarks(self, topic: str) -> Mapping[TopicPartition, tuple[int, int]]:
        log = find(self._storage.logs, topic)
        return {tp: (log.starts[tp.partition], log.ends[tp.partition]) for tp in log.tps()}

    # ----------------------------------------------------------------------------------------------------- records

    async def append(self, topic: str, records: NewRecords) -> Appended:
        log = find(self._storage.logs, topic)
        partitions = self._partitions(log, records)

        if not records.values:
            return Appended((), ())

        now = int(self._clock() * 1000)
        pieces = encode(records, partitions=partitions, now=now)
        firsts = await self._storage.append(log, pieces, now=now)
        return _appended(partitions, pieces, firsts)

    def _partitions(self, log: TopicLog, records: NewRecords) -> int | Sequence[int]:
        """Return the one partition of all records, or each record's."""
        topic, number, given = log.topic, len(records.values), records.partitions

        if given is not None:
            if len(given) != number:
                raise ValueError(f"{len(given)} partitions for {number} values: columns are parallel")

            check_partitions(topic, given)

        if topic.partitions == 1:
            return 0

        if given is not None and None not in given:
            return given  # type: ignore[return-value]  # the line above narrows it

        # Without a key they all go to one partition, another one at the next append: as few blobs as possible.
        unkeyed = next(log.spread) % topic.partitions

        if records.keys is None and given is None:
            return unkeyed

        keys = records.keys or (None,) * number
        chosen = self._partitioner(keys, topic.partitions, unkeyed=unkeyed)

        return chosen if given is None else [c if g is None else g for c, g in zip(chosen, given, strict=True)]

    async def read(self, tp: TopicPartition, offset: int, *, max_records: int) -> Batch:
        log = find(self._storage.logs, tp.topic)

        if not 0 <= tp.partition < log.topic.partitions:
            raise NotFoundError(
                f"there is no partition {tp.partition} in topic {tp.topic!r}, which has 0 to {log.topic.partitions - 1}",
                code="unknown_partition",
            )

        start = max(offset, log.starts[tp.partition])
        end = min(log.ends[tp.partition], start + max_records)

        if start >= end:
            return decode(tp, start, (), end=start)

        return await self._storage.read(
            lambda reader: decode(
                tp, start, reader.blobs(log, tp.partition, start, end=end, max_bytes=_READ_BYTES), end=end
            )
        )

    # --------------------------------------------------------------------------------------------------- consumers

    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> Consumer:
        consumer = EmbeddedConsumer(group, subscription, listener, storage=self._storage, closed=self._left)

        with self._guard:
            older = self._consumers.get(group)
            self._consumers = {**self._consumers, group: consumer}

        if older is not None:
            older.supersede()

        return consumer

    def _left(self, consumer: EmbeddedConsumer) -> None:
        with self._guard:
            if self._consumers.get(consumer.group) is consumer:
                self._consumers = {group: c for group, c in self._consumers.items() if c is not consumer}

    def _changed(self, topic: str) -> None:
        for consumer in self._consumers.values():
            consumer.notify(topic)

    async def committed(self, group: str) -> Mapping[TopicPartition, Committed]:
        names = {log.key: name for name, log in self._storage.logs.items()}
        found = await self._storage.committed(group)

        return {
            TopicPartition(names[key], partition): commit
            for (key, partition), commit in sorted(found.items())
            if key in names
        }

    async def delete_group(self, group: str) -> None:
        await self._storage.delete_group(group)


def _appended(partitions: int | Sequence[int], pieces: Sequence[Piece], firsts: Sequence[int]) -> Appended:
    if isinstance(partitions, int):
        number = sum(piece.count for piece in pieces)
        return Appended((partitions,) * number, range(firsts[0], firsts[0] + number))

    counters: dict[int, count[int]] = {}

    for piece, first in zip(pieces, firsts, strict=True):
        counters.setdefault(piece.partition, count(first))

    return Appended(partitions, [next(counters[partition]) for partition in partitions])
