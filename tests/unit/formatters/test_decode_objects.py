"""Values that need no closer look."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.errors import RejectedRecords
from streamhouse_connect.formatters.schemas import decode, decode_objects
from streamhouse_connect.values import json_lines


@pytest.mark.parametrize(
    "value", [None, b"", b"1", b"[]", b'{"a":', b"{}{}", b'"a"', b'{"\xff":1}', b'{"a":"\xff"}', b'{"a":"\\ud800"}']
)
def test_what_is_no_object_is_left_to_a_closer_look(value: bytes | None) -> None:
    """With all that came beside it."""
    assert decode_objects([b"{}", value]) is None


@given(st.lists(st.one_of(st.binary(), st.sampled_from([b'{"a":1}', b'{"a":1.5,"a":2}', b' {"b":[{}]}\n', b"{}"]))))
def test_the_short_way_says_the_same(values: list[bytes]) -> None:
    """Or nothing."""
    found = decode_objects(values)

    try:
        expected = decode(json_lines(values, objects=True))
    except RejectedRecords:
        assert found is None
    else:
        assert found in (None, expected)
