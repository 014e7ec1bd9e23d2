"""What a soft delete is: a field that says of every record whether its row is deleted.

boolean         true or false
timestamp[tz]   the time of the tombstone, or null
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_postgres_sink._cells import NOW, moment
from streamhouse_postgres_sink._rows import NULL
from streamhouse_postgres_sink._types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhouse_postgres_sink._rows import Decoded
    from streamhouse_postgres_sink._types import Column

__all__ = ["Mark", "mark_of", "marked"]

_FALSE: Final = msgspec.Raw(b"false")
_TRUE: Final = msgspec.Raw(b"true")


@attrs.frozen
class Mark:
    """The values of a column that says whether a row is deleted."""

    live: msgspec.Raw
    deleted: Callable[[int], msgspec.Raw]
    """Takes the tombstone's timestamp."""


def mark_of(column: Column) -> Mark | None:
    """Return how a column says that a row is deleted; None if it can't."""
    if column.is_array:
        return None

    if column.type == "boolean":
        return Mark(_FALSE, lambda _: _TRUE)

    is_time = column.kind in {Kind.INSTANT, Kind.TIMESTAMP}
    return Mark(NULL, lambda timestamp: moment(timestamp) or NOW) if is_time else None


def marked(decoded: Decoded, column: Column, mark: Mark) -> Decoded:
    """Say of each record whether its row is deleted, whatever the record says itself."""
    live = {column.name: mark.live}
    records = [record | live for record in decoded.records]

    for index, timestamp in decoded.tombstones.items():
        records[index][column.name] = mark.deleted(timestamp)

    return attrs.evolve(decoded, records=records)
