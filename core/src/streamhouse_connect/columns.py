"""The columns of a batch: parallel sequences that may still have to be computed, taken apart and joined as one.

Columns
├── PlainColumns     each a sequence, or a callable that computes it
├── JoinedColumns    several one after the other; joined column by column, on first use
└── a broker's own   what a client library holds; a column is extracted when somebody asks for it
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Column", "Columns", "Headers", "JoinedColumns", "PlainColumns", "gather"]

T = TypeVar("T")

Headers = tuple[tuple[str, bytes | None], ...]
"""A record's headers in their order; names may repeat."""


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


class Columns(ABC):
    """The columns of a number of records; see `Batch` for what each holds. Never mutated."""

    __slots__ = ()

    @property
    @abstractmethod
    def values(self) -> Sequence[bytes | None]:
        """The records' values."""

    @property
    @abstractmethod
    def keys(self) -> Sequence[bytes | None]:
        """The records' keys."""

    @property
    @abstractmethod
    def offsets(self) -> Sequence[int]:
        """The records' offsets."""

    @property
    @abstractmethod
    def timestamps(self) -> Sequence[int]:
        """The records' timestamps."""

    @property
    @abstractmethod
    def headers(self) -> Sequence[Headers]:
        """The records' headers."""

    @abstractmethod
    def slice(self, start: int, stop: int) -> Columns:
        """Return the columns of a run of records."""

    @abstractmethod
    def gather(self, indexes: Sequence[int]) -> Columns:
        """Return the columns of the records at these indexes; the others must not be kept in memory by them."""


class PlainColumns(Columns):
    """Columns that are given one by one, each as a sequence or as a callable that computes it on first use."""

    __slots__ = ("_headers", "_keys", "_offsets", "_timestamps", "_values")

    def __init__(
        self,
        *,
        values: Sequence[bytes | None] | Callable[[], Sequence[bytes | None]],
        keys: Sequence[bytes | None] | Callable[[], Sequence[bytes | None]],
        offsets: Sequence[int] | Callable[[], Sequence[int]],
        timestamps: Sequence[int] | Callable[[], Sequence[int]],
        headers: Sequence[Headers] | Callable[[], Sequence[Headers]],
    ) -> None:
        self._values = Column(values)
        self._keys = Column(keys)
        self._offsets = Column(offsets)
        self._timestamps = Column(timestamps)
        self._headers = Column(headers)

    @property
    def values(self) -> Sequence[bytes | None]:
        return self._values.get()

    @property
    def keys(self) -> Sequence[bytes | None]:
        return self._keys.get()

    @property
    def offsets(self) -> Sequence[int]:
        return self._offsets.get()

    @property
    def timestamps(self) -> Sequence[int]:
        return self._timestamps.get()

    @property
    def headers(self) -> Sequence[Headers]:
        return self._headers.get()

    def slice(self, start: int, stop: int) -> Columns:
        return PlainColumns(
            values=self.values[start:stop],
            keys=self.keys[start:stop],
            offsets=self.offsets[start:stop],
            timestamps=self.timestamps[start:stop],
            headers=self.headers[start:stop],
        )

    def gather(self, indexes: Sequence[int]) -> Columns:
        return PlainColumns(
            values=gather(self.values, indexes),
            keys=gather(self.keys, indexes),
            offsets=gather(self.offsets, indexes),
            timestamps=gather(self.timestamps, indexes),
            headers=gather(self.headers, indexes),
        )


class JoinedColumns(PlainColumns):
    """Several columns one after the other; `parts` are the columns with their lengths."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[tuple[Columns, int]]) -> None:
        self._parts = parts
        super().__init__(
            values=lambda: _join([part.values for part, _ in parts]),
            keys=lambda: _join([part.keys for part, _ in parts]),
            offsets=lambda: _join([part.offsets for part, _ in parts]),
            timestamps=lambda: _join([part.timestamps for part, _ in parts]),
            headers=lambda: _join([part.headers for part, _ in parts]),
        )

    def slice(self, start: int, stop: int) -> Columns:
        found = []
        at = 0

        for part, length in self._parts:
            low, high = max(start - at, 0), min(stop - at, length)

            if low < high:
                found.append((part if high - low == length else part.slice(low, high), high - low))

            at += length

        return found[0][0] if len(found) == 1 else JoinedColumns(found)


def gather(column: Sequence[T], indexes: Sequence[int]) -> Sequence[T]:
    """Return the items at these indexes."""
    if len(indexes) > 1:
        return itemgetter(*indexes)(column)  # type: ignore[no-any-return]  # itemgetter is untyped beyond one index

    return [column[index] for index in indexes]


def _join(columns: list[Sequence[T]]) -> Sequence[T]:
    """Return one column after the other."""
    return list(chain.from_iterable(columns))
