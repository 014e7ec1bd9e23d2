"""Which records of one key, in one batch, become one row, as if they had been written one after the other.

    {id, a} {id, b}                      {id, a, b}
    {id, a} tombstone {id, b}            the row is deleted, and inserted again as {id, b}
    {id, a} tombstone                    the row is deleted
    {id, a} tombstone {id, b}, soft      {id, a, b}; whether it is deleted is one of the fields

Uniform records of a key, without tombstones, need nothing of this: the last counts. Knows the records by their numbers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

__all__ = ["Folding", "firsts", "folding"]


@attrs.frozen
class Folding:
    """What is to be done with records whose keys have several shapes."""

    discarded: list[int]
    """The numbers that leave the stage."""
    runs: list[Sequence[int]]
    """The numbers that become one record each, in their order."""


def folding(
    rows: Iterable[tuple[Sequence[int], Sequence[int]]],
    *,
    tombstones: Collection[int],
    is_soft: bool,
    is_partial: bool = True,
) -> Folding:
    """Fold keys: each with the numbers of its records, ascending, and of those that count.

    Tombstones that have to delete a row stay in the stage. Of records that are not partial the last counts alone.
    """
    found = Folding([], [])

    for numbers, counting in rows:
        live = [at for at, number in enumerate(counting) if number not in tombstones]

        if is_soft and live:
            found.discarded.extend(numbers)
            found.runs.append(counting if is_partial else counting[live[-1] :])
            continue

        found.discarded.extend(number for number in numbers if number not in tombstones)
        last = max((at for at, number in enumerate(counting) if number in tombstones), default=-1)

        if run := counting[last + 1 :]:
            found.runs.append(run if is_partial else run[-1:])

    return found


def firsts(rows: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Folding:
    """Keep the first of each key only."""
    return Folding([number for numbers, _ in rows for number in numbers[1:]], [])
