"""Reading a few fields of many objects."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.partitioners.fields import UNREADABLE, Fields, wrong_with_name

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_fields_are_read_by_name() -> None:
    """In any order, with anything between them; one that is not there is None, as null is."""
    columns = Fields(["b", "a"]).columns([b'{"a":1,"x":[{"b":9}],"b":"two"}', b'{"b":null}', b"{}"])
    assert columns == {"a": [1, None, None], "b": ["two", None, None]}


def test_any_name_is_a_name() -> None:
    """With dots or apostrophes, or empty: a dot does not lead into an object."""
    names = ["a.b", "", "q'", "é", "class", "f0"]
    value = json.dumps({name: number for number, name in enumerate(names)} | {"a": {"b": 99}}).encode()
    assert Fields(names).columns([value]) == {name: [number] for number, name in enumerate(names)}


def test_what_is_no_object_has_no_fields() -> None:
    """Nor has what is no JSON, no text, or not there; the others of the batch have theirs."""
    values = [b'{"a":1}', b"[1]", b"5", b'"a"', b"null", b"{", b"", None, b'{"a":"\xff"}', b"[" * 100_000, b'{"a":2}']
    assert Fields(["a"]).columns(values)["a"] == [1, *[None] * (len(values) - 2), 2]


def test_a_number_beyond_all_bounds_is_not_taken_for_a_missing_one() -> None:
    """It is a value, though none that could be told apart from its like."""
    columns = Fields(["a"]).columns([b'{"a":1e999}', b'{"a":' + b"9" * 5000 + b"}", b'{"a":3}'])
    assert columns["a"] == [UNREADABLE, UNREADABLE, 3]
    assert Fields(["a", "b"]).columns([b'{"a":1e999,"b":2}', b'{"b":1e999}']) == {
        "a": [UNREADABLE, None],
        "b": [2, UNREADABLE],
    }


@given(name=st.text(alphabet=st.characters()))
def test_a_name_that_can_not_be_read_is_told(name: str) -> None:
    """Every other one can."""
    if not wrong_with_name(name):
        assert Fields([name]).columns([json.dumps({name: 1}, ensure_ascii=False).encode()]) == {name: [1]}


@given(objects=st.lists(st.dictionaries(st.sampled_from("abc") | st.text(max_size=3), JSON, max_size=4), min_size=1))
def test_a_field_is_what_json_says_it_is(objects: list[dict[str, object]]) -> None:
    """Numbers, text and all that is nested."""
    columns = Fields(["a", "b"]).columns([json.dumps(found).encode() for found in objects])
    assert columns == {name: [found.get(name) for found in objects] for name in "ab"}
