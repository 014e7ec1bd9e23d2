"""How the tests are spread over processes: which ones run in the same process, and how many there are."""

from __future__ import annotations

import os
import re
from typing import Final

from xdist.scheduler import LoadFileScheduling

__all__ = ["Spread", "processes"]

_LEAST: Final = 4
_NODE: Final = re.compile(r"^tests/(faults|integration)/\S*elasticsearch|^tests/e2e/\S*_are_indexed")
_LONG: Final = re.compile(r"^tests/faults/test_cluster\.py")


class Spread(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Files go to the process that has nothing else to do, as with `--dist loadfile`, but for what is slow."""

    def _split_scope(self, nodeid: str) -> str:
        """Return what runs in one process: a node of Elasticsearch takes long to start, and these tests take long themselves."""
        if _NODE.search(nodeid):
            return "elasticsearch"

        return nodeid if _LONG.search(nodeid) else str(super()._split_scope(nodeid))


def processes() -> int:
    """Return how many processes have something to do: tests mostly wait, for servers, sessions and timeouts."""
    return max(_LEAST, os.cpu_count() or 1)
