"""What time a record has, and what may be configured about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import NO_TIMESTAMP, ConfigError
from streamhouse_connect.config import load
from streamhouse_connect.partitioners.times import TimeConfig, milliseconds

NOON = 1_770_724_800_000  # 2026-02-10T12:00:00Z


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-10T12:00:00Z",
        "2026-02-10T12:00:00+00:00",
        "2026-02-10T13:00:00+01:00",
        "2026-02-10T06:30:00.000-05:30",
        "2026-02-10 12:00:00",
        "2026-02-10T12:00",
        "2026-02-10T12",
        "2026-02-10T12:00:00.000999999Z",
        NOON // 1000,
        NOON,
        NOON * 1000,
        NOON * 1000 + 999,
        NOON * 1_000_000,
        NOON / 1000,
        float(NOON),
    ],
)
def test_a_time_may_be_written_in_many_ways(value: object) -> None:
    """ISO 8601 with an offset, or in UTC without; numbers by their magnitude."""
    assert milliseconds(value) == NOON


def test_fractions_of_a_second_count() -> None:
    """Up to the millisecond that they are in."""
    assert milliseconds("2026-02-10T12:00:00.7899Z") == NOON + 789
    assert milliseconds(NOON / 1000 + 0.25) == NOON + 250


def test_a_date_is_its_first_moment_in_utc() -> None:
    """Without an offset it is UTC, whatever zone the paths are in."""
    assert milliseconds("2026-02-10") == NOON - 12 * 3_600_000


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "yesterday",
        "2026-02-30",
        "20260210",
        "2026-W07-2",
        "2026-02-10T24:00:00Z",
        "1770724800",
        "0001-01-01T00:00:00+14:00x",
        [],
        {},
        object(),
    ],
)
def test_what_is_no_time_is_none(value: object) -> None:
    """Not a guess."""
    assert milliseconds(value) == NO_TIMESTAMP


@pytest.mark.parametrize("value", [-1, -NOON, -0.5, "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_a_time_before_the_epoch_is_negative(value: object) -> None:
    """So that it has no path, as for the timestamps of records."""
    assert milliseconds(value) < 0


@given(
    at=st.datetimes(datetime(1973, 6, 1), datetime(5000, 1, 1)),  # noqa: DTZ001 - what hypothesis asks for
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_every_unit_and_offset_tells_the_same_moment(at: datetime, offset: int) -> None:
    """Of the years 1973 to 5000."""
    moment = at.replace(tzinfo=UTC)
    exact = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert milliseconds(moment.astimezone(timezone(timedelta(minutes=offset))).isoformat()) == exact
    assert [milliseconds(exact * 10**power) for power in (0, 3, 6)] == [exact] * 3
    assert milliseconds(exact // 1000) == exact // 1000 * 1000


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("partitioning.timestamp", "created_at", "field:created_at"),
        ("partitioning.timestamp", "field:", "field:created_at"),
        ("partitioning.timestamp", "Record", "record, wallclock"),
        ("partitioning.timezone", "Berlin", "Europe/Berlin"),
        ("partitioning.timezone", "../../etc/passwd", "Europe/Berlin"),
        ("partitioning.timezone", "Europe", "Europe/Berlin"),
        ("partitioning.timezone", "/etc/localtime", "Europe/Berlin"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(key: str, value: str, remedy: str) -> None:
    """Key, value, and what it may be."""
    with pytest.raises(ConfigError) as caught:
        load([TimeConfig], {key: value})

    (problem,) = caught.value.problems
    assert problem.field == f"config.{key}"
    assert repr(value) in problem.message
    assert remedy in problem.message


def test_a_field_of_the_time_is_one_that_can_be_read() -> None:
    """As every other field."""
    with pytest.raises(ConfigError, match="names the field 'a\"b'; the name must not hold quotes"):
        load([TimeConfig], {"partitioning.timestamp": 'field:a"b'})
