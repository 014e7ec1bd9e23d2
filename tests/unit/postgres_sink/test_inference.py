from __future__ import annotations

import pytest

from streamhouse_postgres_sink._inference import integer_size, type_of


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["true", "false", "null"], "boolean"),
        (["1", "-9223372036854775808"], "bigint"),
        (["9223372036854775808"], "numeric"),
        (["1" * 5000], "numeric"),
        (["1.5", "1e3", "2E-1"], "double precision"),
        (["NaN", "-Infinity", "1.5"], "double precision"),
        (["NaN", "1"], "numeric"),
        (["1", "1.5"], "numeric"),
        (["1.5", "9223372036854775808"], "numeric"),
        (['"a"', '"1"'], "text"),
        (["{}", "[1]"], "jsonb"),
        (["1", "{}"], "jsonb"),
        (['"a"', "[]"], "jsonb"),
        (['"a"', "1"], "text"),
        (["true", "1"], "text"),
        (["null", "null"], None),
        ([], None),
    ],
)
def test_a_type_holds_all_values_without_loss(cells: list[str], type_: str | None):
    """Whatever their order."""
    assert type_of([cell.encode() for cell in cells]) == type_
    assert type_of([cell.encode() for cell in reversed(cells)]) == type_


@pytest.mark.parametrize("size", [2, 4, 8])
def test_an_integer_takes_what_postgresql_says(size: int):
    """From the least to the greatest of each type."""
    least, greatest = -(1 << 8 * size - 1), (1 << 8 * size - 1) - 1
    assert integer_size(b"%d" % least) == integer_size(b"%d" % greatest) == size
    assert integer_size(b"%d" % (least - 1)) == integer_size(b"%d" % (greatest + 1)) == 2 * size
    assert integer_size(b"0" * 9000 + b"%d" % greatest) == size
