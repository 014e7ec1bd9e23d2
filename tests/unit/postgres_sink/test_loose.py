from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamhouse_postgres_sink._loose import loosen, restored

VALUES = st.recursive(
    st.none() | st.floats() | st.text(st.characters(categories=["Cs", "L", "P"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(VALUES)
@example(["NaN", math.nan, "-Infinity", -math.inf, '"NaN"', "\\\\", "\\", "\ud800", "\U0001f600", "\udc00\ud800"])
def test_what_was_loosened_is_json_and_can_be_restored(value: Any):
    """Byte for byte; only names may not hold halves of surrogate pairs."""
    text = json.dumps(value).encode()
    loose = loosen(text)
    assert restored(msgspec.Raw(loose)) == msgspec.Raw(text)
    msgspec.json.decode(loose, type=msgspec.Raw)


@pytest.mark.parametrize("text", [b'{"a":"\\ud83d\\ude00"}', b'{"a":"NaN \\\\ud800"}', b"[1,null]"])
def test_what_is_json_is_left_alone(text: bytes):
    """Whole pairs, and texts that only look like something else."""
    assert loosen(text) == text
