"""What can be seen of a connector from outside: immutable snapshots, free of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from streamhouse_connect.definitions import TargetState
    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.states import State
    from streamhouse_connect.sinks import Guarantee

__all__ = ["ConnectorInfo", "PartitionInfo", "TaskInfo"]


@attrs.frozen
class TaskInfo:
    """One task: its state, and its last error as long as that matters. `trace` is there for unexpected errors only."""

    id: int
    state: State
    error: str | None = None
    trace: str | None = None
    partitions: tuple[TopicPartition, ...] = ()
    worker: str = ""
    """The worker that runs it; numbers count from 0 in each."""


@attrs.frozen
class PartitionInfo:
    """Progress in one partition. `committed` is the next offset to deliver, None before the first commit.

    `missed` counts the offsets that were gone before they could be read, by retention for example, since the start.
    """

    tp: TopicPartition
    committed: int | None
    end: int
    lag: int
    processed: int
    missed: int = 0


@attrs.frozen(kw_only=True)
class ConnectorInfo:
    """A connector as an operator sees it. Secrets in `config` are masked."""

    name: str
    connector_class: str
    topics: tuple[str, ...]
    config: Mapping[str, object]
    state: State
    target: TargetState
    error: str | None
    processed: int
    """Records made durable at the destination since the connector was created."""
    created_at: datetime
    updated_at: datetime
    tasks: tuple[TaskInfo, ...]
    partitions: tuple[PartitionInfo, ...]
    guarantee: Guarantee | None
    """None while the configuration can't be loaded, because its plugin is not installed any more, say."""
    warnings: tuple[str, ...] = ()
    version: int = 0
    """Of the definition: one more with every change; see `Worker.update`."""
    uid: str = ""
    """Tells a connector from a former one of its name, together with `created_at`: an application may give all of them the same."""
    stale: str | None = None
    """Why this may be out of date: the brokers can't be reached, say; None: it is not."""
