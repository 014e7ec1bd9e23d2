"""Newline-delimited JSON."""

from __future__ import annotations

import io

import pytest

from streamhouse_connect.formatters.json import JsonConfig, JsonFormatter
from streamhouse_connect.testing import make_batch

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
