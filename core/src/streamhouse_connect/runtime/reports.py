"""What a worker tells the others of its tasks of a connector, as text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streamhouse_connect.records import TopicPartition
from streamhouse_connect.runtime.snapshots import Snapshot
from streamhouse_connect.runtime.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["decode", "encode"]

_Partition = tuple[str, int]


class _Task(msgspec.Struct, omit_defaults=True):
    """What is told of a task. Commits are not: the broker knows them. What is added later needs a default."""

    state: State
    error: str | None = None
    trace: str | None = None
    weakened: str | None = None
    assigned: list[_Partition] = []
    missed: list[tuple[str, int, int]] = []
    notes: list[str] = []


_TRACE_CHARACTERS: Final = 4000


def encode(tasks: Sequence[Snapshot]) -> bytes:
    """Return what a worker's tasks do, in the order of their numbers, as JSON."""
    return msgspec.json.encode(
        [
            _Task(
                state=task.state,
                error=task.error,
                trace=task.trace and task.trace[-_TRACE_CHARACTERS:],
                weakened=task.weakened,
                assigned=[(tp.topic, tp.partition) for tp in task.assigned],
                missed=[(tp.topic, tp.partition, count) for tp, count in sorted(task.missed.items())],
                notes=list(task.notes),
            )
            for task in tasks
        ]
    )


def decode(report: bytes) -> list[Snapshot]:
    """Return what was told; nothing if it was told by a worker of a version that says it in another way."""
    try:
        tasks = msgspec.json.decode(report, type=list[_Task])
    except msgspec.DecodeError:
        return []

    return [
        Snapshot(
            state=task.state,
            error=task.error,
            trace=task.trace,
            weakened=task.weakened,
            assigned=tuple(TopicPartition(*tp) for tp in task.assigned),
            missed={TopicPartition(topic, partition): count for topic, partition, count in task.missed},
            notes=tuple(task.notes),
        )
        for task in tasks
    ]
