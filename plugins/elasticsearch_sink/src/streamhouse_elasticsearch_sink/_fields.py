"""One field of JSON objects, nested as `a.b`; the rest of an object is skipped. Knows nothing of what the field is for."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["JsonField"]

_TEXT: Final = msgspec.json.Decoder(str)
_QUOTE: Final = ord('"')
_ESCAPE: Final = ord("\\")
_NUMERAL: Final = frozenset(b"-0123456789")


class JsonField:
    """The value of one field, as it is written or as text.

    Its errors are reasons against a record, and name the option that asks for the field.

    :raises ValueError: with a message that completes "document.id …", if the path names no field.
    """

    def __init__(self, path: str, *, option: str = "document.id") -> None:
        names = path.split(".")

        if not all(names):
            raise ValueError(f"is {path!r}; write it as field or outer.inner")

        self.path = path
        self._label = f"{option} {path}"
        self._names = names
        self._find = attrgetter(".".join(["field"] * len(names)))

        try:
            self._decoder = msgspec.json.Decoder(_struct(names))
        except ValueError:
            raise ValueError(
                f"is {path!r}; a field's name can't hold quotes, backslashes or control characters"
            ) from None

    def raw(self, value: bytes) -> bytes | None:
        """Return the field in `value`, a JSON object, as it is written there; None where it is missing or null.

        :raises ValueError: with the reason why it can't be read.
        """
        found = self.written(value)
        return None if found == b"null" else found

    def written(self, value: bytes) -> bytes | None:
        """Return what `raw` does, or `null` where that is written.

        :raises ValueError: with the reason why it can't be read.
        """
        try:
            found: Any = self._decoder.decode(value)

            for _ in self._names:
                if found is None:
                    return None

                found = found.field
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(f"{self._label} can't be read: {error}") from None

        return None if found is None else bytes(found)

    def literal(self, value: bytes) -> bytes:
        """Return the field as the text of a JSON string; equal ones have equal texts.

        Numbers are taken as they are written, and so are exact.

        :raises ValueError: with the reason why there is no such text.
        """
        raw = self.raw(value)

        if raw is None:
            raise ValueError(f"{self._label} is missing or null")

        literal = self._scalar(raw)

        if literal == b'""':
            raise ValueError(f"{self._label} is empty")

        return literal

    def literals(self, values: Sequence[bytes | None]) -> Sequence[bytes | None]:
        """Return `literal` of many values, in much less time; None for those that it has to be asked for by themselves."""
        try:
            found = list(map(bytes, map(self._find, map(self._decoder.decode, cast("Sequence[bytes]", values)))))
        except (msgspec.MsgspecError, RecursionError, AttributeError, TypeError):
            return [None] * len(values)  # some value has no such field, or is missing itself

        return [
            b'"%b"' % raw if raw[0] in _NUMERAL else raw if raw[0] == _QUOTE and _ESCAPE not in raw else None
            for raw in found
        ]

    def text(self, value: bytes) -> str | None:
        """Return the field as text; None where it is missing, null or empty.

        :raises ValueError: with the reason why it is no text.
        """
        raw = self.raw(value)
        return None if raw is None else _TEXT.decode(self._scalar(raw)) or None

    def _scalar(self, raw: bytes) -> bytes:
        if raw[:1] != b'"':
            if raw[:1] in (b"{", b"["):
                raise ValueError(f"{self._label} is {'an object' if raw[:1] == b'{' else 'an array'}")

            return b'"%b"' % raw

        return self._unescaped(raw) if b"\\" in raw else raw

    def _unescaped(self, raw: bytes) -> bytes:
        try:
            return msgspec.json.encode(_TEXT.decode(raw))
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise ValueError(f"{self._label} is not text: {error}") from None


def _struct(names: list[str]) -> type[msgspec.Struct]:
    """Build the struct of the field `names` leads to: each level knows the next name alone."""
    inner: Any = msgspec.Raw if len(names) == 1 else _struct(names[1:])
    # Raw takes null as well; it can't stand in a union.
    kind = inner if inner is msgspec.Raw else inner | None
    return msgspec.defstruct("Level", [("field", kind, None)], rename={"field": names[0]}, gc=False)
