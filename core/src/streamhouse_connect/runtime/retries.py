"""How long to wait before the next try. Pure: the random source is passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff"]


@attrs.frozen
class Backoff:
    """Exponential backoff with jitter between half and all of the wait, so that many tasks do not come back at once.

    Times are in seconds; `random` returns a number in [0, 1).
    """

    initial: float
    maximum: float
    random: Callable[[], float]

    def delay(self, attempt: int, *, at_least: float | None = None) -> float:
        """Return the wait after the failed try number `attempt`, counted from 0."""
        wait = min(self.maximum, self.initial * 2.0 ** min(attempt, 62))
        return max(at_least or 0.0, wait * (0.5 + self.random() / 2))
