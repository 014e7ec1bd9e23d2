"""What has to be done to a value before a column of its shape holds it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from json_shapes import VALUES, shape_of
from streamhouse_connect.formatters.fitting import fitter, inexact
from streamhouse_connect.formatters.shapes import Kind, ListOf, Shape, StructOf


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
