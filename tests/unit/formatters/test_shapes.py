"""What the values of a topic look like, and how that widens."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from json_shapes import NAMES, VALUES, shape_of
from streamhouse_connect.formatters.shapes import (
    EMPTY,
    MAX_DEPTH,
    MAX_NESTED_FIELDS,
    Kind,
    ListOf,
    Shape,
    StructOf,
    join,
    widen,
)


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([None], Kind.NULL),
        ([None, True], Kind.BOOL),
        ([1, -(2**53)], Kind.INT),
        ([1, 2**53 + 1], Kind.LONG),
        ([2**63 - 1, -(2**63), 1], Kind.LONG),
        ([2**63], Kind.TEXT),
        ([1, 0.5], Kind.DOUBLE),
        ([1.0, 2], Kind.DOUBLE),
        ([0.5, 2**53 + 1], Kind.TEXT),
        ([2**53 + 1, 0.5], Kind.TEXT),
        ([msgspec.Raw(b"1e400")], Kind.TEXT),
        (["a", None, "b"], Kind.STRING),
        ([1, "a"], Kind.TEXT),
        ([True, 1], Kind.TEXT),
        ([{}, []], Kind.TEXT),
        ([{"a": 1}, "a"], Kind.TEXT),
        ([[], 1], Kind.TEXT),
        ([[]], ListOf(Kind.NULL)),
        ([[], [None, 1], [0.5]], ListOf(Kind.DOUBLE)),
        ([{}], StructOf({})),
        ([{"a": None}, {"b": []}, {"a": {}}], StructOf({"a": StructOf({}), "b": ListOf(Kind.NULL)})),
        ([1, "a", None, [], {}], Kind.TEXT),
    ],
)
def test_the_shape_is_the_narrowest_that_holds_all(values: list[object], shape: Shape) -> None:
    """Integers become doubles, null becomes anything, and what mixes becomes text."""
    assert shape_of(*values) == shape


def test_fields_keep_the_order_in_which_they_were_seen() -> None:
    """Columns do not move when others come."""
    shape = shape_of({"b": 1}, {"a": 1}, {"c": 1, "b": 1.5})

    assert isinstance(shape, StructOf)
    assert list(shape.fields) == ["b", "a", "c"]


@given(st.lists(VALUES, max_size=5))
def test_a_shape_holds_what_it_has_seen(values: list[object]) -> None:
    """Values seen before change nothing, not even the shape's identity: a plan made for it can be kept."""
    shape = shape_of(*values)

    assert all(widen(shape, value) is shape for value in values)


@given(st.lists(VALUES, max_size=5), st.randoms())
def test_the_order_of_values_makes_no_difference(values: list[Any], random: Any) -> None:
    """A replay in other batches ends with the same columns."""
    shuffled = [*values]
    random.shuffle(shuffled)

    assert shape_of(*shuffled) == shape_of(*values)


def test_what_is_too_deep_becomes_text() -> None:
    """The levels above stay columns."""
    value: Any = 1

    for _ in range(MAX_DEPTH + 5):
        value = {"a": value}

    shape = shape_of(value)
    levels = 0

    while isinstance(shape, StructOf):
        shape = shape.fields["a"]
        levels += 1

    assert shape is Kind.TEXT
    assert levels == MAX_DEPTH + 1


def test_an_object_with_data_for_keys_becomes_text() -> None:
    """An inner object whose keys never end does not become thousands of columns; the record itself is another matter."""
    counts = [{f"user-{number}": 1} for number in range(MAX_NESTED_FIELDS + 1)]

    assert shape_of(*[{"counts": count} for count in counts]) == StructOf({"counts": Kind.TEXT})
    assert isinstance(shape_of(*counts), StructOf)


@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=3), max_size=5))
def test_no_step_loses_a_field(rows: list[dict[str, object]]) -> None:
    """Fields are only ever added."""
    shapes: list[Shape] = [EMPTY]

    for row in rows:
        shapes.append(widen(shapes[-1], row))

    for before, after in pairwise(shapes):
        assert isinstance(before, StructOf)
        assert isinstance(after, StructOf)
        assert [*after.fields][: len(before.fields)] == [*before.fields]


@given(st.lists(VALUES, max_size=4), st.lists(VALUES, max_size=4))
def test_shapes_join_to_what_all_their_values_have(ones: list[object], others: list[object]) -> None:
    """Two workers that saw different records agree in the end, whoever is first."""
    one, other = shape_of(*ones), shape_of(*others)

    assert join(one, other) == join(other, one) == shape_of(*ones, *others)
    assert join(one, one) is one
    assert join(join(one, other), other) == join(one, other)


def test_fields_of_the_first_shape_come_first() -> None:
    """What is kept gives the order."""
    joined = join(shape_of({"b": {"y": 1}, "a": 1}), shape_of({"c": 1, "a": 0.5, "b": {"x": 1, "y": 1}}))

    assert isinstance(joined, StructOf)
    assert [*joined.fields] == ["b", "a", "c"]
    assert joined.fields["b"] == StructOf({"y": Kind.INT, "x": Kind.INT})
    assert [*joined.fields["b"].fields] == ["y", "x"]


def test_objects_that_have_too_many_fields_together_become_text() -> None:
    """It makes no difference in how many parts the keys were seen."""
    half = MAX_NESTED_FIELDS // 2 + 1
    one = shape_of({"a": {f"one{number}": 1 for number in range(half)}})
    other = shape_of({"a": {f"other{number}": 1 for number in range(half)}})

    assert join(one, other) == StructOf({"a": Kind.TEXT})
