"""A consumer without a group protocol: it has all partitions of its topics, and keeps its offsets itself.

For brokers whose groups are poor or missing. One worker only: nobody hands partitions out. A newer consumer of a group takes
over from an older one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import TopicPartition as Place

from streamhouse_connect.brokers.kafka._consumer import KafkaConsumer
from streamhouse_connect.errors import Superseded
from streamhouse_connect.records import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from streamhouse_connect.brokers.interface import Committed
    from streamhouse_connect.brokers.kafka._offsets import Offsets

__all__ = ["ManualConsumer"]


class ManualConsumer(KafkaConsumer):
    """Reads all partitions."""

    def __init__(self, *args: Any, offsets: Offsets, **more: Any) -> None:
        super().__init__(*args, **more)
        self._offsets = offsets
        self._seen: object = None
        self._taken: set[TopicPartition] = set()
        self._is_superseded = False

    def supersede(self) -> None:
        """Let go of everything: another consumer of the group has come. From any thread."""
        self._is_superseded = True
        self._seen = None

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Committed]:
        found = await self._offsets.read(self.group, await self._watch.ids_of({tp.topic for tp in partitions}))
        return {tp: found[tp] for tp in partitions if tp in found}

    async def _commit(self, offsets: Mapping[TopicPartition, Committed]) -> set[TopicPartition]:
        if self._is_superseded:
            raise Superseded(offsets)

        await self._offsets.write(self.group, offsets, {tp.topic: self._places.topic_id(tp) for tp in offsets})
        return set()

    async def _leave(self) -> None:
        await self._moves.gone([Place(tp.topic, tp.partition) for tp in sorted(self._taken)], lost=self._is_superseded)

    def _subscribe(self) -> None:
        counts = self._watch.counts

        if counts is self._seen:
            return

        self._seen = counts
        names = () if self._is_superseded else [name for name in sorted(counts) if self._subscription.includes(name)]
        wanted = {TopicPartition(name, partition) for name in names for partition in range(counts[name])}
        gone, new = self._taken - wanted, wanted - self._taken
        self._taken = wanted

        if gone:
            self._moves.on_lost(None, [Place(tp.topic, tp.partition) for tp in sorted(gone)])

        if new:
            self._moves.on_assign(None, [Place(tp.topic, tp.partition) for tp in sorted(new)])
