"""A member of a consumer group. librdkafka's calls block, so that they are made in a thread of the consumer's own.

    thread        consume → (rebalance → listener, on the event loop) → consume …; commits and other requests in between
    event loop    places: what is assigned, and up to where it was handed out; moves: the changes of that

Rebalances are cooperative: partitions that stay are not disturbed.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from streamhouse_connect.brokers.interface import Consumer
from streamhouse_connect.brokers.kafka._group_client import GroupClient
from streamhouse_connect.brokers.kafka._moves import Moves
from streamhouse_connect.brokers.kafka._places import Places
from streamhouse_connect.brokers.kafka._properties import consumer_properties
from streamhouse_connect.brokers.kafka._reads import Read, sort
from streamhouse_connect.errors import FatalError, Superseded
from streamhouse_connect.librdkafka import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from streamhouse_connect.brokers.interface import Committed, RebalanceListener
    from streamhouse_connect.brokers.kafka._watch import TopicWatch
    from streamhouse_connect.brokers.subscription import Subscription
    from streamhouse_connect.records import Batch, TopicPartition

__all__ = ["KafkaConsumer"]

_SLICE_SECONDS: Final = 0.05


class KafkaConsumer(Consumer):
    """Reads the partitions that the group gives it."""

    def __init__(
        self,
        group: str,
        subscription: Subscription,
        listener: RebalanceListener,
        *,
        properties: Mapping[str, str],
        watch: TopicWatch,
        closed: Callable[[KafkaConsumer], None],
    ) -> None:
        self.group = group
        self._subscription = subscription
        self._watch = watch
        self._on_closed = closed
        self._failure: Exception | None = None
        self._over = False
        self._heard_at = 0.0
        self._names: tuple[str, ...] = ()
        self._hurry = threading.Event()
        self._closed = False
        self._reading: asyncio.Future[Read] | None = None
        self._group = GroupClient(group, consumer_properties(properties, group, subscription), denied=self._fail)
        self._places = Places(subscription, listener, self._group.watermarks)
        self._moves = Moves(self._group, self._places, watch, committed=self.committed, failed=self._fail)

    # --------------------------------------------------------------------------------------------- the contract

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:  # noqa: ASYNC109 - an empty answer is no error
        loop = self._moves.loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout

        while True:
            read = await self._next_read(max_records, max(0.0, deadline - loop.time()))
            await self._moves.follow_topics()
            batches = self._places.batches(read)
            await self._moves.replace(read.misplaced)
            self._failure = self._failure or read.failure
            self._raise(batches)

            if batches or loop.time() >= deadline:
                return batches

    @property
    def trouble(self) -> Exception | None:
        outage = self._watch.outage
        return None if outage is None or self._heard_at > outage.looked_at else outage.error

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Committed]:
        return await self._group.committed(partitions)

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        ours = {tp: commit for tp, commit in offsets.items() if tp in self._places}
        foreign = offsets.keys() - ours.keys()

        if ours:
            foreign |= await self._commit(ours)

        if foreign:
            raise Superseded(foreign)

    async def _commit(self, offsets: Mapping[TopicPartition, Committed]) -> set[TopicPartition]:
        return await self._group.commit(offsets)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._group.pause(self._places.pause(partitions))

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._group.resume(self._places.resume(partitions))

    async def seek(self, tp: TopicPartition, offset: int | None) -> int:
        position = await self._places.seek(tp, offset)

        if not self._places.is_being_assigned(tp):
            await self._moves.move([tp])

        return position

    async def close(self) -> None:
        if self._closed:
            return

        self._moves.loop = asyncio.get_running_loop()
        self._closed = True
        self._hurry.set()

        try:
            if self._reading is not None:
                await asyncio.wait({self._reading})

            await self._leave()
            await self._group.close()
        finally:
            self._on_closed(self)

    async def _leave(self) -> None:
        """Let go of what nobody will ask for."""

    def end(self) -> None:
        """Leave the group without telling the listener: the broker is closed. From any thread."""
        self._over = self._closed = True
        self._moves.end()
        self._hurry.set()
        self._group.abandon()

    # -------------------------------------------------------------------------------------------------- reading

    async def _next_read(self, max_records: int, seconds: float) -> Read:
        """Read once; a read that goes on after its poll was cancelled belongs to the next poll."""
        self._raise()

        if self._over:
            raise FatalError("the broker was closed; open it, and make a new consumer")

        self._hurry.clear()

        if self._reading is None:
            self._reading = asyncio.wrap_future(self._group.start(partial(self._read, max_records, seconds)))

        try:
            read = await asyncio.shield(self._reading)
        except asyncio.CancelledError:
            self._hurry.set()
            raise
        except BaseException:
            self._reading = None
            raise

        self._reading = None
        self._heard_at = monotonic() if read.messages else self._heard_at
        return read

    def _read(self, max_records: int, seconds: float) -> Read:
        deadline = monotonic() + seconds
        topics = self._watch.ids

        with translated(f"read as the group {self.group!r}"):
            while True:
                self._group.thread.serve()
                self._subscribe()
                left = deadline - monotonic()
                # Waiting for many would wait for the last of them: one first, then what is there.
                messages = self._group.client.consume(1, min(_SLICE_SECONDS, max(0.0, left)))

                if messages and max_records > 1:
                    messages += self._group.client.consume(max_records - 1, 0)

                if messages or left <= 0 or self._has_news(topics):
                    return sort(messages, self._moves.placing)

    def _has_news(self, topics: object) -> bool:
        return self._hurry.is_set() or self._failure is not None or self._watch.ids is not topics

    def _subscribe(self) -> None:
        names = self._subscription.topics

        if self._subscription.pattern is not None:
            names = tuple(name for name in sorted(self._watch.ids) if self._subscription.includes(name))

        if names and names != self._names:
            self._group.client.subscribe(
                list(names),
                on_assign=self._moves.on_assign,
                on_revoke=self._moves.on_revoke,
                on_lost=self._moves.on_lost,
            )
            self._names = names

    def _raise(self, batches: list[Batch] | None = None) -> None:
        """Raise what has happened, unless there are records that came before it."""
        failure = self._failure

        if failure is not None and not batches:
            self._failure = None
            raise failure

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
