r"""What is not JSON but is sent as such: NaN, Infinity and -Infinity, as Python writes them, and halves of surrogate pairs.

A column may be able to hold them (a float NaN, a column of type json "\ud800"), or PostgreSQL says that it can't: so they are
passed on. For the JSON decoder something else stands for them in the meantime.

    {"a":NaN,"b":"\ud800"}   →   {"a":"�=NaN","b":"�d800"}   →   a: NaN   b: "\ud800"
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

__all__ = ["loosen", "restored"]

_TOKENS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u(?P<half>[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


_MARK: Final = b"\xff"
"""Never occurs in UTF-8, and the decoder does not look into what it leaves raw; in the name of a field it refuses it."""

_BARE: Final = re.compile(b'"' + _MARK + b'=([^"]*)"')


def loosen(text: bytes) -> bytes:
    """Put something that passes for JSON in the place of what is not quite; `text` is UTF-8."""
    return _TOKENS.sub(_token, text)


def restored(cell: msgspec.Raw) -> msgspec.Raw:
    """Return what stood there before `loosen`."""
    return msgspec.Raw(_BARE.sub(rb"\1", bytes(cell)).replace(_MARK, b"\\u"))


def _token(found: re.Match[bytes]) -> bytes:
    token = found[0]
    return _ESCAPES.sub(_escape, token) if token.startswith(b'"') else b'"' + _MARK + b"=" + token + b'"'


def _escape(found: re.Match[bytes]) -> bytes:
    return found[0] if found["half"] is None else _MARK + found["half"]
