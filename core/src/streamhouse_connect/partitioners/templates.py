"""Reads what a user wrote as the pattern of a path: `dt=%Y-%m-%d/tenant={field:tenant}`. Pure.

Each segment holds, besides its text, directives of `strftime`, or one placeholder, or nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.partitioners.calendars import DIRECTIVES, Calendar
from streamhouse_connect.partitioners.fields import wrong_with_name
from streamhouse_connect.partitioners.interface import NO_PARTITION
from streamhouse_connect.partitioners.layouts import FieldPart, PartitionPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from streamhouse_connect.partitioners.layouts import Part

__all__ = ["parse", "wrong_with"]

_SYMBOL: Final = re.compile(r"%(?s:.)?|\{[^{}]*\}|/|[^%{}/]+|[{}]")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
_FIELD: Final = re.compile(r"\{field:(.+)\}", re.DOTALL)
_PARTITION: Final = "{partition}"
_KNOWN: Final = f"{', '.join(DIRECTIVES)}, {{field:NAME}} and {{partition}}"


@attrs.frozen
class _Segment:
    """The symbols between two slashes."""

    symbols: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.symbols)

    @property
    def has_time(self) -> bool:
        return any(symbol in DIRECTIVES for symbol in self.symbols)

    @property
    def placeholders(self) -> Sequence[str]:
        return [symbol for symbol in self.symbols if symbol[0] == "{"]

    def wrong(self) -> str | None:
        """Return what is wrong with it; None if nothing is."""
        if not self.symbols:
            return "has an empty segment; leave out slashes at its ends and double ones"

        for symbol in self.symbols:
            if symbol[0] == "%" and symbol not in DIRECTIVES:
                return f"holds {symbol!r}, which has no meaning here; there are {_KNOWN}"

            if symbol in {"{", "}"}:
                return f"has a {symbol} without its counterpart; there are {_KNOWN}"

            if symbol == "{topic}":
                return "holds {topic}, but every path begins with the topic already; leave it out"

            if symbol[0] == "{" and symbol != _PARTITION and not _FIELD.fullmatch(symbol):
                return f"holds {symbol!r}, which has no meaning here; there are {_KNOWN}"

            if (field := _FIELD.fullmatch(symbol)) and (wrong := wrong_with_name(field[1])):
                return wrong

        if len(self.placeholders) + self.has_time > 1:
            rule = "could not be told apart in the path"
            return f"has several placeholders in {self.text!r}, whose values {rule}; put a slash between them"

        if self.text in {".", ".."} or _UNPRINTABLE.search(self.text):
            return f"has the segment {self.text!r}; it must not be . or .., nor hold backslashes or control characters"

        return None

    def parts(self, zone: tzinfo) -> list[Part]:
        if not self.has_time:
            return [_part(symbol) for symbol in self.symbols]

        first = next(number for number, symbol in enumerate(self.symbols) if symbol in DIRECTIVES)
        name, equals, _ = "".join(self.symbols[:first]).rpartition("=")
        pattern = "".join(f"{{0:{symbol}}}" if symbol in DIRECTIVES else symbol for symbol in self.symbols)
        return [Calendar(pattern, missing=f"{name}{equals}{NO_PARTITION}", zone=zone)]


def wrong_with(pattern: str) -> str | None:
    """Return what is wrong with a pattern; None if nothing is."""
    return next((wrong for segment in _segments(pattern) if (wrong := segment.wrong())), None)


def parse(pattern: str, zone: tzinfo) -> list[Part]:
    """Return the parts of a pattern with which nothing is wrong."""
    parts: list[Part] = []

    for segment in _segments(pattern):
        found = segment.parts(zone)

        if parts and isinstance(parts[-1], Calendar) and isinstance(found[0], Calendar):
            parts[-1] = _joined(parts[-1], found[0], zone)
        else:
            parts += ["/", *found] if parts else found

    return parts


def _segments(pattern: str) -> Iterator[_Segment]:
    symbols: list[str] = []

    for symbol in _SYMBOL.findall(pattern):
        if symbol == "/":
            yield _Segment(tuple(symbols))
            symbols = []
        else:
            symbols.append(symbol)

    yield _Segment(tuple(symbols))


def _part(symbol: str) -> Part:
    if symbol == _PARTITION:
        return PartitionPart()

    field = _FIELD.fullmatch(symbol)
    return FieldPart(field[1]) if field else symbol


def _joined(one: Calendar, other: Calendar, zone: tzinfo) -> Calendar:
    """Write two in one go, as they are there or missing together."""
    return Calendar(f"{one.pattern}/{other.pattern}", missing=f"{one.missing}/{other.missing}", zone=zone)
