"""Document ids: functions of the record and of nothing else, so that writing it twice is writing it once.

An id is kept as the JSON text that stands in the action line. Knows nothing of indexes or requests.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_elasticsearch_sink._fields import JsonField
from streamhouse_elasticsearch_sink._templates import KeyPart, Rows, Template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect import Span, TopicPartition

__all__ = ["MAX_BYTES", "MAX_ROUTE_BYTES", "IdTemplate", "OffsetId", "literal_source", "offset_stem"]

MAX_BYTES: Final = 512
"""Elasticsearch answers a longer id by refusing the whole request."""
MAX_ROUTE_BYTES: Final = 32_766
"""Of a term in Lucene's index."""

_PLACEHOLDERS: Final = ("key", "field", "topic", "partition", "offset")
_TEXT: Final = msgspec.json.Decoder(str)
_EMPTY: Final = len('""')


def offset_stem(topic: str, partition: int, *, epoch: int, last: int) -> bytes:
    """Return the JSON text of ids up to the offset: `"orders+0+`, with the epoch in front when offsets were reset.

    No two records share an id: names of topics hold no plus sign.

    :raises ValueError: if the id of the offset `last` is too long.
    """
    stem = f"{epoch}+{topic}+{partition}+" if epoch else f"{topic}+{partition}+"

    if len(f"{stem}{last}".encode()) > MAX_BYTES:
        raise ValueError(f"the id {stem}{last} is longer than {MAX_BYTES} bytes; set document.id")

    return msgspec.json.encode(stem)[:-1]


class OffsetId:
    """Ids of topic, partition and offset, where action lines differ in more than that."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def literal(self, rows: Rows, tp: TopicPartition, at: int) -> bytes:
        """Return the id of a record; see `offset_stem`."""
        offset = rows.offsets[at]
        return b'%b%d"' % (offset_stem(tp.topic, tp.partition, epoch=self._epoch, last=offset), offset)

    def literals(self, rows: Rows, span: Span) -> Sequence[bytes | None]:
        """Return the ids of a span; see `IdTemplate.literals`."""
        offsets = rows.offsets[span.start : span.stop]

        try:
            stem = offset_stem(span.tp.topic, span.tp.partition, epoch=self._epoch, last=max(offsets, default=0))
        except ValueError:
            return [None] * len(offsets)

        return [b'%b%d"' % (stem, offset) for offset in offsets]


def literal_source(text: str, option: str) -> JsonField | Template:
    """Read an option that is a field's name, or a template if it holds braces.

    :raises ValueError: with a message that completes "document.id …".
    """
    if "{" in text or "}" in text:
        return Template.parse(text, option=option, known=_PLACEHOLDERS)

    return JsonField(text, option=option)


@attrs.frozen
class IdTemplate:
    """Texts that stand as JSON strings in action lines: ids, and routes.

    :raises ValueError: with a message that completes "document.id …".
    """

    text: str
    option: str = "document.id"
    longest: int = MAX_BYTES
    hashed: bool = False
    """Whether what is too long is replaced by its SHA-256, instead of rejected."""
    _source: JsonField | Template = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_source", literal_source(self.text, self.option))

    @property
    def needs_values(self) -> bool:
        """Whether a tombstone has none."""
        return isinstance(self._source, JsonField) or self._source.needs_values

    @property
    def needs_offsets(self) -> bool:
        """Whether no two records have the same."""
        return isinstance(self._source, Template) and self._source.needs_offsets

    @property
    def is_key(self) -> bool:
        """Whether it is the record's key and nothing else."""
        return isinstance(self._source, Template) and [type(part) for part in self._source.parts] == [KeyPart]

    def literal(self, rows: Rows, tp: TopicPartition, at: int) -> bytes:
        """Return the text of a record as a JSON string; equal ones have equal literals.

        :raises ValueError: with the reason why it has none.
        """
        if isinstance(self._source, JsonField):
            value = rows.values[at]

            if value is None:
                raise ValueError(f"{self.option} {self.text} is missing: the record is a tombstone")

            literal = self._source.literal(value)
        else:
            literal = msgspec.json.encode(self._source.text(rows, tp, at))

            if len(literal) == _EMPTY:
                raise ValueError(f"{self.option} {self.text} is empty")

        # An escape is longer than what it stands for: only what looks too long is looked at closely.
        return literal if len(literal) <= self.longest + _EMPTY else self._shortened(literal)

    def literals(self, rows: Rows, span: Span) -> Sequence[bytes | None]:
        """Return `literal` of a span's records, in much less time; None for those that it has to be asked for by themselves."""
        records = slice(span.start, span.stop)

        if isinstance(self._source, JsonField):
            made = self._source.literals(rows.values[records])
        elif self.is_key:
            made = _texts(rows.keys[records])
        else:
            made = [None] * (span.stop - span.start)

        return [literal if literal and _EMPTY < len(literal) <= self.longest + _EMPTY else None for literal in made]

    def _shortened(self, literal: bytes) -> bytes:
        text = _TEXT.decode(literal).encode()

        if len(text) <= self.longest:
            return literal

        if self.hashed:
            return b'"%b"' % sha256(text).hexdigest().encode()

        raise ValueError(f"{self.option} {self.text} is longer than {self.longest} bytes")


def _texts(keys: Sequence[bytes | None]) -> Sequence[bytes | None]:
    try:
        return [msgspec.json.encode(key.decode()) for key in keys]  # type: ignore[union-attr]  # is met as the error that it is
    except (AttributeError, UnicodeDecodeError):  # some record has no key, or one that is no text
        return [None] * len(keys)
