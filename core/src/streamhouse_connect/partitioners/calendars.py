"""Times as text in a path: the local wall time in a zone. Pure.

An hour that is told twice, when summer time ends, is one path.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DIRECTIVES", "Calendar"]

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS

DIRECTIVES: Final = {
    "%Y": _DAY_MS,
    "%m": _DAY_MS,
    "%d": _DAY_MS,
    "%j": _DAY_MS,
    "%G": _DAY_MS,
    "%V": _DAY_MS,
    "%H": _HOUR_MS,
    "%M": _MINUTE_MS,
}
"""The directives of `strftime` that paths may hold, all digits and always as many; each with how long it stays the same."""

_STEADY_MS: Final = 30_000
"""Zones begin their days, and change their offsets, at multiples of it (St. John's at 00:01, Monrovia at 44 minutes and 30 s)."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END_MS: Final = 253_402_300_800_000  # the first millisecond of the year 10000
_LOOKED_AT: Final = 64
_REMEMBERED: Final = 4096


class Calendar:
    """Writes times as `pattern` says, in which each directive stands by itself: `dt={0:%Y}-{0:%m}-{0:%d}`.

    A time that is unknown, negative or beyond the year 9999 (nanoseconds by mistake, say) is written as `missing`: the
    record is kept, and the path shows that something is wrong.
    """

    def __init__(self, pattern: str, *, missing: str, zone: tzinfo) -> None:
        self.pattern = pattern
        self.missing = missing
        self._zone = zone
        finest = min((width for directive, width in DIRECTIVES.items() if directive in pattern), default=_DAY_MS)
        self._width_ms = finest if zone is UTC else min(finest, _STEADY_MS)
        self._texts: dict[int, str] = {}

    def texts(self, timestamps: Sequence[int]) -> Sequence[str] | str:
        """Return the text of each time, or the one that is all of theirs; there is at least one."""
        low, high = min(timestamps), max(timestamps)
        width = self._width_ms

        if low >= 0 and high < _END_MS and high // width - low // width < _LOOKED_AT:
            texts = {self._text(bucket) for bucket in range(low // width, high // width + 1)}

            if len(texts) == 1:
                return texts.pop()

        buckets = [timestamp // width if 0 <= timestamp < _END_MS else -1 for timestamp in timestamps]
        distinct = {bucket: self._text(bucket) for bucket in set(buckets)}
        return [distinct[bucket] for bucket in buckets]

    def _text(self, bucket: int) -> str:
        found = self._texts.get(bucket)

        if found is not None:
            return found

        if len(self._texts) >= _REMEMBERED:
            self._texts.clear()

        text = self._texts[bucket] = self._written(bucket)
        return text

    def _written(self, bucket: int) -> str:
        if bucket < 0:
            return self.missing

        try:
            local = (_EPOCH + timedelta(milliseconds=bucket * self._width_ms)).astimezone(self._zone)
        except OverflowError:  # it is the year 10000 there
            return self.missing

        return self.pattern.format(local)
