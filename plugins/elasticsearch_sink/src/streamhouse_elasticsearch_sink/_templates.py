"""Texts made of records: `{topic}-{field:tenant|none}-{timestamp:%Y.%m}`, as ids, routes and names of indexes are written. Pure.

{topic} {partition} {offset}     where the record stands
{key}                            its key, as text
{field:a.b} {field:a.b|default}  a field of its value
{timestamp:%Y.%m.%d}             its time, in UTC
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from streamhouse_connect import NO_TIMESTAMP
from streamhouse_elasticsearch_sink._fields import JsonField

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from streamhouse_connect import Batch, TopicPartition

__all__ = ["FieldPart", "KeyPart", "LiteralPart", "Part", "Rows", "Template", "TimePart", "TopicPart", "moment"]

_SYMBOL: Final = re.compile(r"\{[^{}]*\}|[{}]|[^{}]+")
_DIRECTIVES: Final = frozenset(["%Y", "%m", "%d", "%H", "%M", "%j", "%G", "%V"])
_MINUTE_MS: Final = 60_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Rows:
    """The records of a batch, with their values as they are sent; a column is fetched when a text needs it."""

    def __init__(self, batch: Batch, values: Sequence[bytes | None]) -> None:
        self._batch = batch
        self.values = values

    @cached_property
    def keys(self) -> Sequence[bytes | None]:
        return self._batch.keys

    @cached_property
    def offsets(self) -> Sequence[int]:
        return self._batch.offsets

    @cached_property
    def timestamps(self) -> Sequence[int]:
        return self._batch.timestamps


class Part(Protocol):
    """A part of a text."""

    def text(self, rows: Rows, tp: TopicPartition, at: int) -> str:
        """Return its text for the record at the index `at`.

        :raises ValueError: with the reason why that record has none.
        """


@attrs.frozen
class LiteralPart:
    words: str

    def text(self, rows: Rows, tp: TopicPartition, at: int) -> str:  # noqa: ARG002 - the same for all
        return self.words


@attrs.frozen
class TopicPart:
    def text(self, rows: Rows, tp: TopicPartition, at: int) -> str:  # noqa: ARG002 - the same for a partition
        return tp.topic


@attrs.frozen
class PartitionPart:
    def text(self, rows: Rows, tp: TopicPartition, at: int) -> str:  # noqa: ARG002 - the same for a partition
        return str(tp.partition)


@attrs.frozen
class OffsetPart:
    def text(self, rows: Rows, tp: TopicPartition, at: int) -> str:  # noqa: ARG002 - each partition has its own
        return str(rows.offsets[at])


@attrs.frozen
class KeyPart:
    option: str

    def text(self, rows: Rows, tp: TopicPartition, at: int) -> str:  # noqa: ARG002 - as all parts
        key = rows.keys[at]

        if not key:
            raise ValueError(f"{self.option} {{key}} is {'missing' if key is None else 'empty'}")

        try:
            return key.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{self.option} {{key}} is not UTF-8") from None


@attrs.frozen
class FieldPart:
    field: JsonField
    option: str
    default: str | None = None

    def text(self, rows: Rows, tp: TopicPartition, at: int) -> str:  # noqa: ARG002 - as all parts
        value = rows.values[at]

        if value is None:
            raise ValueError(f"{self.option} {self.field.path} is missing: the record is a tombstone")

        found = self.field.text(value) or self.default

        if found is None:
            raise ValueError(f"{self.option} {self.field.path} is missing, null or empty")

        return found


@attrs.frozen
class TimePart:
    pattern: str
    option: str

    def at(self, minute: int) -> str:
        """Return the text of a time, in minutes since 1970.

        :raises OverflowError: see `moment`.
        """
        return _time(self.pattern, minute)

    def text(self, rows: Rows, tp: TopicPartition, at: int) -> str:  # noqa: ARG002 - as all parts
        milliseconds = rows.timestamps[at]

        if milliseconds == NO_TIMESTAMP:
            raise ValueError(f"{self.option} {{timestamp:{self.pattern}}} has no value: the record has no timestamp")

        try:
            return self.at(milliseconds // _MINUTE_MS)
        except OverflowError:
            raise ValueError(f"{self.option}: the record's timestamp {milliseconds} is no date") from None


@attrs.frozen
class Template:
    """A text with placeholders."""

    parts: tuple[Part, ...]
    source: str

    @staticmethod
    def parse(source: str, *, option: str, known: Collection[str]) -> Template:
        """Read a template that may hold the placeholders `known`, such as `topic` and `field`.

        :raises ValueError: with a message that completes "index.name …".
        """
        parts = tuple(_part(symbol, option, known) for symbol in _SYMBOL.findall(source))
        return Template(parts, source)

    def text(self, rows: Rows, tp: TopicPartition, at: int) -> str:
        """Return the text of one record.

        :raises ValueError: with the reason why it has none.
        """
        return "".join([part.text(rows, tp, at) for part in self.parts])

    @property
    def needs_values(self) -> bool:
        """Whether a tombstone, which has no fields, has no such text."""
        return any(isinstance(part, FieldPart) for part in self.parts)

    @property
    def needs_offsets(self) -> bool:
        """Whether no two records have the same text."""
        return any(isinstance(part, OffsetPart) for part in self.parts)

    @property
    def is_fixed(self) -> bool:
        """Whether all records of a partition have the same text."""
        return all(isinstance(part, LiteralPart | TopicPart | PartitionPart) for part in self.parts)


def moment(milliseconds: int) -> datetime:
    """Return a timestamp's time in UTC.

    :raises OverflowError: if it is before the year 1 or behind 9999.
    """
    return _EPOCH + timedelta(milliseconds=milliseconds)


@lru_cache(maxsize=4096)
def _time(pattern: str, minute: int) -> str:
    return f"{moment(minute * _MINUTE_MS):{pattern}}"


def _part(symbol: str, option: str, known: Collection[str]) -> Part:
    if symbol[0] not in "{}":
        return LiteralPart(symbol)

    name, colon, argument = symbol.strip("{}").partition(":")
    simple: dict[str, Part] = {
        "topic": TopicPart(),
        "partition": PartitionPart(),
        "offset": OffsetPart(),
        "key": KeyPart(option),
    }

    if name in known and name in simple and not colon:
        return simple[name]

    if name == "field" and name in known:
        path, bar, default = argument.partition("|")
        return FieldPart(JsonField(path, option=option), option, default if bar else None)

    if name == "timestamp" and name in known:
        return TimePart(_checked_pattern(argument), option)

    listed = ", ".join(_SHAPES.get(each, f"{{{each}}}") for each in known)
    raise ValueError(f"knows no placeholder {symbol}; it may hold {listed}")


_SHAPES: Final = {"field": "{field:NAME}", "timestamp": "{timestamp:%Y.%m.%d}"}


def _checked_pattern(pattern: str) -> str:
    unknown = [found for found in re.findall(r"%.?", pattern) if found not in _DIRECTIVES]

    if unknown or "%" not in pattern:
        wrong = unknown[0] if unknown else "no directive"
        raise ValueError(
            f"has {{timestamp:{pattern}}} with {wrong}; write it with {' '.join(sorted(_DIRECTIVES))}, as %Y.%m.%d"
        )

    return pattern
