"""Source lines: what a record's value is in a bulk body. Bytes are checked and joined, never decoded into objects.

    value → a JSON object on one line, or wrapped as text
          → with what is added at its front: metadata, @timestamp
          → as a partial document, for updates

Knows nothing of action lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_connect import NO_TIMESTAMP, RejectedRecords, json_objects
from streamhouse_elasticsearch_sink._fields import JsonField
from streamhouse_elasticsearch_sink._templates import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect import Batch, Span

__all__ = ["METADATA", "METADATA_FIELD", "Sources", "ValueLines"]

METADATA: Final = ("topic", "partition", "offset", "timestamp")
METADATA_FIELD: Final = "__connect"

_TIMESTAMP: Final = JsonField("@timestamp", option="data.stream")
_WHITESPACE: Final = b" \t"


@attrs.frozen
class Sources:
    """The values of a batch as source lines."""

    values: Sequence[bytes | None]
    """JSON objects as they came, each one line; None is a tombstone, and what stands at a rejected index means nothing."""
    lines: Sequence[bytes | None]
    """The same as they are sent."""
    rejected: dict[int, str]


@attrs.frozen(kw_only=True)
class ValueLines:
    """How values become source lines."""

    wrap: str | None = None
    """The field that takes the text of values that are no JSON objects; None: they are rejected."""
    metadata: tuple[str, ...] = ()
    """What is added of `METADATA`."""
    timestamp: bool = False
    """Whether `@timestamp` is added where it is missing."""
    partial: bool = False
    """Whether a line is an update of the document."""
    tombstones: bool = False
    """Whether a missing value is a deletion, instead of rejected."""

    def of(self, batch: Batch) -> Sources:
        """Return the source lines of a batch."""
        values, rejected = self._objects(batch.values)
        lines = values

        if self.metadata or self.timestamp:
            lines = self._extended(batch, values, rejected)

        if self.partial:
            lines = [line and b'{"doc":%b,"doc_as_upsert":true}' % line for line in lines]

        return Sources(values, lines, rejected)

    def _objects(self, values: Sequence[bytes | None]) -> tuple[Sequence[bytes | None], dict[int, str]]:
        try:
            return json_objects(values), {}
        except RejectedRecords as rejected:
            return self._one_by_one(values, rejected.reasons)

    def _one_by_one(
        self, values: Sequence[bytes | None], reasons: dict[int, str]
    ) -> tuple[Sequence[bytes | None], dict[int, str]]:
        good = iter(json_objects([value for at, value in enumerate(values) if at not in reasons]))
        lines: list[bytes | None] = []
        rejected: dict[int, str] = {}

        for at, value in enumerate(values):
            if at not in reasons:
                lines.append(next(good))
                continue

            line = self._wrapped(value)
            lines.append(line)

            if line is None and not (value is None and self.tombstones):
                rejected[at] = reasons[at]

        return lines, rejected

    def _wrapped(self, value: bytes | None) -> bytes | None:
        if self.wrap is None or value is None:
            return None

        try:
            return msgspec.json.encode({self.wrap: value.decode()})
        except UnicodeDecodeError:
            return None

    def _extended(
        self, batch: Batch, values: Sequence[bytes | None], rejected: dict[int, str]
    ) -> Sequence[bytes | None]:
        lines = list(values)

        for span in batch.spans:
            stem = self._stem(span)

            for at in range(span.start, span.stop):
                value = values[at]

                if value is None or at in rejected:
                    continue

                try:
                    added = self._metadata(stem, batch.offsets[at], batch.timestamps[at])
                    added += self._timestamp(value, batch.timestamps[at])
                except ValueError as error:
                    rejected[at] = str(error)
                else:
                    lines[at] = _spliced(value, added) if added else value

        return lines

    def _stem(self, span: Span) -> bytes:
        known = {"topic": span.tp.topic, "partition": span.tp.partition}
        return msgspec.json.encode({name: value for name, value in known.items() if name in self.metadata})[1:-1]

    def _metadata(self, stem: bytes, offset: int, timestamp: int) -> bytes:
        if not self.metadata:
            return b""

        members = [stem] if stem else []

        if "offset" in self.metadata:
            members.append(b'"offset":%d' % offset)

        if "timestamp" in self.metadata:
            members.append(b'"timestamp":%b' % (b"null" if timestamp == NO_TIMESTAMP else _iso(timestamp)))

        return b'"%b":{%b},' % (METADATA_FIELD.encode(), b",".join(members))

    def _timestamp(self, value: bytes, timestamp: int) -> bytes:
        if not self.timestamp or _TIMESTAMP.raw(value) is not None:
            return b""

        if timestamp == NO_TIMESTAMP:
            raise ValueError("data.stream @timestamp is missing, and the record has no timestamp")

        return b'"@timestamp":%b,' % _iso(timestamp)


def _spliced(value: bytes, added: bytes) -> bytes:
    """Put members, each with a comma behind it, at the front of a JSON object."""
    rest = value[value.index(b"{") + 1 :]
    return b"{%b%b" % (added[:-1] if rest.lstrip(_WHITESPACE)[:1] == b"}" else added, rest)


def _iso(milliseconds: int) -> bytes:
    try:
        time = moment(milliseconds)
    except OverflowError:
        raise ValueError(f"its timestamp {milliseconds} is no date") from None

    return b'"%b"' % time.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
