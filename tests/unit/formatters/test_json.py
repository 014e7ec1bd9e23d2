"""Newline-delimited JSON."""

from __future__ import annotations

import errno
import gzip
import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

from streamhouse_connect import Batch, ConfigError, RejectedRecords
from streamhouse_connect.config import load
from streamhouse_connect.formatters.compression import CompressionOption
from streamhouse_connect.formatters.json import JsonConfig, JsonFormatter
from streamhouse_connect.testing import make_batch

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMATTER = JsonFormatter(JsonConfig())


def test_values_stay_as_they_came() -> None:
    """Byte for byte, objects or not."""
    values = [b' { "a" : 1.0 , "a" : 2 }', b"[1]", b'"x"', b"1E5", b"null"]
    out = io.BytesIO()
    FORMATTER.format(make_batch(values), out)

    assert out.getvalue() == b"".join(value + b"\n" for value in values)


def test_an_empty_batch_is_an_empty_file() -> None:
    """There is no line without a record."""
    out = io.BytesIO()
    FORMATTER.format(make_batch([]), out)

    assert out.getvalue() == b""


@pytest.mark.parametrize(
    "file", [b"", b'{"a":1}\n{"a":', b'{"a":1}', b'{"a":1}\n\n', b'{"a":1}\nx\n', b'{"a":1}\n\xff\n']
)
def test_a_damaged_file_is_not_counted(file: bytes) -> None:
    """Every line must be whole, and a record."""
    with pytest.raises(ValueError, match=r"empty|cut off|no record"):
        FORMATTER.count(io.BytesIO(file))


def test_lines_across_chunks_are_counted_once() -> None:
    """A file is read in parts that end within lines."""
    file = b"".join(b'{"a":"%s"}\n' % (b"x" * (97 * number)) for number in range(300))

    assert len(file) > 3 << 20
    assert FORMATTER.count(io.BytesIO(file)) == 300


def formatted(batch: Batch, **config: Any) -> bytes:
    """Return the file that a formatter with these options makes of a batch."""
    out = io.BytesIO()
    JsonFormatter(JsonConfig(**config)).format(batch, out)
    return out.getvalue()


def test_an_envelope_has_all_of_a_record_around_its_value() -> None:
    """The value as it came, on one line; a time that is not known is null."""
    batch = Batch.concat(
        [
            make_batch([b' { "a" : 1.0 , "a" : 2 }'], first_offset=7, keys=[b"k"], timestamps=[1_700_000_000_123]),
            make_batch([b"[\n1\n]"], topic='to"pic', partition=3, headers=[(("h", b"x"), ("h", None))]),
        ]
    )

    assert formatted(batch, envelope="true").decode().split("\n") == [
        (
            '{"topic":"orders","partition":0,"offset":7,"timestamp":1700000000123,"key":"k","headers":[],'
            '"value": { "a" : 1.0 , "a" : 2 }}'
        ),
        (
            '{"topic":"to\\"pic","partition":3,"offset":0,"timestamp":null,"key":null,"headers":[["h","x"],["h",null]],'
            '"value":[1]}'
        ),
        "",
    ]


@pytest.mark.parametrize(
    ("key", "written"),
    [
        (None, None),
        (b"", ""),
        ('zażółć \n"\\\x00\u2028'.encode(), 'zażółć \n"\\\x00\u2028'),
        (b'{"base64":"AA=="}', '{"base64":"AA=="}'),
        (b"\x00\xff", {"base64": "AP8="}),
        (b"\xed\xa0\x80", {"base64": "7aCA"}),
    ],
)
def test_a_key_is_text_or_base64(key: bytes | None, written: object) -> None:
    """Two keys never look the same, and each can be turned back; so with the values of headers."""
    line = formatted(make_batch([b"1"], keys=[key], headers=[(("h", key),)]), envelope="true")

    assert line.count(b"\n") == 1
    assert json.loads(line)["key"] == written
    assert json.loads(line)["headers"] == [["h", written]]


def test_lines_of_many_records_are_as_those_of_few() -> None:
    """However they are joined, each has its own offset, time, key and value."""
    count = 10_000
    batch = make_batch(
        [b"%d" % n for n in range(count)],
        first_offset=5,
        keys=[b"k%d" % n for n in range(count)],
        timestamps=[*range(count)],
    )
    lines = formatted(batch, envelope="true").splitlines()

    assert [(row["offset"], row["timestamp"], row["key"], row["value"]) for row in map(json.loads, lines)] == [
        (n + 5, n, f"k{n}", n) for n in range(count)
    ]


