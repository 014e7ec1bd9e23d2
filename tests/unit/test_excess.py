"""What a file holds beyond the records that met it."""

from __future__ import annotations

import pytest

from streamhouse_connect import ReplayFrom
from streamhouse_connect.excess import Excess


@pytest.mark.parametrize(
    ("offsets", "answer", "left"),
    [
        ([10, 12], ReplayFrom(10), Excess(10, 2)),
        ([10, 12, 13], ReplayFrom(10), Excess(10, 1)),
        ([10, 12, 13, 25], 26, None),
        ([10, 12, 13, 25, 40, 41], 40, None),
    ],
)
def test_a_file_ends_with_as_many_records_as_it_holds(
    offsets: list[int], answer: int | ReplayFrom, left: Excess | None
) -> None:
    """Until they have been shown, a restart has to begin where the file does; then the end is known."""
    assert Excess(10, 4).show(offsets) == (answer, left)
