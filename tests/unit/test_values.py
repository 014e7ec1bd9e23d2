"""The raw lane: values as lines of JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamhouse_connect import RejectedRecords, json_objects
from streamhouse_connect.values import json_lines

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda parts: (
        st.lists(parts, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), parts, max_size=4)
    ),
    max_leaves=10,
)
FRAGMENTS = st.lists(
    st.sampled_from([b"{", b"}", b'{"a":', b"1", b'"b"', b",", b"\n", b"\r", b" ", b"[", b"]", b"\xff", b"{}"]),
    max_size=6,
)
VALUES = (
    JSON.map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1).encode())
    | FRAGMENTS.map(b"".join)
    | st.binary(max_size=12)
    | st.none()
)


def parse(value: bytes | None) -> object:
    """Read a value strictly, as Python's json does."""
    if value is None:
        raise ValueError("a tombstone")

    return json.loads(value.decode(), parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


@given(st.lists(VALUES, max_size=6))
@example([b'{"a":', b"1}", b"{}{}"])
@example([b'"a', b'b"'])
@example([b'"\xc3', b'\xa9"'])
@example([b"", b"1\n2"])
def test_each_line_is_its_value_or_the_value_is_rejected(values: list[bytes | None]) -> None:
    """Whatever the neighbours are, a line reads back equal to its value; what is no JSON is named, and only that."""
    bad = []

    for index, value in enumerate(values):
        try:
            parse(value)
        except ValueError:
            bad.append(index)

    if bad:
        with pytest.raises(RejectedRecords) as caught:
            json_lines(values)

        assert list(caught.value.reasons) == bad
        return

    lines = json_lines(values)
    assert [parse(line) for line in lines.lines] == [parse(value) for value in values]
    assert not any(b"\n" in line or b"\r" in line for line in lines.lines)
    assert lines.joined == b"\n".join(lines.lines)


@given(st.lists(VALUES, max_size=6))
def test_objects_are_what_is_left_of_the_others(values: list[bytes | None]) -> None:
    """The lane of objects takes what the lane of values takes, less what is no object."""
    bad = []

    for index, value in enumerate(values):
        try:
            if not isinstance(parse(value), dict):
                bad.append(index)
        except ValueError:
            bad.append(index)

    if bad:
        with pytest.raises(RejectedRecords) as caught:
            json_objects(values)

        assert list(caught.value.reasons) == bad
        return

    assert [parse(line) for line in json_objects(values)] == [parse(value) for value in values]


def test_a_value_on_one_line_stays_as_it_came() -> None:
    """Spaces, number texts, escapes and doubled keys are the producer's business."""
    values = [b' { "a" : 1.000 } ', b'{"a":1e400,"b":123456789012345678901234567890}', b'{"a":"\\u00e9\\/","a":2}']

    assert json_lines(values).lines == values


def test_a_value_over_several_lines_is_compacted() -> None:
    """Only the space between its parts goes; texts and numbers stay as they came."""
    value = b'{\r\n  "a" : 1.000,\n  "b": "x  \\n\\u00e9 y",\n "c": [ 1 ,\n 123456789012345678901234567890 ] }\n'

    assert json_lines([b"1", value, b" 2"]).lines == [
        b"1",
        b'{"a":1.000,"b":"x  \\n\\u00e9 y","c":[1,123456789012345678901234567890]}',
        b" 2",
    ]


def test_a_line_break_at_the_end_goes_alone() -> None:
    """A value that is one line but for its end keeps its own spaces."""
    assert json_lines([b'{ "a" : 1 }\r\n']).lines == [b'{ "a" : 1 }']


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "its value is missing (a tombstone)"),
        (b"", "its value is empty"),
        (b" \n", "its value is empty"),
        (b'{"a":"\xff"}', "its value is not UTF-8: byte 0xff at 6"),
        (b'{"a":"\\ud800"}', "its value holds half of a surrogate pair (\\ud800 to \\udfff), which is not text"),
        (b'{"a":1}\n{"b":2}', "its value is not JSON: trailing characters (byte 9): an object, 15 bytes"),
        (b"[1]", "its value is not a JSON object: an array, 3 bytes"),
        (b"-1", "its value is not a JSON object: a number, 2 bytes"),
        (b"null", "its value is not a JSON object: null, 4 bytes"),
        (b'{"a":' * 100_000, "its value is nested too deeply"),
    ],
)
def test_a_reason_says_what_is_wrong(value: bytes | None, reason: str) -> None:
    """The reason names the fault, and never shows what the value holds."""
    with pytest.raises(RejectedRecords) as caught:
        json_objects([b"{}", value])

    assert caught.value.reasons == {1: reason}


def test_no_values_are_no_lines() -> None:
    """An empty batch is valid."""
    assert json_objects([]) == []
    assert json_lines([]).joined == b""


def test_text_beyond_one_chunk_is_checked_as_a_whole() -> None:
    """Characters may lie across the borders of the parts in which UTF-8 is checked."""
    value = b'"x' + "é".encode() * (1 << 20) + b'"'

    assert json_lines([value]).lines == [value]

    with pytest.raises(RejectedRecords, match="0xff at 2097154"):
        json_lines([value[:-1] + b'\xff"'])
