"""Why a record does not fit a schema that does not evolve."""

from __future__ import annotations

from typing import Any

import pytest

from streamhouse_connect.formatters.shapes import EMPTY, Shape, widen
from streamhouse_connect.formatters.strictness import misfit


def known(record: dict[str, Any]) -> Shape:
    """Return the shape of a record."""
    return widen(EMPTY, record, timestamps=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": 1}, {"a": 2**60}),
        ({"a": 2**60}, {"a": 1}),
        ({"a": 0.5}, {"a": 2**53}),
        ({"a": None}, {"a": {"b": 1}}),
        ({"a": []}, {"a": [1]}),
        ({"a": {"b": 1}}, {"a": {}}),
        ({"a": "x"}, {"a": "2026-02-10T14:00:00Z"}),
        ({"a": 1}, {}),
    ],
)
def test_a_record_fits_columns_that_hold_it(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Also where more is known afterwards, as of a column of nulls."""
    assert misfit(known(first), widen(known(first), second, timestamps=True)) is None


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"a": 1}, {"b": 1}, "its field b is not in the schema that is known"),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"d": 1}]}}, "its field a.b[].d is not in the schema that is known"),
        ({"a": 1}, {"a": 0.5}, "its field a does not fit the column of int that is known"),
        ({"a": 2**60}, {"a": "x"}, "its field a does not fit the column of int that is known"),
        ({"a": 0.5}, {"a": 2**53 + 1}, "its field a does not fit the column of double that is known"),
        ({"a": "2026-02-10T14:00:00Z"}, {"a": "x"}, "its field a does not fit the column of timestamp that is known"),
        ({"a": [1]}, {"a": [True]}, "its field a[] does not fit the column of int that is known"),
        ({"a": [1]}, {"a": 1}, "its field a does not fit the column of lists that is known"),
        ({"a": {}}, {"a": 1}, "its field a does not fit the column of objects that is known"),
    ],
)
def test_a_record_that_does_not_fit_is_told_its_field(
    first: dict[str, Any], second: dict[str, Any], reason: str
) -> None:
    """With the way to it, and what it has to be."""
    assert misfit(known(first), widen(known(first), second, timestamps=True)) == reason
