"""The most memory that this process has had resident. Needs nothing but Python: the peer's process uses it too."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

__all__ = ["peak_bytes"]

_HIGH_WATER = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def peak_bytes() -> int:
    """Return the peak; Linux's own, as what `getrusage` says may be the peak of the process that started this one."""
    try:
        found = _HIGH_WATER.search(Path("/proc/self/status").read_text(encoding="ascii"))
    except FileNotFoundError:
        found = None

    if found:
        return int(found[1]) * 1024

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
