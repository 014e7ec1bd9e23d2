"""A column of a batch: a sequence that may still have to be computed, and how columns are taken apart and joined."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Column", "gather", "join"]

T = TypeVar("T")


class Column(Generic[T]):
    """A sequence that may still have to be computed; it is computed at most once."""

    __slots__ = ("_compute", "_values")

    def __init__(self, values: Sequence[T] | Callable[[], Sequence[T]]) -> None:
        self._compute = values if callable(values) else None
        self._values: Sequence[T] | None = None if callable(values) else values

    def get(self) -> Sequence[T]:
        """Return the sequence."""
        if self._values is None:
            compute = cast("Callable[[], Sequence[T]]", self._compute)
            self._values = compute()
            self._compute = None

        return self._values


def gather(column: Sequence[T], indexes: Sequence[int]) -> Sequence[T]:
    """Return the items at these indexes."""
    if len(indexes) > 1:
        return itemgetter(*indexes)(column)  # type: ignore[no-any-return]  # itemgetter is untyped beyond one index

    return [column[index] for index in indexes]


def join(columns: list[Sequence[T]]) -> Sequence[T]:
    """Return one column after the other."""
    return list(chain.from_iterable(columns))
