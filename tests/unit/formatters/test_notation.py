"""Shapes as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.formatters.notation import read_shape, write_shape
from streamhouse_connect.formatters.shapes import EMPTY, Kind, ListOf, StructOf

SHAPES: Any = st.deferred(lambda: st.sampled_from(Kind) | st.builds(ListOf, SHAPES) | STRUCTS)
STRUCTS: Any = st.builds(
    StructOf, st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), SHAPES)
)


@given(STRUCTS)
def test_what_was_written_is_read(shape: StructOf) -> None:
    """Every kind, every level, and the order of the fields."""
    text = write_shape(shape)

    assert read_shape(text) == shape
    assert write_shape(read_shape(text)) == text


def test_the_text_is_short_and_says_its_version() -> None:
    """It stands in every file; and what is kept today has to be read by later releases."""
    shape = StructOf({"b": Kind.INT, "a": ListOf(StructOf({"c": Kind.NULL}))})

    assert write_shape(shape) == b'{"version":1,"shape":{"b":"int","a":[{"c":"null"}]}}'
    assert write_shape(EMPTY) == b'{"version":1,"shape":{}}'


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version":2,"shape":{}}',
        b'{"version":1,"shape":{"a":"huge"}}',
        b'{"version":1,"shape":{"a":[]}}',
    ],
)
def test_other_text_is_refused(text: bytes) -> None:
    """A damaged or a later schema is not taken for another."""
    with pytest.raises(ValueError):
        read_shape(text)
