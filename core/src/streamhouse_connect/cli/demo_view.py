"""How the demo shows what is going on: bars on a terminal, a line every second elsewhere.

On stdout, as it is the result; a script, for which the result is something else, gets lines on stderr.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, Self

import attrs

from streamhouse_connect.cli.output import is_terminal, note, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["DemoView", "PlainView", "Snapshot", "open_view"]

_EVERY: Final = 1.0
"""Seconds between two plain lines."""


@attrs.frozen(kw_only=True)
class Snapshot:
    """How far the demo is."""

    appended: int
    delivered: int
    lag: int
    files: int
    trouble: str = ""
    """What keeps the connector from delivering, if anything does."""


class DemoView(Protocol):
    """Is shown one snapshot after the other."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, now: Snapshot) -> None:
        """Show how far it is."""


def open_view(expected: int, *, for_script: bool = False) -> DemoView:
    """Choose how progress is shown; `expected` is the number of records to come."""
    if for_script:
        return PlainView(note)

    if is_terminal():
        from streamhouse_connect.cli.terminal import DemoBars  # noqa: PLC0415 - rich is slow to import

        return DemoBars(expected)

    return PlainView()


@attrs.define
class PlainView:
    """Prints a line every second, and one at the end."""

    tell: Callable[[str], None] = say
    clock: Callable[[], float] = time.monotonic
    _started: float = 0.0
    _printed: float = 0.0
    _last: Snapshot | None = None

    def __enter__(self) -> Self:
        self._started = self._printed = self.clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last:
            self._print(self._last)

    def show(self, now: Snapshot) -> None:
        if self.clock() - self._printed < _EVERY:
            self._last = now
            return

        self._print(now)

    def _print(self, now: Snapshot) -> None:
        self._printed = self.clock()
        self._last = None
        rate = now.delivered / max(self._printed - self._started, 0.001)
        trouble = f"; {now.trouble}" if now.trouble else ""
        self.tell(
            f"appended {now.appended:,}, delivered {now.delivered:,} ({rate:,.0f} records/s), "
            f"lag {now.lag:,}, files {now.files:,}{trouble}"
        )
