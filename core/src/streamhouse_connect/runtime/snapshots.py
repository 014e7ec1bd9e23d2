"""What a task was doing when somebody looked, and what that says of the connector that it belongs to. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from streamhouse_connect.runtime.progress import PartitionProgress
from streamhouse_connect.runtime.states import State, combine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamhouse_connect.brokers import Committed
    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.progress import Unsettled

__all__ = ["Snapshot", "merge"]


@attrs.frozen
class Snapshot:
    """What a task, or all of a connector's, was doing when somebody looked."""

    state: State
    error: str | None = None
    trace: str | None = None
    weakened: str | None = None
    """Why the guarantee of the configuration does not hold at this destination."""
    assigned: tuple[TopicPartition, ...] = ()
    committed: Mapping[TopicPartition, Committed] = attrs.field(factory=dict)
    """The last commits known, those of partitions that somebody else has by now included."""
    missed: Mapping[TopicPartition, int] = attrs.field(factory=dict)
    """How many offsets were gone before they could be read."""
    notes: tuple[str, ...] = ()
    """What somebody should know though nothing is wrong."""
    unsettled: Mapping[TopicPartition, Unsettled] | None = None
    """What runs that are over have left uncommitted, and no later one has taken up; None: none has begun in this process."""

    @property
    def processed(self) -> int:
        """The number of records that are durable at the destination, as far as committed."""
        return sum(map(PartitionProgress.processed_of, self.committed.values()))


def merge(tasks: Sequence[Snapshot]) -> Snapshot:
    """Return what the tasks of a connector do as a whole."""
    troubled = _most_troubled(tasks)

    return Snapshot(
        state=combine([task.state for task in tasks]),
        error=troubled.error if troubled else None,
        trace=troubled.trace if troubled else None,
        weakened=next((task.weakened for task in tasks if task.weakened is not None), None),
        assigned=tuple(sorted({tp for task in tasks for tp in task.assigned})),
        committed=_latest(tasks),
        missed=_sum(task.missed for task in tasks),
        notes=tuple(dict.fromkeys(note for task in tasks for note in task.notes)),
        unsettled=_left(tasks),
    )


def _most_troubled(tasks: Iterable[Snapshot]) -> Snapshot | None:
    """Return a task that has an error to tell, a failed one rather than another."""
    return min((t for t in tasks if t.error is not None), key=lambda t: t.state is not State.FAILED, default=None)


def _latest(tasks: Iterable[Snapshot]) -> dict[TopicPartition, Committed]:
    """Return the last commit of each partition: who has the partition now knows best, then who saw it go farthest."""
    found: dict[TopicPartition, tuple[bool, int, Committed]] = {}

    for task in tasks:
        for tp, commit in task.committed.items():
            known = (tp in task.assigned, commit.offset, commit)

            if tp not in found or known[:2] > found[tp][:2]:
                found[tp] = known

    return {tp: commit for tp, (_, _, commit) in found.items()}


def _left(tasks: Iterable[Snapshot]) -> dict[TopicPartition, Unsettled] | None:
    known = [task.unsettled for task in tasks if task.unsettled is not None]
    return {tp: left for each in known for tp, left in each.items()} if known else None


def _sum(counts: Iterable[Mapping[TopicPartition, int]]) -> dict[TopicPartition, int]:
    total: Counter[TopicPartition] = Counter()

    for each in counts:
        total.update(each)

    return dict(total)
