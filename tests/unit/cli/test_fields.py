from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.cli.fields import Field, key, timestamp


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b'{"a":{"b":1.50}}', b"1.50"),
        (b'{"a":{"b":"x"},"c":[1,{"b":2}]}', b'"x"'),
        (b'{"a":{"b":null}}', b"null"),
        (b'{"a":{}}', b"null"),
        (b'{"a":null}', b"null"),
        (b'{"a":5}', b"null"),
        (b'{"b":1}', b"null"),
        (b"[1]", b"null"),
        (b'"a"', b"null"),
    ],
)
def test_a_nested_field_is_found_or_null(value: bytes, found: bytes) -> None:
    """The text is as it was written; what is not there is null, wherever the path ends."""
    assert Field("a.b").find(value) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b'"A-1"', b"A-1"), (b'"\\u00e9"', "é".encode()), (b"12", b"12"), (b"1.50", b"1.50"), (b"true", b"true")],
)
def test_a_key_is_the_fields_text(text: bytes, expected: bytes) -> None:
    """Text without its quotes, all else as it is written."""
    assert key(text) == expected


def test_null_is_no_key() -> None:
    """A record without the field has none."""
    assert key(b"null") is None


@pytest.mark.parametrize("text", [b"{}", b"[1]"])
def test_a_key_of_many_parts_is_refused(text: bytes) -> None:
    """Its spelling is not stable enough to be a key."""
    with pytest.raises(ValueError, match="object or a list"):
        key(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1360504980250", 1360504980250),
        (b'"1360504980250"', 1360504980250),
        (b"0", 0),
        (b'"2013-02-10T14:03:00.250Z"', 1360504980250),
        (b'"2013-02-10T15:03:00.250+01:00"', 1360504980250),
        (b'"2013-02-10 14:03:00.250"', 1360504980250),
        (b'"2013-02-10"', 1360454400000),
        (b"null", None),
    ],
)
def test_a_time_is_milliseconds_or_text(text: bytes, expected: int | None) -> None:
    """Text without a zone is in UTC."""
    assert timestamp(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"-1",
        b'"yesterday"',
        b"true",
        b"{}",
        b"1e300",
        b"1360504980250000000",
        b'"0001-01-01"',
        b"9" * 5000,
        b'"\\u0663"',
    ],
)
def test_what_is_no_time_is_refused(text: bytes) -> None:
    """Nanoseconds, dates before 1970 and words would file the record anywhere."""
    with pytest.raises(ValueError, match="no time"):
        timestamp(text)


@pytest.mark.parametrize("path", ["", ".", "a..b", "a.", 'a"b', "a\\b", "a\n"])
def test_what_is_no_path_is_refused(path: str) -> None:
    """A typing error is told before anything is sent."""
    with pytest.raises(ValueError, match="no field"):
        Field(path)


CHARACTERS = st.characters(exclude_categories=["Cs"])
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='."\\'), min_size=1)


@given(st.dictionaries(st.text(CHARACTERS), st.text(CHARACTERS)), NAMES, st.text(CHARACTERS), st.booleans())
def test_whatever_text_a_field_holds_is_the_key(
    others: dict[str, str], name: str, content: str, is_ascii: bool
) -> None:
    """Escapes, quotes and other alphabets come through."""
    value = json.dumps({**others, name: content}, ensure_ascii=is_ascii).encode()
    assert key(Field(name).find(value)) == content.encode()
