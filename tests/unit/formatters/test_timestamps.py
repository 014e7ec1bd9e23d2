"""Which strings are instants."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamhouse_connect.formatters.timestamps import PATTERN, is_timestamp, read_timestamp

EXACT = {
    "2026-02-10T14:00:00Z": datetime(2026, 2, 10, 14, tzinfo=UTC),
    "2026-02-10T14:00:00+02:00": datetime(2026, 2, 10, 12, tzinfo=UTC),
    "2026-02-10T14:00:00.5-05:30": datetime(2026, 2, 10, 19, 30, 0, 500_000, tzinfo=UTC),
    "1900-01-01T00:00:00.000001Z": datetime(1900, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    "2999-12-31T23:59:59.999999-00:00": datetime(2999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
}
INEXACT = [
    "",
    "2026-02-10",
    "2026-02-10T14:00:00",
    "2026-02-10T14:00Z",
    "2026-02-10T14Z",
    "2026-02-10 14:00:00Z",
    "2026-02-10T14:00:00z",
    "2026-02-10T14:00:00.123456789Z",
    "2026-02-10T14:00:00.1234560Z",
    "2026-02-10T14:00:00.Z",
    "2026-02-10T14:00:00,5Z",
    "2026-02-10T14:00:00+0200",
    "2026-02-10T14:00:00+02",
    "2026-02-10T14:00:00+24:00",
    "2026-02-30T14:00:00Z",
    "2026-02-10T24:00:00Z",
    "2026-02-10T23:59:60Z",
    "1899-12-31T23:59:59Z",
    "3000-01-01T00:00:00Z",
    "20260210T140000Z",
    "2026-W07-2T14:00:00Z",
    " 2026-02-10T14:00:00Z",
    "2026-02-10T14:00:00Z\n",
    "٢٠٢٦-02-10T14:00:00Z",
    "1770724800",
]


@pytest.mark.parametrize(("text", "instant"), EXACT.items())
def test_an_exact_time_is_an_instant(text: str, instant: datetime) -> None:
    """Whatever its offset."""
    assert is_timestamp(text)
    assert read_timestamp(text) == instant


@pytest.mark.parametrize("text", INEXACT)
def test_other_strings_are_text(text: str) -> None:
    """Those that would lose something, and those of which it is not certain what they say."""
    assert not is_timestamp(text)

    with pytest.raises(ValueError):
        read_timestamp(text)


@given(st.from_regex(PATTERN))
@example("2026-02-30T14:00:00Z")
@example("2026-02-10T14:00:00Z\n")
def test_arrow_reads_the_same(text: str) -> None:
    """Of what fits the pattern it takes what Python takes, as the same instant."""
    array = pa.array([text])

    try:
        assert pc.match_substring_regex(array, PATTERN)[0].as_py()
        instant = array.cast(pa.timestamp("us", "UTC"))[0].as_py()
    except (AssertionError, pa.ArrowInvalid):
        assert not is_timestamp(text)
    else:
        assert read_timestamp(text) == instant
