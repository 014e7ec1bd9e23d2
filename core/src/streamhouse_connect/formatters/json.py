"""Newline-delimited JSON: each value on a line of its own, as it came, alone or in an envelope."""

from __future__ import annotations

from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, BinaryIO, Final

import attrs
import msgspec

from streamhouse_connect.config import option
from streamhouse_connect.errors import Problem, RejectedRecords
from streamhouse_connect.formatters.compression import Compression, CompressionOption
from streamhouse_connect.formatters.envelopes import Envelope, EnvelopeOption, base64_text, text_or_none
from streamhouse_connect.formatters.interface import Formatter
from streamhouse_connect.records import NO_TIMESTAMP
from streamhouse_connect.values import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streamhouse_connect.records import Batch, Headers, TopicPartition

__all__ = ["JsonConfig", "JsonFormatter"]

_NULL: Final = b"null"
_LINES: Final = 4_096
"""So many enveloped records are written at a time."""

_encode: Final = msgspec.json.Encoder().encode


@attrs.frozen(kw_only=True)
class JsonConfig:
    """The options of JSON lines."""

    envelope: EnvelopeOption = option(
        "json.envelope",
        default="false",
        identity=True,
        doc="json: what a line holds. false: the value. true: an object of topic, partition, offset, timestamp, key, headers "
        "and value. raw: the same, with key, value and headers in base64, for values that are not JSON.",
    )
    compression: CompressionOption = option(
        "compression",
        default="none",
        identity=True,
        doc="json: how a file is compressed as a whole: none, gzip or zstd.",
    )

    def problems(self) -> Iterator[Problem]:
        if missing := Compression.missing(self.compression):
            yield Problem("compression", missing)


class JsonFormatter(Formatter[JsonConfig]):
    """One record a line: any JSON value, byte for byte as it came; one that spans lines is compacted; null for none.

    In an envelope a key, and a header's value, is text, or `{"base64": "…"}` where it is not UTF-8.
    """

    name = "json"
    config_class = JsonConfig
    extension = ".json"
    content_type = "application/x-ndjson"

    def __init__(self, config: JsonConfig) -> None:
        super().__init__(config)
        self._envelope = Envelope(config.envelope)
        self._compression = Compression.of(config.compression)
        self.extension = type(self).extension + self._compression.extension
        self.content_encoding = self._compression.content_encoding

    def format(self, batch: Batch, out: BinaryIO) -> None:
        self._compression.write(self._parts(batch), out)

    def _parts(self, batch: Batch) -> Iterator[bytes]:
        if self._envelope is Envelope.RAW:
            return _enveloped(batch, [_base64(value) for value in batch.values], _base64)

        values = [_NULL if v is None else v for v in batch.values] if None in batch.values else batch.values
        found = json_lines(values)

        if self._envelope is Envelope.RECORD:
            return _enveloped(batch, found.lines, _text)

        return iter((found.joined, b"\n") if len(batch) else ())

    def count(self, source: BinaryIO) -> int:
        count = 0
        rest = b""

        for part in self._compression.read(source):
            *lines, rest = (rest + part).split(b"\n")
            count += self._valid(lines)

        if rest:
            raise ValueError("its last line is cut off")

        if count == 0:
            raise ValueError("it is empty")

        return count

    @staticmethod
    def _valid(lines: list[bytes]) -> int:
        try:
            return len(json_lines(lines).lines)
        except RejectedRecords as error:
            raise ValueError(f"it holds a line that is no record: {error}") from None


def _enveloped(batch: Batch, values: Sequence[bytes], encoded: Callable[[bytes | None], bytes]) -> Iterator[bytes]:
    """Yield lines of records with what is known of them; `encoded` writes a key, or a header's value, as JSON."""
    for span in batch.spans:
        for start in range(span.start, span.stop, _LINES):
            yield _joined(batch, span.tp, slice(start, min(start + _LINES, span.stop)), values, encoded)


def _joined(
    batch: Batch, tp: TopicPartition, rows: slice, values: Sequence[bytes], encoded: Callable[[bytes | None], bytes]
) -> bytes:
    head = b'{"topic":%b,"partition":%d,"offset":' % (_encode(tp.topic), tp.partition)
    headers = batch.headers[rows]
    columns = zip(
        repeat(head),
        batch.offsets[rows],
        map(_time, batch.timestamps[rows]),
        map(encoded, batch.keys[rows]),
        map(partial(_pairs, encoded), headers) if any(headers) else repeat(b"[]"),
        values[rows],
        strict=False,  # two of them have no end
    )
    return b"".join([b'%b%d,"timestamp":%b,"key":%b,"headers":%b,"value":%b}\n' % row for row in columns])


def _time(timestamp: int) -> bytes:
    return _NULL if timestamp == NO_TIMESTAMP else b"%d" % timestamp


def _pairs(encoded: Callable[[bytes | None], bytes], headers: Headers) -> bytes:
    return b"[%b]" % b",".join([b"[%b,%b]" % (_encode(name), encoded(value)) for name, value in headers])


def _text(value: bytes | None) -> bytes:
    if value is None:
        return _NULL

    text = text_or_none(value)
    return _encode({"base64": base64_text(value)} if text is None else text)


def _base64(value: bytes | None) -> bytes:
    return _encode(base64_text(value))
