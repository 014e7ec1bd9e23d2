"""Servers that were downloaded: where they are kept from run to run. Knows no server."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_directory() -> Path:
    """Where downloaded servers are kept from run to run; root's is one that nobody can reach too."""
    if os.geteuid() == 0:
        return Path("/var/cache/streamhouse-connect-tests")

    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "streamhouse-connect-tests"


@contextmanager
def alone(kept: Path) -> Iterator[None]:
    """Let one process at a time look for a download, and make it if it is missing."""
    kept.parent.mkdir(parents=True, exist_ok=True)

    with kept.with_name(f".{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
