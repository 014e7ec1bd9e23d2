"""Document ids: functions of the record and of nothing else, so that writing it twice is writing it once.

An id is kept as the JSON text that stands in the action line. Knows nothing of indexes or requests.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_elasticsearch_sink._fields import JsonField
from streamhouse_elasticsearch_sink._templates import KeyPart, Rows, Template

if TYPE_CHECKING:
    from streamhouse_connect import TopicPartition

__all__ = ["MAX_BYTES", "MAX_ROUTE_BYTES", "IdTemplate", "OffsetId", "literal_source", "offset_stem"]

MAX_BYTES: Final = 512
"""Elasticsearch answers a longer id by refusing the whole request."""
MAX_ROUTE_BYTES: Final = 32_766
"""Of a term in Lucene's index."""

_PLACEHOLDERS: Final = ("key", "field", "topic", "partition", "offset")
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


class OffsetId:
    """Ids of topic, partition and offset, one record at a time."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def literal(self, rows: Rows, tp: TopicPartition, at: int) -> bytes:
        """Return the id of a record; see `offset_stem`."""
        offset = rows.offsets[at]
        return b'%b%d"' % (_stem(tp.topic, tp.partition, self._epoch, len(str(offset))), offset)


@lru_cache(maxsize=4096)
def _stem(topic: str, partition: int, epoch: int, digits: int) -> bytes:
    return offset_stem(topic, partition, epoch=epoch, last=10**digits - 1)


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

            if literal == b'""':
                raise ValueError(f"{self.option} {self.text} is empty")

        # An escape is longer than what it stands for: only what looks too long is looked at closely.
        return literal if len(literal) <= self.longest + 2 else self._shortened(literal)

    def _shortened(self, literal: bytes) -> bytes:
        text = _TEXT.decode(literal).encode()

        if len(text) <= self.longest:
            return literal

        if self.hashed:
            return b'"%b"' % sha256(text).hexdigest().encode()

        raise ValueError(f"{self.option} {self.text} is longer than {self.longest} bytes")