def test_a_raw_envelope_keeps_any_bytes() -> None:
    """Key, value and headers, in base64."""
    batch = make_batch([b"\xff\n{", None], keys=[b"k", None], headers=[(("h", b"\xfe"), ("h", None)), ()])
    first, second = map(json.loads, formatted(batch, envelope="raw").splitlines())

    assert first == {
        "topic": "orders",
        "partition": 0,
        "offset": 0,
        "timestamp": None,
        "key": "aw==",
        "headers": [["h", "/g=="], ["h", None]],
        "value": "/wp7",
    }
    assert (second["key"], second["headers"], second["value"]) == (None, [], None)


@pytest.mark.parametrize(("envelope", "line"), [("false", b"null"), ("true", b'"value":null}')])
def test_a_tombstone_is_null(envelope: str, line: bytes) -> None:
    """Where it is to be written at all."""
    assert formatted(make_batch([b"1", None]), envelope=envelope).splitlines()[1].endswith(line)


def test_an_envelope_holds_json_only() -> None:
    """A value that is none is rejected, not written into the line."""
    with pytest.raises(RejectedRecords) as caught:
        formatted(make_batch([b"1", b"{}}", b'2}\n{"a":1']), envelope="true")

    assert list(caught.value.reasons) == [1, 2]


BATCH: Final = make_batch([b'{"n":%d,"text":"%s"}' % (n, b"abc" * 50) for n in range(20_000)])


@pytest.mark.parametrize(
    ("compression", "extension", "encoding", "decompress"),
    [
        ("none", ".json", None, bytes),
        ("gzip", ".json.gz", "gzip", gzip.decompress),
        ("zstd", ".json.zst", "zstd", zstd.decompress),
    ],
)
def test_a_file_is_compressed_as_a_whole(
    compression: CompressionOption, extension: str, encoding: str | None, decompress: Callable[[bytes], bytes]
) -> None:
    """Its name and its headers say how; the content is the same, and counted the same."""
    formatter = JsonFormatter(JsonConfig(compression=compression))
    file = formatted(BATCH, compression=compression)

    assert decompress(file) == formatted(BATCH)
    assert (formatter.extension, formatter.content_encoding) == (extension, encoding)
    assert formatter.content_type == "application/x-ndjson"
    assert formatter.count(io.BytesIO(file)) == len(BATCH)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_the_same_records_are_the_same_file(compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is written into it."""
    file = formatted(BATCH, compression=compression)
    monkeypatch.setattr(time, "time", lambda: 0.0)

    assert formatted(BATCH, compression=compression) == file


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["cut", "cut at the end", "changed", "plain", "empty"])
def test_a_damaged_compressed_file_is_not_counted(compression: CompressionOption, damage: str) -> None:
    """Nor is one that is not compressed."""
    file = formatted(BATCH, compression=compression)
    damaged = {
        "cut": file[: len(file) // 2],
        "cut at the end": file[:-1],
        "changed": file[:-1] + bytes([file[-1] ^ 1]),
        "plain": formatted(BATCH),
        "empty": b"",
    }[damage]

    with pytest.raises(ValueError):
        JsonFormatter(JsonConfig(compression=compression)).count(io.BytesIO(damaged))


def test_a_disk_that_fails_is_not_taken_for_a_damaged_file() -> None:
    """Reading it again may help."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "I/O error")

    for compression in ("none", "gzip", "zstd"):
        with pytest.raises(OSError, match="I/O error"):
            JsonFormatter(load([JsonConfig], {"compression": compression}).get(JsonConfig)).count(Failing())


def test_a_missing_library_is_a_problem_of_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to install it; the others need none."""
    monkeypatch.setitem(sys.modules, zstd.__name__, None)

    if sys.version_info < (3, 14):
        monkeypatch.delattr("backports.zstd")

    with pytest.raises(ConfigError, match=r"config\.compression .*pip install \"streamhouse-connect\[zstd\]\""):
        load([JsonConfig], {"compression": "zstd"})

    assert load([JsonConfig], {"compression": "gzip"}).get(JsonConfig).compression == "gzip"
