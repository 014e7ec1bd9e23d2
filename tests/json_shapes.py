"""JSON values of any kind for tests, and the shape that some of them have together."""

from __future__ import annotations

from hypothesis import strategies as st

from streamhouse_connect.formatters.shapes import Kind, Shape, widen

__all__ = ["NAMES", "SCALARS", "VALUES", "shape_of"]

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
