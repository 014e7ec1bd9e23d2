"""How a path is put together: parts that are the same for all records, and parts that each record has its own text for. Pure.

Every part of a record is text from which its value can be told, and between two of them stands a slash, which none of them holds:
so two records share a path only if they agree in all parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.errors import RejectedRecords
from streamhouse_connect.partitioners.calendars import Calendar
from streamhouse_connect.partitioners.fields import Fields
from streamhouse_connect.partitioners.segments import texts_of
from streamhouse_connect.partitioners.times import Times

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from streamhouse_connect.records import Batch

__all__ = ["MAX_PATH", "FieldPart", "Layout", "PartitionPart"]

MAX_PATH: Final = 249
"""Of a path below its topic, in bytes: S3 takes keys of 1,024, of which the prefix has up to 450, the topic 249, a file's name 63."""


@attrs.frozen
class FieldPart:
    """The value of a field."""

    name: str


@attrs.frozen
class PartitionPart:
    """The number of the records' partition."""


Part = str | FieldPart | PartitionPart | Calendar


class Layout:
    """A path, from its first part to its last; text stands for itself."""

    def __init__(self, parts: Sequence[Part], times: Times | None = None) -> None:
        self._parts = parts
        self._times = times if any(isinstance(part, Calendar) for part in parts) else None
        self._names = [part.name for part in parts if isinstance(part, FieldPart)]
        needed = {*self._names, *([self._times.field] if self._times and self._times.field is not None else [])}
        self._fields = Fields(sorted(needed)) if needed else None

    @property
    def weakened(self) -> str | None:
        """See `Partitioner.weakened`."""
        return self._times.weakened if self._times else None

    def split(self, batch: Batch) -> list[tuple[str, Sequence[int]]]:
        """Return (path, ascending indexes).

        :raises RejectedRecords: for records whose path would be too long, or of whose fields one has no text.
        """
        if not len(batch):
            return []

        columns = self._columns(batch)
        varying = [column for column in columns if not isinstance(column, str)]
        reasons: dict[int, str] = {}
        paths: list[tuple[str, Sequence[int]]] = []

        for indexes in _groups(varying, len(batch)):
            texts = [column if isinstance(column, str) else column[indexes[0]] for column in columns]
            path, wrong = self._path(texts)

            if wrong:
                reasons.update(dict.fromkeys(indexes, wrong))
            else:
                paths.append((path, indexes))

        if reasons:
            raise RejectedRecords(reasons)

        return paths

    def _columns(self, batch: Batch) -> list[Sequence[str | None] | str]:
        fields = self._fields.columns(batch.values) if self._fields else {}
        timestamps = self._times.of(batch, fields) if self._times else ()
        columns: list[Sequence[str | None] | str] = []

        for part in self._parts:
            if isinstance(part, str):
                columns.append(part)
            elif isinstance(part, FieldPart):
                columns.append(texts_of(fields[part.name]))
            elif isinstance(part, Calendar):
                columns.append(part.texts(timestamps))
            else:
                columns.append(str(batch.spans[0].tp.partition))

        return columns

    def _path(self, texts: Sequence[str | None]) -> tuple[str, str | None]:
        """Return a path, or why there is none."""
        unfit = [
            part.name
            for part, text in zip(self._parts, texts, strict=True)
            if isinstance(part, FieldPart) and text is None
        ]

        if unfit:
            kinds = "an array, an object or a number beyond all bounds"
            return (
                "",
                f"its field {unfit[0]!r}, which it is filed by, is {kinds}; it may be text, a number or a boolean",
            )

        path = "".join(text for text in texts if text is not None)

        if (size := len(path.encode())) > MAX_PATH:
            fields = ", ".join(map(repr, self._names))
            return "", f"its path would be {size:,} bytes long, by its fields {fields}; it may be {MAX_PATH} at most"

        return path, None


def _groups(columns: Sequence[Sequence[str | None]], count: int) -> Iterator[Sequence[int]]:
    """Yield the indexes that have the same text in all columns."""
    if not columns:
        yield range(count)
        return

    keys: Iterable[Hashable] = columns[0] if len(columns) == 1 else [*zip(*columns, strict=True)]

    if len(set(keys)) == 1:
        yield range(count)
        return

    found: dict[Hashable, list[int]] = {}

    for index, key in enumerate(keys):
        if key in found:
            found[key].append(index)
        else:
            found[key] = [index]

    yield from found.values()
