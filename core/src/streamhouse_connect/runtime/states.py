"""The states of connectors and tasks, and how they are reported."""

from __future__ import annotations

import enum
from typing import Final

__all__ = ["State"]


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
