"""Which partitions a task has: what to do when they come and go, while everything else goes on.

A rebalance happens inside `Consumer.poll` and must not wait for a destination that is down: partitions that cannot be taken up
at once are paused, and tried again between two polls. So are those of which the destination says that another task has them, and,
unless the consumer hears by then that they are lost, those whose commit the broker has refused.

    assigned → taken up, or pending → taken up later
    revoked  → flush, commit, let go          lost → let go
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect.errors import NotFoundError, RetriableError
from streamhouse_connect.runtime.commits import Committer
from streamhouse_connect.runtime.progress import PartitionProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from streamhouse_connect.brokers import Broker, Committed, Consumer, RebalanceListener
    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.bookmarks import Bookmarks
    from streamhouse_connect.runtime.observer import TaskObserver
    from streamhouse_connect.runtime.outbox import Outbox
    from streamhouse_connect.runtime.retries import Backoff
    from streamhouse_connect.sinks import Sink, SinkContext

__all__ = ["Assignments"]

_REVOKE_SECONDS: Final = 20.0
_FLUSH_SHARE: Final = 0.75
"""Of the time that letting go may take; the rest is for the commit."""

_REFUSED_SECONDS: Final = 5.0
"""By then a consumer has heard what a refused commit was about, and told of the loss."""

_LATER: Final = (RetriableError, ConnectionError, TimeoutError, NotFoundError)
"""Why a partition is not taken up yet; a topic that was deleted is taken from us soon."""


@attrs.define(eq=False)
class Assignments:
    """The partitions of one run; it is the listener of its consumer."""

    sink: Sink[Any]
    context: SinkContext
    topic_ids: dict[str, str]
    """The mapping inside `context`; filled before partitions of a topic are taken up."""
    broker: Broker
    bookmarks: Bookmarks
    outbox: Outbox
    observer: TaskObserver
    backoff: Backoff
    clock: Callable[[], float]
    make_consumer: Callable[[RebalanceListener], Consumer]
    revoke_within: float = _REVOKE_SECONDS
    consumer: Consumer = attrs.field(init=False)
    committer: Committer = attrs.field(init=False)
    _ours: set[TopicPartition] = attrs.field(factory=set, init=False)
    _pending: dict[TopicPartition, float] = attrs.field(factory=dict, init=False)
    """What is ours and not taken up, and when it is time to."""
    _attempt: int = attrs.field(default=0, init=False)
    _trouble: Exception | None = attrs.field(default=None, init=False)
    """What was told of the consumer's."""
    _calm: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.consumer = self.make_consumer(self)
        self.committer = Committer(self.sink, self.consumer, self.outbox)
        self._calm.set()

    async def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Find out where each partition goes on."""
        with self._in_rebalance():
            self._ours.update(partitions)
            await self._take_up_or_wait(partitions)

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Flush and commit, then let go."""
        with self._in_rebalance():
            await self.outbox.flush(partitions, _FLUSH_SHARE * self.revoke_within)
            within = (1 - _FLUSH_SHARE) * self.revoke_within
            await self.committer.commit_at_last(partitions, within=within, log=self.context.log)
            await self._let_go(partitions)

    async def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Drop what is buffered: somebody else will read it again."""
        with self._in_rebalance():
            await self._let_go(partitions)

    async def missed(self, tp: TopicPartition, first: int, next_offset: int) -> None:
        """Tell of records that were gone before they could be read."""
        self.observer.missed(tp, first, next_offset)

    async def take_up_pending(self) -> None:
        """Try again, if it is time to; to be called while no poll is under way, so that nothing is taken from us meanwhile."""
        self._tell_of_consumer()
        self._wait_with(self.outbox.superseded)
        self._wait_with(self.outbox.refused, at_least=_REFUSED_SECONDS)
        now = self.clock()

        if due := [tp for tp, time in self._pending.items() if time <= now]:
            await self._take_up_or_wait(due)

    def committed(self) -> dict[TopicPartition, Committed]:
        """Return the last commit of each partition that is taken up, as far as there are any."""
        progress = self.outbox.progress.items()
        return {tp: known.committed for tp, known in progress if known.committed is not None}

    async def calm(self, within: float) -> None:
        """Wait until no rebalance is under way, for so many seconds at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._calm.wait(), within)

    def _tell_of_consumer(self) -> None:
        trouble = self.consumer.trouble

        if trouble is not self._trouble:
            self._trouble = trouble
            self.outbox.troubles.note(self.consumer, trouble)

    async def _take_up_or_wait(self, partitions: Collection[TopicPartition]) -> None:
        for tp in partitions:
            self._pending.pop(tp, None)

        try:
            await self._take_up(partitions)
        except _LATER as error:
            self.outbox.troubles.note(self, error)
            self._wait_with({tp for tp in partitions if tp not in self.outbox.progress})
        else:
            self._attempt = 0
            self._settle()

    def _wait_with(self, partitions: set[TopicPartition], *, at_least: float | None = None) -> None:
        """Have partitions wait to be taken up; empties the set."""
        ours = partitions & self._ours
        partitions.clear()

        if ours:
            self.consumer.pause(ours)
            self._pending.update(
                dict.fromkeys(ours, self.clock() + self.backoff.delay(self._attempt, at_least=at_least))
            )
            self._attempt += 1

    def _settle(self) -> None:
        if not self._pending:
            self.outbox.troubles.note(self, None)

    async def _take_up(self, partitions: Collection[TopicPartition]) -> None:
        """Find out where each partition goes on: the destination knows best, then the broker, then what was kept at the last stop."""
        self.outbox.drop(partitions)

        for topic in sorted({tp.topic for tp in partitions}):
            found = await self.broker.topic(topic)
            self.topic_ids[topic] = found.id
            self.context.topic_partitions[topic] = found.partitions

        committed = self._from_these_topics(self._ours_of(await self.consumer.committed(partitions)))
        forgotten = await self.bookmarks.find([tp for tp in partitions if tp not in committed], self.topic_ids)
        held = await self.sink.resume(partitions)

        for tp in sorted(partitions):
            commit = committed.get(tp) or forgotten.get(tp)
            start = held.get(tp, commit.offset if commit else None)
            position = await self.consumer.seek(tp, start)
            topic_id = self.topic_ids[tp.topic]
            progress = PartitionProgress.restored(
                position,
                commit,
                topic_id=topic_id,
                uid=self.context.uid,
                epoch=self.context.epoch,
                is_held=tp in held,
                is_forgotten=tp in forgotten,
            )
            self.outbox.start(tp, progress)
            self.consumer.resume([tp])

        self._tell_of(forgotten.keys() - held.keys())

    def _tell_of(self, forgotten: Collection[TopicPartition]) -> None:
        for topic in sorted({tp.topic for tp in forgotten}):
            self.context.log.warning("offsets_forgotten topic=%s", topic)
            self.observer.noted(
                f"the broker had no offsets for topic {topic} any more: it is read on from those kept at the last stop"
            )

    def _ours_of(self, committed: Mapping[TopicPartition, Committed]) -> dict[TopicPartition, Committed]:
        """Leave out what a former connector of the same name has left behind."""
        return {tp: c for tp, c in committed.items() if PartitionProgress.was_made_by(c, self.context.uid)}

    def _from_these_topics(self, committed: Mapping[TopicPartition, Committed]) -> dict[TopicPartition, Committed]:
        """Leave out commits that were made in another topic of that name."""
        made_here = {
            tp: commit
            for tp, commit in committed.items()
            if PartitionProgress.was_made_in(commit, self.topic_ids[tp.topic])
        }

        for topic in sorted({tp.topic for tp in committed.keys() - made_here.keys()}):
            self.context.log.warning("topic_made_again topic=%s", topic)
            self.observer.noted(
                f"topic {topic} was deleted and made again: what was committed before counts for nothing, it is read anew"
            )

        return made_here

    async def _let_go(self, partitions: Collection[TopicPartition]) -> None:
        self._ours.difference_update(partitions)

        for tp in partitions:
            self._pending.pop(tp, None)

        self._settle()
        self.outbox.drop(partitions)
        await self.sink.release(partitions)

    @contextmanager
    def _in_rebalance(self) -> Iterator[None]:
        self._calm.clear()

        try:
            yield
        finally:
            self._calm.set()
