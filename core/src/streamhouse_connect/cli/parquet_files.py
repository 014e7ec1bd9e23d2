"""What the demo has written: the tree of its files, and what they hold when they are read back. Needs pyarrow."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.cli.failures import CommandError
from streamhouse_connect.cli.progress import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Totals", "find_files", "read_totals", "require_pyarrow", "tree"]

_SHOWN: Final = 2
"""How many entries of a directory are shown before the rest is only counted."""


@attrs.frozen
class Totals:
    """How much there is: of the source, or in the files."""

    rows: int
    distance: int


def require_pyarrow() -> None:
    """Make sure that Parquet can be written and read.

    :raises CommandError: if pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        message = 'the demo writes Parquet, which needs pyarrow: pip install "streamhouse-connect[parquet]"'
        raise CommandError(message)


def find_files(directory: Path) -> list[Path]:
    """Return the Parquet files below `directory`, in order."""
    return sorted(directory.rglob("*.parquet"))


def read_totals(files: Sequence[Path]) -> Totals:
    """Read the files and add up their rows and the column `distance`."""
    import pyarrow.compute  # noqa: PLC0415 - an extra, and slow to import
    import pyarrow.parquet  # noqa: PLC0415 - the same

    rows = distance = 0

    for file in files:
        with pyarrow.parquet.ParquetFile(file) as parquet:
            column = parquet.read(columns=["distance"])["distance"]

        rows += len(column)
        distance += pyarrow.compute.sum(column).as_py() or 0

    return Totals(rows, distance)


def tree(directory: Path) -> Iterator[str]:
    """Yield the lines of a tree of `directory`; long directories are shortened, and so are the files' names."""
    yield f"{directory.name}/"
    yield from _branches(directory, "")


def _branches(directory: Path, indent: str) -> Iterator[str]:
    entries = sorted(directory.iterdir())
    shown = entries if len(entries) <= _SHOWN + 1 else entries[:_SHOWN]

    for entry in shown:
        is_last = entry is entries[-1]
        yield f"{indent}{'└── ' if is_last else '├── '}{_label(entry)}"

        if entry.is_dir():
            yield from _branches(entry, indent + ("    " if is_last else "│   "))

    if len(shown) < len(entries):
        rest = entries[len(shown) :]
        kind = "directories" if rest[0].is_dir() else "files"
        yield f"{indent}└── … {len(rest)} more {kind}"


def _label(entry: Path) -> str:
    if entry.is_dir():
        return f"{entry.name}/"

    name = entry.name if len(entry.name) <= 24 else f"{entry.name[:14]}…{entry.suffix}"  # noqa: PLR2004 - a uuid is longer
    return f"{name}  {human_bytes(entry.stat().st_size)}"
