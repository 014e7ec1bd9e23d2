"""Reads the text format of COPY as PostgreSQL does, with NULL 'null': what the encoder is held against."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?P<octal>[0-7]{1,3})|\\(?P<other>.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}


def read_lines(data: bytes) -> list[tuple[str | None, ...]]:
    """Split the data into rows of texts; None is NULL."""
    text = data.decode()
    assert not text or text.endswith("\n")
    assert "\r" not in text
    return [tuple(map(_cell, line.split("\t"))) for line in text.split("\n")[:-1]]


def _cell(cell: str) -> str | None:
    return None if cell == "null" else _ESCAPE.sub(_unescaped, cell)


def _unescaped(match: re.Match[str]) -> str:
    if match["octal"]:
        return chr(int(match["octal"], 8))

    return _LETTERS.get(match["other"], match["other"])
