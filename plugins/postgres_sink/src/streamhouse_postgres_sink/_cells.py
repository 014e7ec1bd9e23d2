r"""One value of a record on its way into COPY: JSON text as it came, or the text that PostgreSQL's input function shall read.

    msgspec.Raw    JSON text, or NOW; what of it PostgreSQL does not read as it is has yet to be dealt with
    bytes          final: nothing in it means anything to COPY, and it holds no quote

Knows neither columns nor rows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import attrs
import msgspec

from streamhouse_connect import NO_TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "NOW",
    "Forbidden",
    "Rules",
    "Unstorable",
    "escaped",
    "escaping",
    "holds_escapes",
    "is_text",
    "literal",
    "moment",
    "text_of",
    "without_nulls",
]

NOW: Final = msgspec.Raw(b"now")
"""In a column of time, the beginning of the transaction; without quotes it can't come from a record."""

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_PLAIN: Final = (b"\\", b"\n", b"\t", b"\r")

_QUOTE: Final = ord('"')
_NULL: Final = b"\\u0000"

_text = msgspec.json.Decoder(str).decode


@attrs.frozen
class Rules:
    """What the configuration leaves to the user."""

    unit: Literal["auto", "s", "ms", "us", "ns"] = "auto"
    """What numbers count in columns of time."""
    encoding: Literal["base64", "hex"] = "base64"
    """Of bytes, in text that does not start with a backslash and an x."""
    nulls: Literal["dead-letter", "strip", "fail"] = "dead-letter"
    """What becomes of the character U+0000."""
    rounds: bool = False
    """Whether a number may lose digits behind the point that its column has no room for."""


class Unstorable(Exception):  # noqa: N818 - it is the value that is
    """PostgreSQL can't hold this value: its SQLSTATE for that, and the reason, without the value."""

    def __init__(self, state: str, reason: str) -> None:
        self.state = state
        super().__init__(reason)


class Forbidden(Unstorable):
    """The configuration wants the connector to fail for this value."""


def moment(timestamp: int) -> msgspec.Raw | None:
    """Spell a record's timestamp; None if it has none, or one outside of the calendar."""
    if timestamp == NO_TIMESTAMP:
        return None

    try:
        found = _BEGINNING + timedelta(milliseconds=timestamp)
    except OverflowError:
        return None

    return msgspec.Raw(b'"%b"' % found.isoformat().encode())


def holds_escapes(text: bytes) -> bool:
    """Return whether JSON text holds escapes, or white space that COPY takes for its own: as it is it can't stand in a line."""
    return any(mark in text for mark in _NOT_PLAIN)


def escaping(texts: Sequence[bytes], joined: bytes) -> frozenset[int]:
    """Return the indexes of the texts that do; `joined` are all of them, with anything between that does not."""
    found: set[int] = set()

    for mark in _NOT_PLAIN:
        if mark in joined:
            found.update(index for index, text in enumerate(texts) if mark in text)

    return frozenset(found)


def is_text(raw: bytes) -> bool:
    """True for the JSON text of a string."""
    return raw[0] == _QUOTE


def text_of(raw: bytes, rules: Rules) -> bytes:
    """Return the text of a JSON string, or the JSON text of any other value.

    :raises Unstorable: if it holds a character that no text of PostgreSQL can.
    """
    if not is_text(raw):
        return raw

    try:
        text = _text(raw)
    except msgspec.DecodeError:
        raise Unstorable("22021", "holds half of a surrogate pair, which is no character") from None

    if "\x00" not in text:
        return text.encode()

    if rules.nulls == "strip":
        return text.replace("\x00", "").encode()

    raise _null(rules)


def without_nulls(raw: bytes, rules: Rules) -> bytes:
    """Return JSON text for jsonb, which can't hold U+0000: PostgreSQL says so itself, unless the rules want something else."""
    if rules.nulls == "dead-letter" or _NULL not in raw:
        return raw

    # What is left of \\u0000, an escaped backslash and five characters, is not the escape.
    parts = [part.replace(_NULL, b"") for part in raw.split(b"\\\\")]
    stripped = b"\\\\".join(parts)

    if rules.nulls == "fail" and stripped != raw:
        raise _null(rules)

    return stripped


def literal(content: bytes) -> bytes:
    """Return a text for COPY such that nothing in it means anything, not even if it is the text null."""
    return b"nul\\l" if content == b"null" else escaped(content).replace(b'"', b"\\042")


def escaped(content: bytes) -> bytes:
    """Escape what has a meaning inside a line of COPY."""
    return (
        content.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\t", b"\\t").replace(b"\r", b"\\r")
    )  # fmt: skip


def _null(rules: Rules) -> Unstorable:
    kind = Forbidden if rules.nulls == "fail" else Unstorable
    return kind("22P05", "holds the character \\u0000, which PostgreSQL can't (null.characters)")
