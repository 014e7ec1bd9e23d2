"""Values as text in a path: no value leaves its place, and two different values are never the same text. Pure.

Text is written as it is, but that every ASCII character other than letters, digits and `-._~` is percent-encoded, and so is what
no store or listing can be trusted with. Letters beyond ASCII stay: Hive and Spark decode `%XX` as single bytes, not as UTF-8.

    "a/b" → a%2Fb    "" → __EMPTY__    null → __HIVE_DEFAULT_PARTITION__    12 → 12    true → true    1.50 → 1.5

Text that reads as another value has its first character encoded, which every reader undoes: "12" → %312, "true" → %74rue.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from streamhouse_connect.partitioners.interface import NO_PARTITION

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EMPTY", "encoded", "texts_of"]

EMPTY: Final = "__EMPTY__"
"""The text of the empty string: Spark reads no directory `tenant=`."""

# Of what is not ASCII: C1 controls and the no-break space, the line separators, and what XML can't hold.
_ENCODED: Final = re.compile("[^A-Za-z0-9._~\\-\u00a1-\u2027\u202a-\ud7ff\ue000-\uffef\U00010000-\U0010ffff]")
_OTHERS: Final = re.compile(
    rf"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|\.\.?|{NO_PARTITION}|{EMPTY}", re.ASCII
)
_PLAIN: Final = frozenset({str, int, bool})
"""Types whose values are equal only if their texts are: 0.0 and -0.0 are not, nor are 1, 1.0 and true together."""


def encoded(text: str) -> str:
    """Percent-encode what must not stand in a path as it is."""
    return _ENCODED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def texts_of(values: Sequence[object]) -> list[str | None]:
    """Return the texts of values as `json` decodes them; None for what has none: arrays, objects, and anything else."""
    kinds = {*map(type, values)} - {type(None)}

    if len(kinds) <= 1 and kinds <= _PLAIN:
        distinct = {value: _text_of(value) for value in set(values)}
        return [distinct[value] for value in values]

    return [_text_of(value) for value in values]


def _text_of(value: object) -> str | None:
    kind = type(value)

    if kind is str:
        return _text_of_text(cast("str", value))

    if value is None:
        return NO_PARTITION

    if kind is bool:
        return "true" if value else "false"

    if kind is int:
        return str(value)

    return encoded(repr(value)) if kind is float else None


def _text_of_text(value: str) -> str:
    if not value:
        return EMPTY

    text = encoded(value)
    return f"%{ord(text[0]):02X}{text[1:]}" if _OTHERS.fullmatch(value) else text
