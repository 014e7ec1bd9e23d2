"""Source lines: what a record's value is in a bulk body. Bytes are checked and joined, never decoded into objects.

    value → a JSON object on one line, or wrapped as text
          → with what is added at its front: metadata, @timestamp
          → as a partial document, for updates

Knows nothing of action lines.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_connect import NO_TIMESTAMP, RejectedRecords, json_objects
from streamhouse_elasticsearch_sink._fields import JsonField
from streamhouse_elasticsearch_sink._templates import moment

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from streamhouse_connect import Batch, Span

__all__ = ["METADATA", "METADATA_FIELD", "Sources", "ValueLines"]

METADATA: Final = ("topic", "partition", "offset", "timestamp")
METADATA_FIELD: Final = "__connect"

_TIMESTAMP: Final = JsonField("@timestamp", option="data.stream")
_WHITESPACE: Final = b" \t"
_PERHAPS_INFINITE: Final = re.compile(rb"\d[eE]\+?\d|\d{309}")


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

        if self.partial:
            rejected |= _infinite(values, rejected)

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
        # One that is null is Elasticsearch's to refuse: a second one would be, too, and with worse words.
        if not self.timestamp or _TIMESTAMP.written(value) is not None:
            return b""

        if timestamp == NO_TIMESTAMP:
            raise ValueError("data.stream @timestamp is missing, and the record has no timestamp")

        return b'"@timestamp":%b,' % _iso(timestamp)


def _infinite(values: Sequence[bytes | None], rejected: Collection[int]) -> dict[int, str]:
    """Return the values with a number that Elasticsearch makes the text "Infinity" of, as it writes updated documents anew."""
    suspects = [
        (at, value)
        for at, value in enumerate(values)
        if value and at not in rejected and _PERHAPS_INFINITE.search(value)
    ]
    return {at: reason for at, value in suspects if (reason := _overflow(value))}


def _overflow(value: bytes) -> str | None:
    try:
        json.loads(value, parse_float=_finite, parse_int=str)
    except OverflowError as error:
        return str(error)
    except RecursionError:
        return "is nested too deeply"

    return None


def _finite(digits: str) -> float:
    number = float(digits)

    if math.isinf(number):
        raise OverflowError(
            f"write.method=update can't keep the number {digits[:20]}, which is beyond those of 64 bits"
        )

    return number


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
