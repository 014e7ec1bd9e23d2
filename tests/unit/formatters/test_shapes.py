"""What the values of a topic look like, and how that widens."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.formatters.shapes import (
    EMPTY,
    MAX_DEPTH,
    MAX_NESTED_FIELDS,
    Kind,
    ListOf,
    Shape,
    StructOf,
    fitter,
    inexact,
    widen,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=2)
)
NAMES = st.sampled_from("abc")
VALUES = st.recursive(SCALARS, lambda c: st.lists(c, max_size=3) | st.dictionaries(NAMES, c, max_size=3), max_leaves=6)


def shape_of(*values: object) -> Shape:
    """Return the shape of values that came one after the other."""
    shape: Shape = Kind.NULL

    for value in values:
        shape = widen(shape, value)

    return shape


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


def test_nothing_is_fitted_where_nothing_mixes() -> None:
    """The fast lane needs to know that it can leave the records alone."""
    assert fitter(shape_of({"a": [{"b": 1.5}], "c": {}})) is None


def test_text_columns_hold_json_and_strings_as_they_are() -> None:
    """Only what is in a mixed column changes."""
    shape = shape_of({"a": 1, "b": [{"c": "x", "d": 1}]}, {"a": "1", "b": [{"c": 2}]}, {"a": [1, {"z": None}]})
    fit = fitter(shape)

    assert fit is not None
    assert [fit(row) for row in [{"a": 1}, {"a": "1"}, {"a": [1, {"z": None}]}, {"a": None}]] == [
        {"a": "1"},
        {"a": "1"},
        {"a": '[1,{"z":null}]'},
        {"a": None},
    ]
    assert fit({"b": [{"c": True, "d": 1}, None]}) == {"b": [{"c": "true", "d": 1}, None]}
    assert fit({"a": msgspec.Raw(b"1e400")}) == {"a": "1e400"}
    assert fit({"a": 10**40}) == {"a": str(10**40)}


def test_names_are_changed_on_every_level() -> None:
    """What a format can't have in names is escaped in objects inside lists, too."""
    fit = fitter(shape_of({"a b": [{"c d": 1}]}), lambda name: name.replace(" ", "_"))

    assert fit is not None
    assert fit({"a b": [{"c d": 1}, None]}) == {"a_b": [{"c_d": 1}, None]}


def test_values_of_another_shape_are_left_to_the_writer() -> None:
    """Fitting a record that has not been learned yet neither fails nor hides anything."""
    fit = fitter(shape_of({"a": 1, "b": {"c": 1}, "d": [1]}, {"a": "x", "b": {"c": "x"}, "d": ["x"]}))

    assert fit is not None
    assert fit({"b": [1], "d": {"e": 1}, "f": 1}) == {"b": [1], "d": {"e": 1}, "f": 1}


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_fitted_values_hold_all_that_the_values_held(values: list[Any]) -> None:
    """Text can be read back."""
    shape = shape_of(*values)
    fit = fitter(shape) or (lambda value: value)

    for value in values:
        assert _restored(shape, fit(value), value) == value


def _restored(shape: Shape, fitted: Any, original: Any) -> Any:
    if shape is Kind.TEXT and not isinstance(original, str) and fitted is not None:
        return json.loads(fitted)

    if isinstance(shape, ListOf) and fitted is not None:
        return [_restored(shape.item, *both) for both in zip(fitted, original, strict=True)]

    if isinstance(shape, StructOf) and fitted is not None:
        return {name: _restored(shape.fields[name], item, original[name]) for name, item in fitted.items()}

    return fitted


def test_inexact_finds_integers_that_a_double_would_round() -> None:
    """On every level, and only where there are doubles."""
    assert inexact(shape_of({"a": 1, "b": "x"})) is None
    check = inexact(shape_of({"a": 1.5, "b": [[0.5]], "c": {"d": 0.5}, "e": 1}))

    assert check is not None
    assert not check({"a": 2**53, "b": [[1], None], "c": None, "e": 2**60})
    assert not check({"a": 1e300, "b": "x", "c": 1})
    assert check({"a": 2**53 + 1})
    assert check({"b": [None, [1, -(2**60)]]})
    assert check({"c": {"d": 2**60}})


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
