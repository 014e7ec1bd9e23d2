from __future__ import annotations

import io
import json
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.cli import lines
from streamhouse_connect.cli.lines import BadLine, Lines, read_lines


def read(data: bytes, *, limit: int = 1000) -> list[Lines]:
    return list(read_lines(io.BytesIO(data), limit=limit))


def values(data: bytes, *, limit: int = 1000) -> list[bytes]:
    return [value for part in read(data, limit=limit) for value in part.values]


def bad(data: bytes) -> BadLine:
    found = read(data)[-1].bad
    assert found is not None
    return found


def test_a_value_is_kept_byte_for_byte() -> None:
    """Spaces, escapes and the spelling of numbers are the user's."""
    assert values(b' {"a" : 1.50, "b":"\\u00e9"}\t\n') == [b' {"a" : 1.50, "b":"\\u00e9"}\t']


def test_the_last_line_may_lack_its_newline() -> None:
    """A file that ends in the middle of a line of text editors' making has that line too."""
    assert values(b"1\n2") == [b"1", b"2"]


def test_line_ends_of_windows_are_no_part_of_the_value() -> None:
    """CR LF ends a line as LF does."""
    assert values(b"1\r\n2\r\n") == [b"1", b"2"]


def test_a_byte_order_mark_is_no_part_of_the_first_value() -> None:
    """Windows' editors put one there."""
    assert values(b"\xef\xbb\xbf{}\n") == [b"{}"]


def test_blank_lines_are_left_out_and_counted() -> None:
    """The numbers are those of an editor."""
    (part,) = read(b"\n1\n  \n\n2\n")
    assert (list(part.values), list(part.numbers)) == ([b"1", b"2"], [2, 5])


def test_an_empty_file_has_no_lines() -> None:
    """There is nothing to complain about."""
    assert read(b"") == []


def test_no_part_is_larger_than_the_limit() -> None:
    """The caller says how many lines it takes at a time."""
    assert [len(part.values) for part in read(b"1\n" * 7, limit=3)] == [3, 3, 1]


def test_a_bad_line_ends_the_last_part() -> None:
    """What comes before it is given out, what comes after is not."""
    parts = read(b"1\n2\n3\n{bad\n5\n", limit=2)
    assert [list(part.values) for part in parts] == [[b"1", b"2"], [b"3"]]
    assert [part.bad.number if part.bad else None for part in parts] == [None, 4]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "ends too early"),
        (b"{} {}", "trailing characters"),
        (b"NaN", "not JSON"),
        (b"'a'", "not JSON"),
        (b'"a\tb"', "not JSON"),
        (b'"\\ud800"', "not JSON"),
        (b"\x00", "not JSON"),
        (b'"\xff"', "UTF-8"),
        (b"\xff\xfe1", "UTF-8"),
        (b"[" * 100_000, "too deeply"),
    ],
)
def test_what_is_not_json_is_named(line: bytes, reason: str) -> None:
    """The number and the reason are enough to find and mend it."""
    found = bad(b"{}\n" + line + b"\n{}\n")
    assert found.number == 2
    assert reason in found.reason


def test_a_compressed_file_gets_its_remedy() -> None:
    """Nobody has to guess why a .gz is not UTF-8."""
    assert "gzip -dc" in bad(b"\x1f\x8b\x08\x00").reason


def test_a_line_without_end_is_not_read_into_memory_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A huge file without a newline ends with an error, and with a bound on memory."""
    monkeypatch.setattr(lines, "_BLOCK", 100)
    monkeypatch.setattr(lines, "_LONGEST", 1000)
    stream = io.BytesIO(b'"' + b"x" * 1_000_000)
    (part,) = read_lines(stream, limit=10)
    assert part.bad is not None
    assert "longer than" in part.bad.reason
    assert stream.tell() < 2000


def test_large_values_are_not_given_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to a server stays of a size that it takes, whatever the limit of lines."""
    monkeypatch.setattr(lines, "_BLOCK", 100)
    large = b'"' + b"x" * 90 + b'"'
    parts = read(b"\n".join([large, large, b"1", large]))
    assert max(sum(map(len, part.values)) for part in parts) <= 100


def test_what_has_arrived_in_a_pipe_is_not_held_back() -> None:
    """The first line of a stream that stays open is given out, with no second one to wait for."""
    reading, writing = os.pipe()

    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as feed:
        feed.write(b'{"live":1}\n')
        parts = read_lines(stream, limit=10)
        closing = threading.Timer(30, feed.close)  # so that a failure is no hang
        closing.start()
        assert list(next(parts).values) == [b'{"live":1}']
        closing.cancel()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(JSON), st.integers(1, 5), st.sampled_from([b"\n", b"\r\n"]))
def test_every_value_comes_through_once_in_order(items: list[object], limit: int, newline: bytes) -> None:
    """Whatever JSON there is, and however it is cut."""
    encoded = [json.dumps(item, ensure_ascii=False).encode() for item in items]
    assert values(newline.join(encoded), limit=limit) == encoded


@given(st.binary(max_size=200))
def test_no_file_breaks_it(data: bytes) -> None:
    """Every byte string is lines, or lines and one bad line."""
    parts = read(data)
    assert all(part.bad is None for part in parts[:-1])

    for value in values(data):
        json.loads(value)
