"""The account a server runs as: ours, or nobody's where the server refuses root. Knows no server."""

import os
import shutil
import stat
from pathlib import Path
from typing import TypedDict

NOBODY = 65534


class PopenArguments(TypedDict, total=False):
    """What Popen needs to start a process as somebody else."""

    user: int
    group: int
    extra_groups: list[int]


def popen_arguments(*, drop_root: bool) -> PopenArguments:
    """Popen's arguments for a server that refuses root, empty for everybody but root."""
    if not drop_root or os.geteuid() != 0:
        return {}

    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def hand_over(directory: Path) -> None:
    """Give a directory and all in it to the account that servers run as, when we are root."""
    if os.geteuid() != 0:
        return

    for path in (directory, *directory.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def reachable(directory: Path, *names: str, copy: Path) -> Path:
    """The directory itself if a server's account may read it, else `copy`, with what is named brought there.

    Root's home, where a checkout or its .venv may be, is closed to everybody else.
    """
    directory = directory.resolve()

    if os.geteuid() != 0 or all(path.stat().st_mode & stat.S_IXOTH for path in (directory, *directory.parents)):
        return directory

    for name in names:
        shutil.copytree(directory / name, copy / name, symlinks=True)

    return copy
