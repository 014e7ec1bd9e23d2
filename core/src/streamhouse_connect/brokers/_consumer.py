"""The consumer of an embedded broker: one process has all partitions, and reads them fairly.

    poll: rebalance → look → read in a thread → else wait until an append wakes it → …

Positions move only once a read has returned, so that a poll may be cancelled at any time. Knows nothing of where blobs are.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from streamhouse_connect.brokers._reading import Place, Wish, read_fairly, start_of
from streamhouse_connect.brokers.interface import Committed, Consumer
from streamhouse_connect.brokers.subscription import beyond_the_end
from streamhouse_connect.errors import DeliveryError, FatalError, Superseded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from streamhouse_connect.brokers._storage import Storage
    from streamhouse_connect.brokers._topics import TopicLog
    from streamhouse_connect.brokers.interface import RebalanceListener
    from streamhouse_connect.brokers.subscription import Subscription
    from streamhouse_connect.records import Batch, TopicPartition

__all__ = ["EmbeddedConsumer"]

_METADATA_BYTES: Final = 4096


class EmbeddedConsumer(Consumer):
    """Reads all partitions of its topics for a group."""

    def __init__(
        self,
        group: str,
        subscription: Subscription,
        listener: RebalanceListener,
        *,
        storage: Storage,
        closed: Callable[[EmbeddedConsumer], None],
    ) -> None:
        self.group = group
        self._subscription = subscription
        self._listener = listener
        self._storage = storage
        self._closed = closed
        # In the order in which they are read next.
        self._places: dict[TopicPartition, Place] = {}
        self._seen: Mapping[str, TopicLog] = {}
        self._wake = asyncio.Event()
        self._woken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._superseded = False
        self._over: str | None = None
        self._failure: DeliveryError | None = None

    # ------------------------------------------------------------------------------------- called from any thread

    def notify(self, topic: str) -> None:
        """Look again: this topic has changed."""
        if self._subscription.includes(topic):
            self._wake_up()

    def supersede(self) -> None:
        """Let go of everything at the next poll: another consumer of the group has come."""
        self._superseded = True
        self._wake_up()

    def end(self, reason: str) -> None:
        """Let go of everything at the next poll, which fails for this reason."""
        self._over = reason
        self.supersede()

    def _wake_up(self) -> None:
        # One call a look is enough. The flag falls before the look, so that what is published after it wakes again.
        if self._woken or self._loop is None:
            return

        self._woken = True

        with contextlib.suppress(RuntimeError):  # the loop was closed before the consumer
            self._loop.call_soon_threadsafe(self._wake.set)

    # --------------------------------------------------------------------------------------------- the contract

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:  # noqa: ASYNC109 - an empty answer is no error
        self._loop = asyncio.get_running_loop()
        deadline = self._loop.time() + timeout

        while True:
            self._woken = False
            self._wake.clear()
            await self._rebalance()
            batches = await self._read(max_records)

            if batches:
                return batches

            remaining = deadline - self._loop.time()

            if remaining <= 0:
                await asyncio.sleep(0)  # who polls without a timeout in a loop must not keep others from running
                return []

            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(remaining):
                    await self._wake.wait()

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Committed]:
        found = await self._storage.committed(self.group)
        keys = {tp: self._key(tp) for tp in partitions}

        return {tp: found[key] for tp, key in keys.items() if key is not None and key in found}

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        for tp, committed in offsets.items():
            if committed.offset < 0 or len(committed.metadata.encode()) > _METADATA_BYTES:
                raise ValueError(
                    f"cannot commit {tp} at {committed.offset} with {len(committed.metadata)} characters of metadata: "
                    f"an offset is not negative, its metadata have {_METADATA_BYTES} bytes at most"
                )

        keys = {tp: self._key(tp) for tp in offsets}
        foreign = offsets.keys() if self._superseded else [tp for tp, key in keys.items() if key is None]

        if foreign:
            raise Superseded(foreign)

        await self._storage.commit(self.group, {key: offsets[tp] for tp, key in keys.items() if key is not None})

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._set_paused(partitions, paused=True)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._set_paused(partitions, paused=False)
        self._wake.set()

    async def seek(self, tp: TopicPartition, offset: int | None) -> int:
        place = self._places.get(tp)

        if place is None:
            raise ValueError(f"{tp} is not assigned to this consumer of {self.group!r}: seek what `assigned` names")

        place.position = start_of(self._subscription, tp, place.log, offset)
        self._failure = None
        self._wake.set()

        if offset is not None and 0 <= offset < place.log.starts[tp.partition]:
            await self._listener.missed(tp, offset, place.position)

        return place.position

    async def close(self) -> None:
        partitions = tuple(self._places)

        try:
            if partitions and self._superseded:
                await self._lose(partitions)
            elif partitions:
                await self._listener.revoked(partitions)
        finally:
            self._places.clear()
            self._superseded = True
            self._closed(self)

    # -------------------------------------------------------------------------------------------------- partitions

    def _key(self, tp: TopicPartition) -> tuple[int, int] | None:
        """Return the storage's key of a partition; None if there is none, or another one of that name is assigned."""
        place = self._places.get(tp)
        log = self._storage.logs.get(tp.topic)

        if log is None or (place is not None and place.log is not log) or tp.partition >= log.topic.partitions:
            return None

        return log.key, tp.partition

    def _set_paused(self, partitions: Iterable[TopicPartition], *, paused: bool) -> None:
        for tp in partitions:
            if tp in self._places:
                self._places[tp].paused = paused

    async def _rebalance(self) -> None:
        if self._superseded:
            await self._lose(tuple(self._places))

            if self._over:
                raise FatalError(self._over)

            return

        logs = self._storage.logs

        if logs is self._seen:
            return

        await self._lose([tp for tp, place in self._places.items() if logs.get(tp.topic) is not place.log])
        known = {place.log.key for place in self._places.values()}
        found = [logs[name] for name in sorted(logs) if self._subscription.includes(name)]
        await self._take([log for log in found if log.key not in known])
        self._seen = logs

    async def _lose(self, partitions: Collection[TopicPartition]) -> None:
        for tp in partitions:
            del self._places[tp]

        if partitions:
            await self._listener.lost(partitions)

    async def _take(self, logs: Collection[TopicLog]) -> None:
        """Tell the listener of these topics' partitions; without a `seek`, reading goes on where the group has committed."""
        if not logs:
            return

        commits = await self._storage.committed(self.group)
        taken = []

        for log in logs:
            for tp in log.tps():
                commit = commits.get((log.key, tp.partition), Committed(0))
                self._places[tp] = Place(log, max(commit.offset, log.starts[tp.partition]))
                taken.append(tp)

        try:
            await self._listener.assigned(taken)
        except BaseException:
            for tp in taken:
                self._places.pop(tp, None)

            raise

    # ----------------------------------------------------------------------------------------------------- reading

    async def _read(self, max_records: int) -> list[Batch]:
        failure, self._failure = self._failure, None

        if failure is not None:
            raise failure

        await self._leave_gaps_behind()
        wishes = self._wishes()

        if not wishes or max_records <= 0:
            return []

        read, failure = await self._storage.read(lambda reader: read_fairly(reader, wishes, max_records))
        batches = []

        for wish, batch in read:
            place = wish.place

            # Meanwhile somebody may have sought, paused, taken the partition away, or deleted the topic.
            here = self._places.get(wish.tp) is place and self._storage.logs.get(wish.tp.topic) is place.log

            if not here or place.position != wish.position or place.paused:
                continue

            if self._superseded:
                break

            place.position = batch.spans[0].next_offset
            self._places[wish.tp] = self._places.pop(wish.tp)  # to the end of the order
            batches.append(batch)

        if failure is not None and not batches:
            raise failure

        # What lies before a damaged record, or in other partitions, is delivered first.
        self._failure = failure
        return batches

    async def _leave_gaps_behind(self) -> None:
        """Go on behind what retention has removed before it was read."""
        for tp, place in list(self._places.items()):
            position = place.position

            if not place.paused and position < place.log.starts[tp.partition]:
                place.position = start_of(self._subscription, tp, place.log, position)
                await self._listener.missed(tp, position, place.position)

    def _wishes(self) -> list[Wish]:
        wishes = []

        for tp, place in self._places.items():
            if place.paused:
                continue

            end = place.log.ends[tp.partition]

            if place.position > end:
                raise beyond_the_end(tp, self.group, place.position, end)

            if place.position < end:
                wishes.append(Wish(tp, place, place.position, end))

        return wishes
