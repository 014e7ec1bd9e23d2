"""How a connector looks from outside: its definition, what all workers tell of its tasks, and what the broker knows."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.definitions import TargetState
from streamhouse_connect.masking import mask
from streamhouse_connect.metrics import ConnectorSample
from streamhouse_connect.runtime import reports
from streamhouse_connect.runtime.info import ConnectorInfo, PartitionInfo, TaskInfo
from streamhouse_connect.runtime.progress import PartitionProgress
from streamhouse_connect.runtime.snapshots import merge
from streamhouse_connect.runtime.sources import Patience, commits_of, see
from streamhouse_connect.runtime.states import State
from streamhouse_connect.sinks import Guarantee

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streamhouse_connect.brokers import Broker, Committed
    from streamhouse_connect.definitions import DefinitionStore
    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.plan import Plan
    from streamhouse_connect.runtime.reconciler import Running
    from streamhouse_connect.runtime.snapshots import Snapshot
    from streamhouse_connect.runtime.sources import Seen

__all__ = ["Lookout"]

_UNKNOWN_TIME: Final = datetime.fromtimestamp(0, UTC)
_LOOK_SECONDS: Final = 0.05
_AWAITED: Final = 20
"""Of more topics that do not exist, the number is told."""
_LISTED: Final = 5
_NO_IDS: Final = (
    "the broker has no ids for the topics {}: one that is deleted and made again is taken for the former one, and its records "
    "for ones that were delivered"
)


@attrs.frozen
class Lookout:
    """Looks at connectors for a worker."""

    worker: str
    broker: Broker
    definitions: DefinitionStore
    _patience: Patience = attrs.field(factory=Patience, init=False)

    async def look(self, running: Running) -> ConnectorInfo:
        """Return what there is to see of a connector, free of secrets."""
        definition, plan = running.definition, running.plan
        tasks = await self._tasks(running)
        merged = merge([task for own in tasks.values() for task in own])
        running.seen = await see(
            definition.name,
            definition.uid,
            running.subscription,
            self.broker,
            last=running.seen,
            patience=self._patience,
        )
        own = running.connector.snapshot
        is_shared = self.broker.shares_partitions
        partitions = tuple(_partitions(running.seen, running.seen.committed if is_shared else own.committed, merged))

        return ConnectorInfo(
            name=definition.name,
            connector_class=definition.connector_class,
            topics=definition.topics,
            config=mask(plan.classes if plan else (), definition.config),
            state=merged.state,
            target=definition.target,
            error=merged.error,
            processed=sum(each.processed for each in partitions) if is_shared else own.processed,
            created_at=definition.created_at,
            updated_at=definition.updated_at,
            tasks=tuple(_infos(tasks)),
            partitions=partitions,
            guarantee=_guarantee(plan, merged.weakened, running.seen),
            warnings=(*running.warnings, *_waiting(running.seen.awaited), *merged.notes),
            version=definition.version,
            uid=definition.uid,
            stale=self.definitions.stale or running.seen.stale,
        )

    def unreadable(self, name: str, reason: str) -> ConnectorInfo:
        """Return what there is to see of a connector whose definition can't be read."""
        return ConnectorInfo(
            name=name,
            connector_class="unknown",
            topics=(),
            config={},
            state=State.FAILED,
            target=TargetState.RUNNING,
            error=reason,
            processed=0,
            created_at=_UNKNOWN_TIME,
            updated_at=_UNKNOWN_TIME,
            tasks=(),
            partitions=(),
            guarantee=None,
            stale=self.definitions.stale,
        )

    async def tasks(self, running: Running) -> Snapshot:
        """Return what the tasks of all workers do as a whole."""
        tasks = await self._tasks(running)
        return merge([task for own in tasks.values() for task in own])

    async def wait_for_others(self, running: Running, state: State, *, within: float) -> None:
        """Wait until all tasks of other workers are said to be in a state, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while any(task.state is not state for task in await self._others(running)):  # noqa: ASYNC110 - they are elsewhere
                    await asyncio.sleep(_LOOK_SECONDS)

    async def committed(self, running: Running) -> Mapping[TopicPartition, Committed]:
        """Return what is committed now."""
        if self.broker.shares_partitions:
            return await commits_of(running.definition.name, running.definition.uid, self.broker)

        return running.connector.snapshot.committed

    def sample(self, running: Running) -> ConnectorSample:
        """Return what the metrics say of the tasks that run here."""
        return ConnectorSample(running.definition.name, running.connector.snapshot.state.reported)

    def unreadable_sample(self, name: str) -> ConnectorSample:
        """Return what the metrics say of a connector whose definition can't be read."""
        return ConnectorSample(name, State.FAILED.reported)

    async def _tasks(self, running: Running) -> dict[str, Sequence[Snapshot]]:
        """Return what each worker's tasks do, this worker's first."""
        reported = await self.definitions.reports(running.definition.name)
        theirs = {other: reports.decode(report) for other, report in sorted(reported.items()) if other != self.worker}
        return {self.worker: running.connector.tasks, **theirs}

    async def _others(self, running: Running) -> list[Snapshot]:
        tasks = await self._tasks(running)
        return [task for worker, own in tasks.items() if worker != self.worker for task in own]


def _infos(tasks: Mapping[str, Sequence[Snapshot]]) -> Iterator[TaskInfo]:
    for worker, own in tasks.items():
        for number, task in enumerate(own):
            if task.state not in (State.PAUSED, State.STOPPED) or task.error is not None:
                yield TaskInfo(number, task.state, task.error, task.trace, task.assigned, worker)


def _partitions(
    seen: Seen, committed: Mapping[TopicPartition, Committed], all_tasks: Snapshot
) -> Iterator[PartitionInfo]:
    for extent in seen.extents:
        commit = extent.commit_in(committed)

        yield PartitionInfo(
            extent.tp,
            committed=commit.offset if commit else None,
            end=extent.end,
            lag=extent.lag(committed),
            processed=PartitionProgress.processed_of(commit) if commit else 0,
            missed=all_tasks.missed.get(extent.tp, 0),
        )


def _waiting(awaited: Sequence[str]) -> Iterator[str]:
    for topic in awaited[:_AWAITED]:
        yield f"topic {topic} does not exist yet; it is waited for"

    if len(awaited) > _AWAITED:
        yield f"{len(awaited) - _AWAITED:,} more topics do not exist yet; they are waited for"


def _guarantee(plan: Plan | None, weakened: str | None, seen: Seen) -> Guarantee | None:
    if plan is None:
        return None

    guarantee = plan.guarantee if weakened is None else Guarantee("at-least-once", weakened)

    if not (nameless := sorted({each.tp.topic for each in seen.extents if not each.has_topic_id})):
        return guarantee

    listed = ", ".join(nameless[:_LISTED]) + (
        f" and {len(nameless) - _LISTED:,} more" if len(nameless) > _LISTED else ""
    )
    return attrs.evolve(guarantee, reason=f"{guarantee.reason}; {_NO_IDS.format(listed)}")
