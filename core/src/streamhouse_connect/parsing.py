"""Reads one value as a user may have written it: text as in the examples, or a JSON value.

Every function raises ValueError with a message that completes "option x …". Knows nothing of options.
"""

from __future__ import annotations

import contextlib
import difflib
import re
import reprlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["boolean", "choice", "integer", "items", "number", "property_text", "size", "text"]

_SIZE: Final = re.compile(r"(?P<number>\d+)\s*(?P<unit>B|KB|MB|GB|KiB|MiB|GiB)?", re.IGNORECASE | re.ASCII)
_MAX_ITEMS: Final = 1000
_COMPARED: Final = 100
_UNITS: Final = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def text(value: object) -> str:
    """Read text; a number is taken as JSON writes it: an account's, say, is often given as one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        message = f"must be text, but is {_kind(value)}"
        raise ValueError(message)  # noqa: TRY004 - as every other function here

    if "\0" in (read := str(value)):
        message = "must not hold the character NUL"
        raise ValueError(message)

    return read


def property_text(value: object) -> str:
    """Read what goes to a client library as text, whatever it takes it for: true and false as well."""
    return text(str(value).lower() if isinstance(value, bool) else value)


def integer(value: object) -> int:
    """Read an integer; `5.0` is one, `5.5` and true are not."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value

    if isinstance(value, float) and value.is_integer():
        return int(value)

    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,30}", value.strip()):
        return int(value)

    message = f"must be an integer, but is {_quoted(value)}"
    raise ValueError(message)


def number(value: object) -> float:
    """Read a number."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)

    message = f"must be a number, but is {_quoted(value)}"
    raise ValueError(message)


def boolean(value: object) -> bool:
    """Read true or false."""
    known = {"true": True, "false": False}
    word = str(value).strip().lower() if isinstance(value, str | bool) else ""

    if word in known:
        return known[word]

    message = f"must be true or false, but is {_quoted(value)}"
    raise ValueError(message)


def size(value: object) -> int:
    """Read a number of bytes, with or without a unit."""
    match = None if isinstance(value, bool) else _SIZE.fullmatch(text(value).strip())

    if match:
        return int(match["number"]) * _UNITS[(match["unit"] or "B").lower()]

    message = f"must be a size in bytes such as 5242880 or 5 MiB, but is {_quoted(value)}"
    raise ValueError(message)


def choice(value: object, choices: Sequence[str]) -> str:
    """Read one of `choices`; true and false are read as those words."""
    word = property_text(value)

    if word in choices:
        return word

    near = difflib.get_close_matches(word[:_COMPARED], choices, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    message = f"must be one of {', '.join(choices)}, but is {_quoted(value)}{hint}"
    raise ValueError(message)


def items(value: object) -> tuple[str, ...]:
    """Read a comma list or a JSON array; empty items are left out."""
    parts = value if isinstance(value, list) else text(value).split(",")

    if len(parts) > _MAX_ITEMS:
        message = f"must have at most {_MAX_ITEMS:,} items, but has {len(parts):,}"
        raise ValueError(message)

    return tuple(part for part in (text(part).strip() for part in parts) if part)


def _quoted(value: object) -> str:
    """Return as much of a value as is needed to know it again."""
    return _kind(value) if isinstance(value, bool | dict | list) else reprlib.repr(value)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()

    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), type(value).__name__)
