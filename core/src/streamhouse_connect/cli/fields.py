"""Takes a record's key and its time out of its JSON. Pure; knows nothing of files or topics."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Field", "key", "timestamp"]

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
_LATEST: Final = 253_402_300_799_999
"""The end of the year 9999."""

_NAME: Final = re.compile(r'[^"\\\x00-\x1f]+')
_ABSENT: Final = msgspec.Raw(b"null")


class Field:
    """A field of JSON objects by its path, such as `order_id` or `customer.id`."""

    def __init__(self, path: str) -> None:
        """Prepare to find a field.

        :raises ValueError: if that is no path.
        """
        self.path = path
        self._names = path.split(".")
        shape: Any = msgspec.Raw

        if not all(_NAME.fullmatch(name) for name in self._names):
            message = f"{path!r} is no field; write order_id, or customer.id for a field of a field"
            raise ValueError(message)

        for name in reversed(self._names):
            optional = shape if shape is msgspec.Raw else shape | None
            default = _ABSENT if shape is msgspec.Raw else None
            column = ("value", optional, msgspec.field(name=name, default=default))
            shape = msgspec.defstruct("_Level", [column], gc=False)

        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(shape).decode

    def find(self, value: bytes) -> bytes:
        """Return the field's JSON text; `null` if the value has no such field. `value` must be JSON."""
        try:
            found = self._decode(value)
        except msgspec.ValidationError:  # not an object here or there on the path
            return b"null"

        for _ in self._names:
            if found is None:
                return b"null"

            found = found.value

        return bytes(found)


def key(text: bytes) -> bytes | None:
    """Return the key that a field's JSON text makes: its text; None for null.

    :raises ValueError: if it can't be one.
    """
    if text == b"null":
        return None

    if text[:1] in b"{[":
        message = "is an object or a list; a key is made of text, a number or a boolean"
        raise ValueError(message)

    return msgspec.json.decode(text, type=str).encode() if text[:1] == b'"' else text


def timestamp(text: bytes) -> int | None:
    """Return the milliseconds since the epoch that a field's JSON text means; None for null.

    :raises ValueError: if it means no time.
    """
    if text == b"null":
        return None

    try:
        found = msgspec.json.decode(text, type=str | int | float)
        number = _parse(found) if isinstance(found, str) else int(found)
    except (msgspec.MsgspecError, ValueError, OverflowError):
        number = -1

    if 0 <= number <= _LATEST:
        return number

    shown = text[:40].decode(errors="replace")
    message = f"is {shown}, which is no time: give milliseconds since 1970 or text such as 2013-01-01T05:00:00Z"
    raise ValueError(message)


def _parse(text: str) -> int:
    if text.isascii() and text.isdecimal():
        return int(text)

    moment = dt.datetime.fromisoformat(text)

    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)

    return (moment - _EPOCH) // _MILLISECOND
