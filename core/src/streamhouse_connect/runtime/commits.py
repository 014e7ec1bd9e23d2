"""Commits what is durable, and nothing of a partition that is not ours any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect.errors import RetriableError, Superseded
from streamhouse_connect.runtime.progress import MAX_METADATA
from streamhouse_connect.sinks import Batching

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection, Mapping

    from streamhouse_connect.brokers import Committed, Consumer
    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.outbox import Outbox
    from streamhouse_connect.runtime.progress import PartitionProgress
    from streamhouse_connect.sinks import Sink

__all__ = ["Committer"]

_COMMIT_INTERVAL: Final = 0.1
_AGAIN_SECONDS: Final = 0.1
_LATE_SECONDS: Final = 5.0


@attrs.define(eq=False)
class Committer:
    """Commits for one run of a task, one commit at a time."""

    sink: Sink[Any]
    consumer: Consumer
    outbox: Outbox
    _lock: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)

    async def run(self) -> None:
        """Commit whenever there is something to commit, until cancelled."""
        while True:
            await self.outbox.dirty.wait()
            self.outbox.dirty.clear()
            late = asyncio.get_running_loop().call_later(_LATE_SECONDS, self._note_late)

            try:
                await self.commit()
                self.outbox.troubles.note(self, None)
            except (RetriableError, ConnectionError, TimeoutError) as error:
                self.outbox.troubles.note(self, error)
                self.outbox.dirty.set()
            except Exception as error:  # noqa: BLE001 - the run fails with it
                self.outbox.fail(error)
                return
            finally:
                late.cancel()

            await asyncio.sleep(_COMMIT_INTERVAL)

    def _note_late(self) -> None:
        """Tell of brokers that hang: a client may wait for them for a minute, and does nothing else meanwhile."""
        error = RetriableError(f"a commit is not answered for {_LATE_SECONDS:.0f} s; it is waited for")
        self.outbox.troubles.note(self, error)

    async def commit(self, partitions: Collection[TopicPartition] | None = None) -> None:
        """Commit what is durable and not committed yet, of these partitions or of all.

        Partitions whose commit is refused because they are somebody else's are dropped; that is no failure.
        """
        async with self._lock:
            while due := self._due(partitions):
                try:
                    await self._commit(due)
                    return
                except Superseded as error:
                    if due.keys().isdisjoint(error.partitions):
                        raise

                    self.outbox.refuse(error.partitions)

    async def commit_at_last(
        self,
        partitions: Collection[TopicPartition] | None = None,
        *,
        within: float,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """Commit, again and again while brokers ask for patience: what is not committed in time, the next one reads again."""
        deadline = asyncio.get_running_loop().time() + within

        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    await self.commit(partitions)
            except (RetriableError, ConnectionError, TimeoutError) as error:
                if asyncio.get_running_loop().time() + _AGAIN_SECONDS >= deadline:
                    held = sorted(self.outbox.progress if partitions is None else partitions)
                    log.warning("not_committed partitions=%s error=%s", ",".join(map(str, held)), error)
                    return
            else:
                return

            await asyncio.sleep(_AGAIN_SECONDS)

    async def _commit(self, due: Mapping[TopicPartition, Committed]) -> None:
        held = {tp: self.outbox.progress[tp] for tp in due}
        idle = {tp: commit.offset for tp, commit in due.items() if not held[tp].written}

        for progress in held.values():
            progress.written = False

        if idle:
            await self._skip(idle)

        due = {tp: commit for tp, commit in due.items() if self._is_held(tp, held)}

        if not due:
            return

        await self.consumer.commit(due)
        self.outbox.observer.committed(sum(held[tp].processed_by(commit) for tp, commit in due.items()))

        for tp, commit in due.items():
            if self._is_held(tp, held):
                held[tp].has_committed(commit)

        self.outbox.observer.progressed(self.outbox.progress)

    async def _skip(self, offsets: Mapping[TopicPartition, int]) -> None:
        try:
            await self.sink.skip(offsets)
        except Superseded as error:
            self.outbox.give_up(error.partitions)

    def _is_held(self, tp: TopicPartition, held: Mapping[TopicPartition, PartitionProgress]) -> bool:
        """Tell whether a partition was not taken from us, nor given again, meanwhile."""
        return self.outbox.progress.get(tp) is held[tp]

    def _due(self, partitions: Collection[TopicPartition] | None) -> dict[TopicPartition, Committed]:
        due = {}

        for tp, progress in self.outbox.progress.items():
            if partitions is not None and tp not in partitions:
                continue

            lowest = self.outbox.batcher.lowest(tp)
            commit = progress.next_commit(lowest, marked=self.sink.batching is Batching.PER_ROUTE)

            if len(commit.metadata) > MAX_METADATA:
                self.outbox.hurry(tp)

            elif progress.is_news(commit):
                due[tp] = commit

        return due
