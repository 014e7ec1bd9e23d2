"""Connectors on the wire; what comes in is read by the worker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from streamhouse_connect import ConnectorInfo

__all__ = ["ConnectorBody", "ValidBody"]


class PartitionName(Struct, frozen=True):
    """A partition that a task reads."""

    topic: str
    partition: int


class TaskBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One task."""

    id: int
    worker: str
    state: str
    error: str | None
    trace: str | None = None
    partitions: list[PartitionName]


class PartitionBody(Struct, rename="camel", frozen=True, kw_only=True):
    """Progress in one partition."""

    topic: str
    partition: int
    committed_offset: int | None
    end_offset: int
    lag: int
    records_processed: int
    missed: int


class GuaranteeBody(Struct, frozen=True):
    """What is promised, and why."""

    level: str
    reason: str


class StatusBody(Struct, frozen=True, kw_only=True):
    """What the connector is doing; `stale` says why this may be out of date, if it may."""

    stale: str | None
    tasks: list[TaskBody]
    partitions: list[PartitionBody]
    guarantee: GuaranteeBody | None


class ConnectorBody(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A connector."""

    name: str
    connector_type: Literal["sink"]
    connector_class: str
    topics: tuple[str, ...]
    config: dict[str, Any]
    state: str
    target_state: str
    error_message: str | None
    records_processed: int
    created_at: datetime
    updated_at: datetime
    status: StatusBody
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, info: ConnectorInfo) -> ConnectorBody:
        """Show a connector."""
        return cls(
            name=info.name,
            connector_type="sink",
            connector_class=info.connector_class,
            topics=info.topics,
            config=dict(info.config),
            state=info.state.value,
            target_state=info.target.value,
            error_message=info.error,
            records_processed=info.processed,
            created_at=info.created_at.astimezone(UTC),
            updated_at=info.updated_at.astimezone(UTC),
            status=_status(info),
            warnings=info.warnings,
        )


def _status(info: ConnectorInfo) -> StatusBody:
    return StatusBody(
        stale=info.stale,
        tasks=[
            TaskBody(
                id=task.id,
                worker=task.worker,
                state=task.state.value,
                error=task.error,
                trace=task.trace,
                partitions=[PartitionName(tp.topic, tp.partition) for tp in task.partitions],
            )
            for task in info.tasks
        ],
        partitions=[
            PartitionBody(
                topic=each.tp.topic,
                partition=each.tp.partition,
                committed_offset=each.committed,
                end_offset=each.end,
                lag=each.lag,
                records_processed=each.processed,
                missed=each.missed,
            )
            for each in info.partitions
        ],
        guarantee=GuaranteeBody(info.guarantee.level, info.guarantee.reason) if info.guarantee else None,
    )


class ValidBody(Struct, frozen=True, kw_only=True):
    """There is nothing wrong with a connector that somebody might make."""

    valid: bool = True
    warnings: list[str]
