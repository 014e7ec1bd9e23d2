"""A connector at work: its tasks in this worker, each with a thread of its own, told and looked at as one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

from streamhouse_connect.runtime.snapshots import merge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamhouse_connect.brokers import Committed
    from streamhouse_connect.definitions import TargetState
    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.runner import TaskRunner
    from streamhouse_connect.runtime.snapshots import Snapshot

__all__ = ["Connector"]


@attrs.frozen(eq=False)
class Connector:
    """Runs one task or more; its methods may be called from any thread."""

    runners: Sequence[TaskRunner]
    committed: Mapping[TopicPartition, Committed]
    """What was committed before the first of its tasks ran, as far as it is known here."""

    @property
    def tasks(self) -> list[Snapshot]:
        """What each task is doing."""
        return [runner.snapshot for runner in self.runners]

    @property
    def snapshot(self) -> Snapshot:
        """What the tasks are doing as a whole."""
        merged = merge(self.tasks)
        return attrs.evolve(merged, committed={**self.committed, **merged.committed})

    def start(self) -> None:
        """Begin to do what is wanted."""
        for runner in self.runners:
            runner.start()

    async def apply(self, target: TargetState, *, within: float) -> None:
        """Want something else; return when it is so, or when the time (in seconds) is over."""
        await asyncio.gather(*(runner.apply(target, within=within) for runner in self.runners))

    async def restart(self, *, within: float) -> None:
        """Run the tasks anew, if they are wanted to run at all."""
        await asyncio.gather(*(runner.restart(within=within) for runner in self.runners))

    async def close(self, *, within: float) -> bool:
        """Stop for good; return whether all threads have ended, or some are stuck in a plugin and left alone."""
        return all(await asyncio.gather(*(runner.close(within=within) for runner in self.runners)))

    def drain(self, ends: Mapping[TopicPartition, int]) -> None:
        """See `Task.drain`."""
        for runner in self.runners:
            runner.drain(ends)
