"""How far long work has come: a bar on a terminal, a line every few seconds elsewhere; on stderr."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, Self

import attrs

from streamhouse_connect.cli.output import is_terminal, note

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["PlainProgress", "Progress", "human_bytes", "open_progress"]

_EVERY: Final = 5.0
"""Seconds between two plain lines."""


class Progress(Protocol):
    """Is told what has been done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def advance(self, records: int, nbytes: int) -> None:
        """Note that so many more records are done."""


def open_progress(label: str, *, total_bytes: int | None) -> Progress:
    """Choose how progress is shown; `total_bytes` is None where nobody knows it."""
    if is_terminal(err=True):
        from streamhouse_connect.cli.terminal import ProgressBar  # noqa: PLC0415 - rich is slow to import

        return ProgressBar(label, total_bytes=total_bytes)

    return PlainProgress(label)


@attrs.define
class PlainProgress:
    """Prints a line now and then."""

    label: str
    clock: Callable[[], float] = time.monotonic
    _started: float = 0.0
    _printed: float = 0.0
    _records: int = 0
    _bytes: int = 0

    def __enter__(self) -> Self:
        self._started = self._printed = self.clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def advance(self, records: int, nbytes: int) -> None:
        self._records += records
        self._bytes += nbytes
        now = self.clock()

        if now - self._printed >= _EVERY:
            self._printed = now
            rate = self._records / (now - self._started)
            note(f"{self.label}: {self._records:,} records, {human_bytes(self._bytes)}, {rate:,.0f} records/s")


def human_bytes(number: float) -> str:
    """Return a size as people read it: `1.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:  # noqa: PLR2004 - the step between the units
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"

        number /= 1000

    return f"{number:.1f} TB"
