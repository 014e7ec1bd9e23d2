"""Document ids: functions of the record and of nothing else, so that writing it twice is writing it once.

An id is kept as the JSON text that stands in the action line. Knows nothing of indexes or requests.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = ["JsonField", "offset_stem"]

MAX_BYTES: Final = 512
"""Elasticsearch answers a longer id by refusing the whole request."""

_TEXT: Final = msgspec.json.Decoder(str)


def offset_stem(topic: str, partition: int, *, epoch: int, last: int) -> bytes:
    """Return the JSON text of ids up to the offset: `"orders+0+`, with the epoch in front when offsets were reset.

    No two records share an id: names of topics hold no plus sign.

    :raises ValueError: if the id of the offset `last` is too long.
    """
    stem = f"{epoch}+{topic}+{partition}+" if epoch else f"{topic}+{partition}+"

    if len(f"{stem}{last}".encode()) > MAX_BYTES:
        raise ValueError(f"the id {stem}{last} is longer than {MAX_BYTES} bytes; set document.id")

    return msgspec.json.encode(stem)[:-1]


class JsonField:
    """The value of one field of a JSON object, nested as `a.b`, as an id; the rest of the object is skipped.

    :raises ValueError: with a message that completes "document.id …", if the path names no field.
    """

    def __init__(self, path: str) -> None:
        names = path.split(".")

        if not all(names):
            raise ValueError(f"is {path!r}; write it as field or outer.inner")

        self.path = path
        self._names = names

        try:
            self._decoder = msgspec.json.Decoder(_struct(names))
        except ValueError:
            raise ValueError(
                f"is {path!r}; a field's name can't hold quotes, backslashes or control characters"
            ) from None

    def literal(self, value: bytes) -> bytes:
        """Return the id in `value`, a JSON object, as the text of a JSON string; equal ids have equal texts.

        Numbers are taken as they are written, and so are exact.

        :raises ValueError: with the reason why the record has no id.
        """
        raw = self._raw(value)

        if raw[:1] != b'"':
            if raw[:1] in (b"{", b"["):
                raise ValueError(f"document.id {self.path} is {'an object' if raw[:1] == b'{' else 'an array'}")

            literal = b'"%b"' % raw
        elif b"\\" in raw:
            literal = self._unescaped(raw)
        else:
            literal = raw

        if len(literal) == len(b'""'):
            raise ValueError(f"document.id {self.path} is empty")

        # An escape is longer than what it stands for: only what looks too long is looked at closely.
        if len(literal) > MAX_BYTES + 2 and len(_TEXT.decode(literal).encode()) > MAX_BYTES:
            raise ValueError(f"document.id {self.path} is longer than {MAX_BYTES} bytes")

        return literal

    def _raw(self, value: bytes) -> bytes:
        try:
            found: Any = self._decoder.decode(value)

            for _ in self._names:
                if found is None:
                    break

                found = found.field
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(f"document.id {self.path} can't be read: {error}") from None

        if found is None or bytes(found) == b"null":
            raise ValueError(f"document.id {self.path} is missing or null")

        return bytes(found)

    def _unescaped(self, raw: bytes) -> bytes:
        try:
            return msgspec.json.encode(_TEXT.decode(raw))
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise ValueError(f"document.id {self.path} is not text: {error}") from None


def _struct(names: list[str]) -> type[msgspec.Struct]:
    """Build the struct of the field `names` leads to: each level knows the next name alone."""
    inner: Any = msgspec.Raw if len(names) == 1 else _struct(names[1:])
    # Raw takes null as well; it can't stand in a union.
    kind = inner if inner is msgspec.Raw else inner | None
    return msgspec.defstruct("Level", [("field", kind, None)], rename={"field": names[0]}, gc=False)
