"""Reads a file of properties as Java programs do: `key=value`, comments, lines that go on in the next one.

Values may be secrets, and so may a line that got out of place: nothing of a file is ever quoted, except the name of a property.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.cli.failures import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["read_properties"]

_LARGEST: Final = 1 << 20
_KEY: Final = re.compile(r"[a-z0-9_.-]+")
_PAIR: Final = re.compile(r"(?P<key>(?:[^\\\s=:]|\\.)*)[ \t\f]*(?P<separator>[=:]?)[ \t\f]*(?P<value>.*)", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_LETTERS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_NAME: Final = (
    "begins with no name of a property; write each as name=value, and end a line that goes on in the next with \\"
)


@attrs.frozen
class _Line:
    """What is written in one line, or in several that are one; `number` is the first one's."""

    number: int
    text: str


def read_properties(file: Path) -> dict[str, str]:
    """Read the properties in a file.

    :raises CommandError: with every line that is wrong.
    """
    with file.open("rb") as stream:
        raw = stream.read(_LARGEST + 1)

    if len(raw) > _LARGEST:
        raise CommandError(f"{file}: larger than {_LARGEST >> 20} MiB, which no properties are", exit_code=USAGE)

    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{file}: byte {error.start} is not UTF-8", exit_code=USAGE) from None

    found: dict[str, str] = {}
    first: dict[str, int] = {}
    wrong: list[str] = []

    for line in _lines(text):
        try:
            key, value = _pair(line.text)
        except ValueError as error:
            wrong.append(f"{file}, line {line.number}: {error}")
            continue

        if key in found:
            wrong.append(f"{file}, line {line.number}: {key} is there already, in line {first[key]}")

        found[key] = value
        first.setdefault(key, line.number)

    if wrong:
        raise CommandError(*wrong, exit_code=USAGE)

    return found


def _lines(text: str) -> Iterator[_Line]:
    """Yield what is no comment and not blank, with lines joined that end in an odd number of backslashes."""
    begun: _Line | None = None

    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        line = raw.lstrip(" \t\f")

        if begun is None and line[:1] in ("", "#", "!"):
            continue

        goes_on = (len(line) - len(line.rstrip("\\"))) % 2 == 1
        joined = (begun.text if begun else "") + (line[:-1] if goes_on else line)
        begun = _Line(begun.number if begun else number, joined)

        if not goes_on:
            yield begun
            begun = None

    if begun is not None:
        yield begun


def _pair(line: str) -> tuple[str, str]:
    found = _PAIR.fullmatch(line)
    key = _unescaped(found["key"]) if found else ""

    if found is None or not _KEY.fullmatch(key):
        raise ValueError(_NAME)

    if not found["separator"] and not found["value"]:
        raise ValueError("has no value; write it as name=value")

    return key, _unescaped(found["value"])


def _unescaped(text: str) -> str:
    try:
        return _ESCAPE.sub(_letter, text)
    except ValueError:
        raise ValueError("has \\u without four hexadecimal digits; a backslash itself is written as \\\\") from None


def _letter(found: re.Match[str]) -> str:
    escaped = found[1]

    if len(escaped) > 1:
        return chr(int(escaped[1:], 16))

    if escaped == "u":
        raise ValueError

    return _LETTERS.get(escaped, escaped)
