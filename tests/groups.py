"""A broker in memory whose consumers of a group share the partitions, as Kafka's do: for tests of workers and tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterable, Mapping

import attrs

from streamhouse_connect import (
    Batch,
    Committed,
    Consumer,
    MemoryBroker,
    NotFoundError,
    RebalanceListener,
    Subscription,
    Superseded,
    TopicPartition,
)

_PAUSE = 0.002


@attrs.define(eq=False)
class Group:
    """Who is in a group, who holds which partition, and what was committed. Consumers change it under `guard`."""

    members: list[GroupConsumer] = attrs.field(factory=list)
    holders: dict[TopicPartition, GroupConsumer] = attrs.field(factory=dict)
    commits: dict[TopicPartition, Committed] = attrs.field(factory=dict)
    commits_made: list[tuple[TopicPartition, int]] = attrs.field(factory=list)
    guard: threading.RLock = attrs.field(factory=threading.RLock)


class SharedMemoryBroker(MemoryBroker):
    """Splits the partitions of a group evenly; workers may share it: it is open until its process ends."""

    shares_partitions = True

    def __init__(self) -> None:
        super().__init__()
        self.groups: dict[str, Group] = {}

    async def close(self) -> None:
        """Stay open for the other workers."""

    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> Consumer:
        return GroupConsumer(self, self.group(group), subscription, listener)

    def group(self, name: str) -> Group:
        """Return a group; it is there when somebody asks for it."""
        return self.groups.setdefault(name, Group())

    async def committed(self, group: str) -> Mapping[TopicPartition, Committed]:
        return dict(self.group(group).commits)

    async def delete_group(self, group: str) -> None:
        self.group(group).commits.clear()

    def expel(self, group: str, member: int) -> None:
        """Take a consumer out of its group as a broker does that has not heard of it for too long."""
        found = self.group(group)

        with found.guard:
            expelled = found.members.pop(member)
            found.holders = {tp: holder for tp, holder in found.holders.items() if holder is not expelled}


class GroupConsumer(Consumer):
    """Has its share of the partitions; learns of changes at every look of `poll`."""

    def __init__(
        self, broker: SharedMemoryBroker, group: Group, subscription: Subscription, listener: RebalanceListener
    ) -> None:
        self._broker = broker
        self._group = group
        self._subscription = subscription
        self._listener = listener
        self._positions: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.read_bytes = 0
        self._closed = False

        with group.guard:
            group.members.append(self)

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout

        while True:
            await self._rebalance()
            batches = await self._read(max_records)

            if batches or loop.time() >= deadline:
                return batches

            await asyncio.sleep(_PAUSE)

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Committed]:
        return {tp: self._group.commits[tp] for tp in partitions if tp in self._group.commits}

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        with self._group.guard:
            if foreign := [tp for tp in offsets if self._group.holders.get(tp) is not self]:
                raise Superseded(foreign)

            self._group.commits.update(offsets)
            self._group.commits_made += [(tp, commit.offset) for tp, commit in offsets.items()]

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused.update(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused.difference_update(partitions)

    async def seek(self, tp: TopicPartition, offset: int | None) -> int:
        start, end = (await self._broker.watermarks(tp.topic))[tp]
        default = end if self._subscription.offset_reset == "latest" else start
        self._positions[tp] = default if offset is None or offset < start else offset
        return self._positions[tp]

    async def close(self) -> None:
        if self._closed:
            return

        self._closed = True

        if self in self._group.members:
            await self._give_up(frozenset(self._positions))

            with self._group.guard:
                self._group.members.remove(self)
        elif self._positions:
            await self._listener.lost(tuple(self._positions))

    async def _rebalance(self) -> None:
        partitions = [
            tp
            for topic in await self._broker.topics()
            if self._subscription.includes(topic.name)
            for tp in await self._partitions(topic.name)
        ]

        with self._group.guard:
            expelled = self not in self._group.members

            if expelled:
                self._group.members.append(self)

            members = self._group.members
            wanted = {tp for index, tp in enumerate(partitions) if members[index % len(members)] is self}

        if expelled and self._positions:
            lost = tuple(self._positions)
            self._positions.clear()
            await self._listener.lost(lost)

        await self._give_up(self._positions.keys() - wanted)
        await self._take(sorted(wanted - self._positions.keys()))

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        try:
            return sorted(await self._broker.watermarks(topic))
        except NotFoundError:
            return []

    async def _give_up(self, partitions: Collection[TopicPartition]) -> None:
        if not partitions:
            return

        await self._listener.revoked(tuple(partitions))

        with self._group.guard:
            for tp in partitions:
                self._positions.pop(tp, None)
                self.paused.discard(tp)

                if self._group.holders.get(tp) is self:
                    del self._group.holders[tp]

    async def _take(self, partitions: Iterable[TopicPartition]) -> None:
        with self._group.guard:
            free = [tp for tp in partitions if tp not in self._group.holders]
            self._group.holders.update(dict.fromkeys(free, self))

        if free:
            self._positions.update(dict.fromkeys(free, 0))
            await self._listener.assigned(free)

    async def _read(self, max_records: int) -> list[Batch]:
        batches = []

        for tp in list(self._positions):
            if tp in self.paused or max_records <= 0:
                continue

            position = self._positions[tp]
            batch = await self._broker.read(tp, position, max_records=max_records)

            if len(batch) and self._positions.get(tp) == position:
                self._positions[tp] = batch.spans[-1].next_offset
                max_records -= len(batch)
                self.read_bytes += batch.nbytes
                batches.append(batch)

        return batches
