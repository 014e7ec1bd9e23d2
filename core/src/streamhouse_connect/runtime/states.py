"""The states of connectors and tasks: what is wanted, what is, and how the one follows the other. Pure."""

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
    """The destination does not take the records at the moment; they are offered again."""
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

_WORST_FIRST: Final = (State.STARTING, State.STOPPING, State.RETRYING, State.RUNNING, State.PAUSED, State.STOPPED)


def combine(states: Collection[State]) -> State:
    """Return a connector's state from its tasks'."""
    if not states:
        return State.STOPPED

    if State.FAILED in states:
        return State.FAILED if set(states) == {State.FAILED} else State.DEGRADED

    return next(state for state in _WORST_FIRST if state in states)
