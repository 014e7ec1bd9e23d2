"""The states of connectors and tasks, and how they are reported."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["State", "combine"]


class State(enum.Enum):
    """What a connector or a task is doing."""

    STARTING = "starting"
    RUNNING = "running"
    RETRYING = "retrying"
    """The destination does not take the records at the moment, or the brokers do not answer; it is tried again."""
    DEGRADED = "degraded"
    """Some of the connector's tasks have failed, others work."""
    STOPPING = "stopping"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"
    """Somebody has to look; it is also tried again with backoff, and stays failed until that has succeeded."""

    @property
    def reported(self) -> str:
        """The state's name in the metric `connector_state`, which knows four."""
        return self.value if self in _REPORTED else "running"


_REPORTED: Final = frozenset({State.PAUSED, State.STOPPED, State.FAILED})

_PRECEDENCE: Final = (
    State.DEGRADED,
    State.RETRYING,
    State.RUNNING,
    State.STOPPING,
    State.STARTING,
    State.PAUSED,
    State.STOPPED,
)
"""What holds for a connector as soon as it holds for one of its tasks, the first of them that does."""


def combine(states: Collection[State]) -> State:
    """Return the state of a connector whose tasks, one at least, are in these states.

    all failed                       → failed
    some failed, others whatever     → degraded
    one or more degraded, …          → the first of the table above
    """
    found = frozenset(states)

    if State.FAILED in found:
        return State.FAILED if len(found) == 1 else State.DEGRADED

    return next(state for state in _PRECEDENCE if state in found)
