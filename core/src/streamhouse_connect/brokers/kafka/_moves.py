"""What changes where a consumer reads: rebalances, topics that are made again, seeks, and positions at which there is nothing.

thread        on_assign, on_revoke, on_lost: each waits for the listener, which is on the event loop
event loop    all else; what the library has to be told is told in the thread
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from confluent_kafka import TopicPartition as Place

from streamhouse_connect.errors import FatalError
from streamhouse_connect.records import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping

    from streamhouse_connect.brokers.interface import Committed
    from streamhouse_connect.brokers.kafka._group_client import GroupClient
    from streamhouse_connect.brokers.kafka._places import Places
    from streamhouse_connect.brokers.kafka._watch import TopicWatch

__all__ = ["Moves"]


class Moves:
    """Keeps the places and the library in step; `failed` is told what goes wrong where nobody can be told."""

    loop: asyncio.AbstractEventLoop
    """The one that polls, and on which the listener is told."""

    def __init__(
        self,
        group: GroupClient,
        places: Places,
        watch: TopicWatch,
        *,
        committed: Callable[[Collection[TopicPartition]], Awaitable[Mapping[TopicPartition, Committed]]],
        failed: Callable[[Exception], None],
    ) -> None:
        self._group = group
        self._places = places
        self._watch = watch
        self._committed = committed
        self._failed = failed
        self._is_over = False
        self.placing = 0
        """Counts in the thread: what was read before a partition was placed anew is void."""

    def end(self) -> None:
        """Tell the listener nothing more; from any thread."""
        self._is_over = True

    def on_assign(self, _: object, places: list[Place]) -> None:
        tps = [TopicPartition(place.topic, place.partition) for place in places]
        starts = self._on_loop(self._assigned(tps)) or {}
        self._place(starts)

    def on_revoke(self, _: object, places: list[Place]) -> None:
        self._on_loop(self.gone(places, lost=False))
        self._group.client.incremental_unassign(places)

    def on_lost(self, _: object, places: list[Place]) -> None:
        self._on_loop(self.gone(places, lost=True))
        self._group.client.incremental_unassign(places)

    async def gone(self, places: list[Place], *, lost: bool) -> None:
        """Let partitions go, and tell the listener: as lost, or as what they turn out to be."""
        tps = [TopicPartition(place.topic, place.partition) for place in places]
        ids = {} if lost else await self._watch.ids_of({tp.topic for tp in tps})
        await self._places.release({tp: None if lost else ids.get(tp.topic) for tp in tps})

    async def follow_topics(self) -> None:
        """Begin anew with topics that were deleted and made again."""
        if remade := self._places.remade(self._watch.ids):
            await self._places.release(dict.fromkeys(remade))
            await self._assigned(remade)
            await self.move(remade)

    async def replace(self, misplaced: Collection[TopicPartition]) -> None:
        """Find another place for partitions at whose position there is nothing to read."""
        if not misplaced:
            return

        ids = await self._watch.ids_of({tp.topic for tp in misplaced})
        remade = self._places.remade(ids)

        try:
            moved = await self._places.replace([tp for tp in misplaced if tp not in remade], self._group.group)
        except FatalError as error:
            self._failed(error)
            return

        await self.move(moved)
        await self.follow_topics()

    async def move(self, tps: Collection[TopicPartition]) -> None:
        """Have the library read on from our positions; what a read under way brings of these partitions is void."""
        if not tps:
            return

        self._places.lift(tps)
        starts = {tp: self._places.position(tp) for tp in tps}

        def move() -> None:
            self._group.client.incremental_unassign([Place(tp.topic, tp.partition) for tp in starts])
            self._place(starts)

        await self._group.do(move)

    def _on_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Wait for the listener; what it raises is raised by the poll."""
        if self._is_over:
            work.close()
            return None

        future = asyncio.run_coroutine_threadsafe(work, self.loop)

        try:
            self._group.thread.serve_until(future)
            return future.result()
        except Exception as error:  # noqa: BLE001 - the library can't be told
            self._failed(error)
            return None

    async def _assigned(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        ids = await self._watch.ids_of({tp.topic for tp in tps})
        return await self._places.assign({tp: ids.get(tp.topic, "") for tp in tps}, self._committed)

    def _place(self, starts: Mapping[TopicPartition, int]) -> None:
        self.placing += 1
        self._places.placed(starts, self.placing)
        self._group.place(starts, paused=self._places.paused(starts))
