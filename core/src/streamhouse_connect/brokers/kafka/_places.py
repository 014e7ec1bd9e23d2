"""The partitions that a consumer has, and up to where each was handed out. Lives on the event loop; asks no broker itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs
from confluent_kafka import TopicPartition as Place

from streamhouse_connect.brokers.kafka._messages import MessageColumns
from streamhouse_connect.brokers.subscription import beyond_the_end, start_in
from streamhouse_connect.records import Batch, Span, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

    from streamhouse_connect.brokers.interface import Committed, RebalanceListener
    from streamhouse_connect.brokers.kafka._reads import Read
    from streamhouse_connect.brokers.subscription import Subscription

__all__ = ["Places"]

_TRIES: Final = 5
"""So often a position beyond the log's end is tried again: a new leader may not know the end yet."""


@attrs.define(eq=False)
class _Held:
    """One partition; `position` is None until somebody has said where reading starts."""

    topic_id: str
    position: int | None = None
    paused: bool = False
    tries: int = 0
    is_being_assigned: bool = True
    placed: float = math.inf
    """Since which placing the library reads from `position`; what it read before is void."""


@attrs.define(eq=False)
class Places:
    """What is assigned."""

    subscription: Subscription
    listener: RebalanceListener
    watermarks: Callable[[TopicPartition], Awaitable[tuple[int, int]]]
    _held: dict[TopicPartition, _Held] = attrs.field(factory=dict, init=False)

    def __contains__(self, tp: TopicPartition) -> bool:
        return tp in self._held

    def is_being_assigned(self, tp: TopicPartition) -> bool:
        """Tell whether the library does not know of the partition yet."""
        return self._held[tp].is_being_assigned

    def topic_id(self, tp: TopicPartition) -> str:
        """Return the id of the topic that the partition was taken up of."""
        return self._held[tp].topic_id

    def position(self, tp: TopicPartition) -> int:
        """Return the offset behind what was handed out."""
        return self._held[tp].position or 0

    # ------------------------------------------------------------------------------------------------ assignment

    async def assign(
        self,
        ids: Mapping[TopicPartition, str],
        committed: Callable[[Collection[TopicPartition]], Awaitable[Mapping[TopicPartition, Committed]]],
    ) -> dict[TopicPartition, int]:
        """Take partitions up, with their topics' ids; return where each starts: where the listener sought, or at its commit."""
        for tp, topic_id in ids.items():
            self._held[tp] = _Held(topic_id)

        try:
            await self.listener.assigned(list(ids))
            # What the listener has paused is not read: it seeks later.
            unsought = [tp for tp in ids if self._held[tp].position is None and not self._held[tp].paused]
            commits = await committed(unsought) if unsought else {}

            for tp in unsought:
                await self.seek(tp, commits[tp].offset if tp in commits else None)
        except BaseException:
            for tp in ids:
                self._held.pop(tp, None)

            raise

        for tp in ids:
            self._held[tp].is_being_assigned = False

        return {tp: self.position(tp) for tp in ids}

    async def release(self, ids: Mapping[TopicPartition, str | None]) -> None:
        """Let partitions go. Those of topics that are not what they were (another id, or None) are lost, others revoked."""
        known = {tp: topic_id for tp, topic_id in ids.items() if tp in self._held}
        revoked = [tp for tp, topic_id in known.items() if topic_id == self._held[tp].topic_id]
        lost = [tp for tp in known if tp not in revoked]

        try:
            if revoked:
                await self.listener.revoked(revoked)
        finally:
            for tp in known:
                self._held.pop(tp, None)

            if lost:
                await self.listener.lost(lost)

    def remade(self, ids: Mapping[str, str]) -> list[TopicPartition]:
        """Return the partitions whose topic has another id now."""
        return [tp for tp, held in self._held.items() if ids.get(tp.topic, held.topic_id) != held.topic_id]

    # ------------------------------------------------------------------------------------------------- positions

    async def seek(self, tp: TopicPartition, offset: int | None) -> int:
        """Find where reading goes on, and note it."""
        if tp not in self._held:
            raise ValueError(f"{tp} is not assigned to this consumer: seek what `assigned` names")

        start, end = await self.watermarks(tp)
        position = start_in(self.subscription, tp, offset, start=start, end=end)
        self._held[tp].position = position

        if offset is not None and 0 <= offset < start:
            await self.listener.missed(tp, offset, position)

        return position

    async def replace(self, misplaced: Collection[TopicPartition], group: str) -> list[TopicPartition]:
        """Find places for partitions at whose position there is nothing; return those that are to be read on.

        :raises FatalError: if a position stays beyond the log's end.
        """
        for tp in misplaced:
            if tp not in self._held:
                continue

            held, position = self._held[tp], self.position(tp)
            _, end = await self.watermarks(tp)

            if position > end:
                held.tries += 1

                if held.tries > _TRIES:
                    raise beyond_the_end(tp, group, position, end)

                continue

            await self.seek(tp, position)

        return [tp for tp in misplaced if tp in self._held]

    def batches(self, read: Read) -> list[Batch]:
        """Hand out what was read of the partitions that are still here and in place."""
        found = []

        for tp, messages in read.messages.items():
            if self._is_in_place(tp, read):
                end = (messages[-1].offset() or 0) + 1
                size = sum(map(len, messages))
                span = self._cover(tp, len(messages), end)
                found.append(Batch(MessageColumns(messages), spans=(span,), nbytes=size))

        for tp, end in read.ends.items():
            if self._is_in_place(tp, read) and end > self.position(tp):
                found.append(Batch(MessageColumns(()), spans=(self._cover(tp, 0, end),), nbytes=0))

        return found

    def lift(self, tps: Iterable[TopicPartition]) -> None:
        """Take nothing for these until they are placed: what is being read is not from where they are now."""
        for tp in tps:
            self._held[tp].placed = math.inf

    def placed(self, tps: Iterable[TopicPartition], placing: int) -> None:
        """Note from which placing on reads are from where these are now. In the thread that reads."""
        for tp in tps:
            if tp in self._held:
                self._held[tp].placed = placing

    def _is_in_place(self, tp: TopicPartition, read: Read) -> bool:
        return tp in self._held and read.placing >= self._held[tp].placed

    def _cover(self, tp: TopicPartition, count: int, end: int) -> Span:
        held = self._held[tp]
        span = Span(tp, 0, count, self.position(tp), end)
        held.position = end
        held.tries = 0
        return span

    # ----------------------------------------------------------------------------------------------------- pauses

    def pause(self, partitions: Iterable[TopicPartition]) -> list[Place]:
        """Note that these are paused; return those of them that the library has to be told of."""
        return self._set_paused(partitions, paused=True)

    def resume(self, partitions: Iterable[TopicPartition]) -> list[Place]:
        """Undo `pause`."""
        return self._set_paused(partitions, paused=False)

    def paused(self, partitions: Iterable[TopicPartition]) -> list[Place]:
        """Return those that are paused: the library forgets it when partitions are placed anew."""
        return [Place(tp.topic, tp.partition) for tp in partitions if tp in self._held and self._held[tp].paused]

    def _set_paused(self, partitions: Iterable[TopicPartition], *, paused: bool) -> list[Place]:
        held = [tp for tp in partitions if tp in self._held]

        for tp in held:
            self._held[tp].paused = paused

        return [Place(tp.topic, tp.partition) for tp in held if not self._held[tp].is_being_assigned]
