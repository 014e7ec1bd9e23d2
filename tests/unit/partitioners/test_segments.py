"""Values as text in a path."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.partitioners import NO_PARTITION
from streamhouse_connect.partitioners.segments import EMPTY, texts_of

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(
        ["", ".", "..", "true", "null", "1", "-1", "1.5", "1e+22", NO_PARTITION, EMPTY, "%31", "a/b", "a=b"]
    )
    | st.integers().map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
)


def text_of(value: object) -> str:
    """Return the text of one value."""
    (text,) = texts_of([value])
    assert text is not None
    return text


def value_of(text: str) -> object:
    """Read a text back: the rule that the documentation gives to readers."""
    if text in {NO_PARTITION, EMPTY}:
        return None if text == NO_PARTITION else ""

    decoded = unquote(text)

    if decoded in {"true", "false"} and decoded == text:
        return text == "true"

    if NUMBER.fullmatch(decoded) and (text[0] == decoded[0]):
        return json.loads(decoded)

    return decoded


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("acme", "acme"),
        ("a-b_c.d~e", "a-b_c.d~e"),
        ("a/b", "a%2Fb"),
        ("a=b", "a%3Db"),
        ("../../x", "..%2F..%2Fx"),
        (".", "%2E"),
        ("..", "%2E."),
        ("...", "..."),
        ("50% off", "50%25%20off"),
        ("a\\b\n\x00", "a%5Cb%0A%00"),
        ("Zürich 東京 🦆", "Zürich%20東京%20🦆"),
        ("\x85\xa0\u2028\ufeff\ufffe", "%C2%85%C2%A0%E2%80%A8\ufeff%EF%BF%BE"),
        ("", "__EMPTY__"),
        ("__EMPTY__", "%5F_EMPTY__"),
        (None, "__HIVE_DEFAULT_PARTITION__"),
        ("__HIVE_DEFAULT_PARTITION__", "%5F_HIVE_DEFAULT_PARTITION__"),
        (1, "1"),
        ("1", "%31"),
        ("0042", "%30042"),
        ("4x", "4x"),
        (-7, "-7"),
        (2**70, "1180591620717411303424"),
        (1.5, "1.5"),
        (1.0, "1.0"),
        (1e22, "1e%2B22"),
        ("1e+22", "%31e%2B22"),
        (True, "true"),
        ("true", "%74rue"),
        ("null", "null"),
    ],
)
def test_a_value_has_a_text(value: object, text: str) -> None:
    """ASCII beyond the unreserved is encoded, and the first character of what would read as another value."""
    assert text_of(value) == text


@pytest.mark.parametrize("value", [[], {}, [1], {"a": 1}, object()])
def test_what_is_no_scalar_has_none(value: object) -> None:
    """Arrays and objects would need a notation of their own."""
    assert texts_of([value, "a", 1]) == [None, "a", "1"]


def test_equal_values_of_different_types_stay_apart() -> None:
    """Python takes 1, 1.0 and True for one key, and -0.0 for 0.0."""
    assert texts_of([1, 1.0, True, "1"]) == ["1", "1.0", "true", "%31"]
    assert texts_of([0.0, -0.0]) == ["0.0", "-0.0"]
    assert texts_of([True, True, None]) == ["true", "true", NO_PARTITION]


@given(values=st.lists(SCALARS))
def test_a_text_tells_its_value(values: list[object]) -> None:
    """Whatever it is, and whatever stands next to it."""
    texts = texts_of(values)

    for value, text in zip(values, texts, strict=True):
        assert text is not None
        found = value_of(text)
        assert (type(found), repr(found)) == (type(value), repr(value))


@given(one=SCALARS, other=SCALARS)
def test_two_values_never_have_one_text(one: object, other: object) -> None:
    """Two are the same value if JSON writes them the same."""
    assert (text_of(one) == text_of(other)) == (json.dumps(one) == json.dumps(other))


@given(value=SCALARS)
def test_a_text_is_one_segment(value: object) -> None:
    """It can't lead out of its directory, nor be one that is hidden by accident."""
    text = text_of(value)
    assert text not in {"", ".", ".."}
    assert not re.search("[/\\\\\x00-\x20\x7f=]", text)
