"""What goes wrong with a process: it crashes after so many effects, and answers to it get lost."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar

import attrs

from streamhouse_connect import (
    Batch,
    Committed,
    Consumer,
    FatalError,
    MemoryBroker,
    ObjectInfo,
    ObjectSink,
    RebalanceListener,
    RetriableError,
    SinkContext,
    Subscription,
    TopicPartition,
)

__all__ = ["Chance", "CrashingBroker", "Unreliable"]


@attrs.define(eq=False)
class Chance:
    """Decides what goes wrong: a run crashes after so many effects, and answers get lost on the way."""

    random: random.Random
    effects_left: int | None = None
    lost_answers: float = 0.0

    def effect(self) -> bool:
        """Return whether an effect takes place; after a crash none does."""
        if self.effects_left is None:
            return True

        self.effects_left -= 1
        return self.effects_left >= 0

    @property
    def crashed(self) -> bool:
        """Whether the process is gone."""
        return self.effects_left is not None and self.effects_left <= 0


class Unreliable(ObjectSink[Any]):
    """Creates objects as far as chance lets it; goes before a sink among the bases of a class."""

    chance: ClassVar[Chance]

    async def open(self, context: SinkContext) -> None:
        if self.chance.crashed:  # or else it would come back, and take the partitions from its successor for good
            raise FatalError("crashed")

        await super().open(context)

    async def create(self, key: str, body: memoryview, info: ObjectInfo) -> bool:
        chance = self.chance

        if chance.random.random() < 0.3:
            await asyncio.sleep(0)

        if not chance.effect():
            raise FatalError("crashed")

        created = await super().create(key, body, info)  # type: ignore[safe-super]  # the next base has one

        if chance.crashed:
            raise FatalError("crashed just after")

        if chance.random.random() < chance.lost_answers:
            raise RetriableError("the answer was lost")

        return created


class CrashingConsumer(Consumer):
    """Commits only as long as the process lives."""

    def __init__(self, consumer: Consumer, chance: Chance) -> None:
        self.consumer = consumer
        self.chance = chance

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:
        return await self.consumer.poll(max_records=self.chance.random.randint(1, 40), timeout=timeout)

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Committed]:
        return await self.consumer.committed(partitions)

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        if not self.chance.effect():
            raise FatalError("crashed")

        await self.consumer.commit(offsets)

        if self.chance.crashed:
            raise FatalError("crashed just after")

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self.consumer.pause(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self.consumer.resume(partitions)

    async def seek(self, tp: TopicPartition, offset: int | None) -> int:
        return await self.consumer.seek(tp, offset)

    async def close(self) -> None:
        await self.consumer.close()


class CrashingBroker(MemoryBroker):
    """One broker for every run; each run gets a chance of its own, and is the newest of its group from when it has joined."""

    chance: Chance
    joined: threading.Event

    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> Consumer:
        consumer = CrashingConsumer(super().consumer(group, subscription, listener), self.chance)
        self.joined.set()
        return consumer

    async def close(self) -> None:
        """Stay open for the next run."""
