"""How much of a log's beginning has expired. Pure: no clock, no storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Extent", "expired"]


@attrs.frozen
class Extent:
    """A run of records that is kept or dropped as a whole."""

    next_offset: int
    size: int
    """In bytes, as stored."""
    appended_at: int
    """Milliseconds since the epoch."""


def expired(
    extents: Iterable[Extent], *, total: int, retention_ms: int | None, retention_bytes: int | None, now: int
) -> int | None:
    """Return the offset at which a partition shall start; None if nothing has expired.

    `extents` come oldest first, and no more of them are taken than expire; `total` is the size of all. As in Kafka, the
    sizes bound a partition, not the topic, and at least `retention_bytes` are kept. Age counts from the append, so that old
    timestamps of records, as in a backfill, do not make them vanish.
    """
    start = None

    for extent in extents:
        old = retention_ms is not None and extent.appended_at < now - retention_ms
        surplus = retention_bytes is not None and total - extent.size >= retention_bytes

        if not (old or surplus):
            break

        total -= extent.size
        start = extent.next_offset

    return start
