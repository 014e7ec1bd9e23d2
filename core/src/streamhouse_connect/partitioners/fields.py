"""Reads a few fields of JSON objects, and decodes nothing else of them."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["UNREADABLE", "Fields", "wrong_with_name"]

UNREADABLE: Final = object()
"""Stands for a number that is beyond all types."""

_OBJECT: Final = msgspec.json.Decoder(msgspec.defstruct("_Object", [], gc=False))
_UNREADABLE_NAME: Final = re.compile(
    r'["\\\x00-\x1f\ud800-\udfff]'
)  # msgspec compares names with the bytes of the JSON


def wrong_with_name(name: str) -> str | None:
    """Return why fields of this name can't be read; None if they can."""
    if _UNREADABLE_NAME.search(name):
        return f"names the field {name[:80]!r}; the name must not hold quotes, backslashes or control characters"

    return None


class Fields:
    """Fields at the top level of JSON objects, by their names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._attributes = [f"f{number}" for number in range(len(names))]
        members = [
            (attribute, Any, msgspec.field(name=name, default=None))
            for attribute, name in zip(self._attributes, names, strict=True)
        ]
        self._struct = msgspec.defstruct("_Fields", members, gc=False)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self._struct)
        self._alone = [Fields([name]) for name in names] if len(names) > 1 else []

    def columns(self, values: Sequence[bytes | None]) -> dict[str, list[Any]]:
        """Return the values of each field, as `json` would decode them; None where there is no such field.

        A value that is no JSON object has no fields. Whether it is written all the same is for the format to say.
        """
        decode = self._decoder.decode

        try:
            rows = [decode(value) for value in values]  # type: ignore[arg-type]  # None raises TypeError, see below
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError):
            rows = [self._row(value) for value in values]

        return {
            name: [*map(attrgetter(attribute), rows)]
            for name, attribute in zip(self._names, self._attributes, strict=True)
        }

    def _row(self, value: bytes | None) -> Any:
        if value is None:
            return self._struct()

        try:
            return self._decoder.decode(value)
        except msgspec.ValidationError:
            return self._struct(*self._readable(value)) if _is_object(value) else self._struct()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._struct()

    def _readable(self, value: bytes) -> list[Any]:
        """Read fields one by one of an object of which one is unreadable."""
        if not self._alone:
            return [UNREADABLE]

        return [column[0] for fields in self._alone for column in fields.columns([value]).values()]


def _is_object(value: bytes) -> bool:
    try:
        _OBJECT.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False

    return True
