"""How a connector looks from outside: its definition, what its thread last reported, and where its topics end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_connect.brokers import Subscription
from streamhouse_connect.masking import mask
from streamhouse_connect.runtime.info import ConnectorInfo, PartitionInfo, TaskInfo
from streamhouse_connect.runtime.progress import PartitionProgress
from streamhouse_connect.runtime.sources import extents, subscription_of
from streamhouse_connect.runtime.states import State
from streamhouse_connect.sinks import Guarantee

if TYPE_CHECKING:
    from streamhouse_connect.brokers import Broker
    from streamhouse_connect.definitions import Definition
    from streamhouse_connect.runtime.connector import Connector
    from streamhouse_connect.runtime.plan import Plan
    from streamhouse_connect.runtime.snapshots import Snapshot

__all__ = ["Running", "look"]


@attrs.define(eq=False)
class Running:
    """One defined connector; `plan` is None while its configuration can't be loaded."""

    definition: Definition
    plan: Plan | None
    connector: Connector
    warnings: tuple[str, ...] = ()

    @property
    def subscription(self) -> Subscription:
        """What the connector reads."""
        return subscription_of(self.definition, self.plan)


async def look(running: Running, broker: Broker) -> ConnectorInfo:
    """Return what there is to see of a connector, free of secrets."""
    definition, plan, snapshot = running.definition, running.plan, running.connector.snapshot

    return ConnectorInfo(
        name=definition.name,
        connector_class=definition.connector_class,
        topics=definition.topics,
        config=mask(plan.classes if plan else (), definition.config),
        state=snapshot.state,
        target=definition.target,
        error=snapshot.error,
        processed=snapshot.processed,
        created_at=definition.created_at,
        updated_at=definition.updated_at,
        tasks=tuple(
            TaskInfo(number, task.state, task.error, task.trace, task.assigned)
            for number, task in enumerate(running.connector.tasks)
            if task.state not in (State.PAUSED, State.STOPPED)
        ),
        partitions=await _partitions(running, snapshot, broker),
        guarantee=_guarantee(plan, snapshot.weakened),
        warnings=(*running.warnings, *snapshot.notes),
    )


def _guarantee(plan: Plan | None, weakened: str | None) -> Guarantee | None:
    if plan is None or weakened is None:
        return plan.guarantee if plan else None

    return Guarantee("at-least-once", weakened)


async def _partitions(running: Running, snapshot: Snapshot, broker: Broker) -> tuple[PartitionInfo, ...]:
    infos = []

    for extent in await extents(running.subscription, broker):
        commit = extent.commit_in(snapshot.committed)
        processed = PartitionProgress.processed_of(commit) if commit else 0
        offset = commit.offset if commit else None
        lag, missed = extent.lag(snapshot.committed), snapshot.missed.get(extent.tp, 0)
        infos.append(PartitionInfo(extent.tp, offset, extent.end, lag, processed, missed))

    return tuple(infos)
