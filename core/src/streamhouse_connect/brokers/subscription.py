"""What a consumer reads, and how. Knows nothing of any broker."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import attrs

from streamhouse_connect.errors import FatalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streamhouse_connect.records import TopicPartition

__all__ = ["IsolationLevel", "OffsetReset", "Subscription", "beyond_the_end", "start_in"]

OffsetReset = Literal["earliest", "latest", "error"]
"""Where reading starts in a partition without a commit, or whose commit lies below the log's start."""

IsolationLevel = Literal["read_committed", "read_uncommitted"]
"""Whether records of transactions that are open or aborted are left out."""


def _names(topics: Iterable[str]) -> tuple[str, ...]:
    return tuple(topics)


@attrs.frozen
class Subscription:
    """Topics by name, or all those, present and future, whose whole name matches `pattern`."""

    topics: tuple[str, ...] = attrs.field(default=(), converter=_names)
    pattern: re.Pattern[str] | None = attrs.field(default=None, kw_only=True)
    excluded: frozenset[str] = attrs.field(default=frozenset(), kw_only=True)
    """Topics that the pattern does not take in."""
    offset_reset: OffsetReset = attrs.field(default="earliest", kw_only=True)
    isolation_level: IsolationLevel = attrs.field(default="read_committed", kw_only=True)
    properties: Mapping[str, str] = attrs.field(factory=dict, kw_only=True, repr=False)
    """Properties of the broker's client library, for this consumer alone; may hold secrets."""

    def includes(self, topic: str) -> bool:
        """Tell whether a topic of this name is read."""
        if self.pattern is None:
            return topic in self.topics

        return topic not in self.excluded and self.pattern.fullmatch(topic) is not None


def start_in(subscription: Subscription, tp: TopicPartition, wanted: int | None, *, start: int, end: int) -> int:
    """Return where to read on in a partition that has [start, end), if `wanted` is where one would like to.

    :raises FatalError: with `offset_reset` error, if there is nothing to read on from.
    """
    if wanted is not None and wanted >= start:
        return wanted

    if subscription.offset_reset == "error":
        where = (
            "has no committed offset" if wanted is None else f"stands at {wanted}, below its first record at {start}"
        )
        raise FatalError(
            f"{tp} {where}, and offset.reset=error: choose offset.reset=earliest or latest to read on from the first or "
            "behind the last record"
        )

    return start if subscription.offset_reset == "earliest" else end


def beyond_the_end(tp: TopicPartition, group: str, position: int, end: int) -> FatalError:
    """Return the error of a position behind which records are gone."""
    return FatalError(
        f"position {position} of {tp} lies beyond the log's end {end}: its records are gone, as after the restore of a "
        f"backup; seek {group!r} to an offset up to {end}"
    )
