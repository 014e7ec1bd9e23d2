"""Reads one value as a user may have written it: text as in the examples, or a JSON value.

Every function raises ValueError with a message that completes "option x …". Knows nothing of options.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["boolean", "choice", "integer", "items", "number", "size", "text"]

_SIZE: Final = re.compile(r"(?P<number>\d+)\s*(?P<unit>B|KB|MB|GB|KiB|MiB|GiB)?", re.IGNORECASE | re.ASCII)
_UNITS: Final = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def text(value: object) -> str:
    """Read text; numbers and booleans are taken as JSON writes them."""
    if isinstance(value, bool):
        return str(value).lower()

    if isinstance(value, str | int | float):
        return str(value)

    message = f"must be text, but is {_kind(value)}"
    raise ValueError(message)


def integer(value: object) -> int:
    """Read an integer; `5.0` is one, `5.5` and true are not."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value

    if isinstance(value, float) and value.is_integer():
        return int(value)

    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,30}", value.strip()):
        return int(value)

    message = f"must be an integer, but is {value!r}"
    raise ValueError(message)


def number(value: object) -> float:
    """Read a number."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)

    message = f"must be a number, but is {value!r}"
    raise ValueError(message)


def boolean(value: object) -> bool:
    """Read true or false."""
    known = {"true": True, "false": False}
    word = text(value).strip().lower() if isinstance(value, str | bool) else ""

    if word in known:
        return known[word]

    message = f"must be true or false, but is {value!r}"
    raise ValueError(message)


def size(value: object) -> int:
    """Read a number of bytes, with or without a unit."""
    match = _SIZE.fullmatch(text(value).strip())

    if match:
        return int(match["number"]) * _UNITS[(match["unit"] or "B").lower()]

    message = f"must be a size in bytes such as 5242880 or 5 MiB, but is {value!r}"
    raise ValueError(message)


def choice(value: object, choices: Sequence[str]) -> str:
    """Read one of `choices`."""
    if text(value) in choices:
        return text(value)

    near = difflib.get_close_matches(text(value), choices, n=1)
    message = f"must be one of {', '.join(choices)}, but is {value!r}" + (f"; did you mean {near[0]}?" if near else "")
    raise ValueError(message)


def items(value: object) -> tuple[str, ...]:
    """Read a comma list or a JSON array; empty items are left out."""
    parts = value if isinstance(value, list) else text(value).split(",")
    return tuple(part for part in (text(part).strip() for part in parts) if part)


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "an object"

    return "a list" if isinstance(value, list) else repr(value)
