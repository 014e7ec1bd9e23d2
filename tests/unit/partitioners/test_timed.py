"""Paths by the hour and by the day; and none."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamhouse_connect import NO_TIMESTAMP
from streamhouse_connect.partitioners import (
    NO_PARTITION,
    DailyPartitioner,
    HourlyPartitioner,
    NonePartitioner,
    Partitioner,
    PlainConfig,
)
from streamhouse_connect.partitioners.times import TimeConfig
from streamhouse_connect.testing import make_batch

NOON = 1_770_724_800_000  # 2026-02-10T12:00:00Z
HOUR = 3_600_000
END = 253_402_300_800_000  # 10000-01-01T00:00:00Z

NONE = NonePartitioner(PlainConfig())
HOURLY = HourlyPartitioner(TimeConfig())
DAILY = DailyPartitioner(TimeConfig())


def split(partitioner: Partitioner[Any], *timestamps: int) -> dict[str, list[int]]:
    """Return the indexes of each path."""
    batch = make_batch([b"{}"] * len(timestamps), timestamps=timestamps)
    return {path: list(indexes) for path, indexes in partitioner.split(batch)}


def test_none_files_all_under_the_topic() -> None:
    """The path is empty."""
    assert split(NONE, NOON, -1, NOON + HOUR) == {"": [0, 1, 2]}


def test_hourly_files_by_the_hour_in_utc() -> None:
    """The first millisecond of an hour is of that hour, the last of the one before."""
    assert split(HOURLY, NOON, NOON + HOUR - 1, NOON + HOUR, NOON + 1) == {
        "year=2026/month=02/day=10/hour=12": [0, 1, 3],
        "year=2026/month=02/day=10/hour=13": [2],
    }


def test_daily_files_by_the_day_in_utc() -> None:
    """Leap days are days."""
    leap = int(datetime(2028, 2, 29, 23, 59, tzinfo=UTC).timestamp()) * 1000

    assert split(DAILY, leap, leap + HOUR, NOON) == {
        "year=2028/month=02/day=29": [0],
        "year=2028/month=03/day=01": [1],
        "year=2026/month=02/day=10": [2],
    }


def test_one_hour_is_not_looked_at_one_by_one() -> None:
    """A whole batch of one hour costs no list of indexes."""
    ((_, indexes),) = HOURLY.split(make_batch([b"{}"] * 3, timestamps=[NOON, NOON + 1, NOON]))

    assert indexes == range(3)


@pytest.mark.parametrize("partitioner", [HOURLY, DAILY])
@pytest.mark.parametrize(
    "timestamp",
    [NO_TIMESTAMP, -NOON, END, NOON * 1_000, NOON * 1_000_000, 2**63 - 1, -(2**63)],
    ids=["unknown", "negative", "year 10000", "microseconds", "nanoseconds", "largest", "smallest"],
)
def test_a_time_that_is_none_goes_to_the_default_path(partitioner: Partitioner[Any], timestamp: int) -> None:
    """Alone, and among others; no record is lost to a producer's mistake."""
    assert split(partitioner, timestamp) == {NO_PARTITION: [0]}
    assert split(partitioner, timestamp, NOON, -1, timestamp)[NO_PARTITION] == [0, 2, 3]


def test_the_ends_of_time_have_paths() -> None:
    """From the epoch to the last hour of the year 9999."""
    assert split(HOURLY, 0, END - 1) == {
        "year=1970/month=01/day=01/hour=00": [0],
        "year=9999/month=12/day=31/hour=23": [1],
    }


def test_the_local_time_of_a_zone_makes_the_path() -> None:
    """Whatever day it is in Greenwich."""
    tokyo = HourlyPartitioner(TimeConfig(timezone="Asia/Tokyo"))

    assert split(tokyo, NOON, NOON + 3 * HOUR) == {
        "year=2026/month=02/day=10/hour=21": [0],
        "year=2026/month=02/day=11/hour=00": [1],
    }


def test_the_time_may_be_a_field_of_the_value() -> None:
    """The timestamp of the record has no say then; a value without such a field has no time."""
    partitioner = DailyPartitioner(TimeConfig(timestamp="field:at"))
    values = [b'{"at":"2026-02-10T23:30:00-01:00"}', b'{"at":%d}' % NOON, b"{}", b"[]", b"no JSON", None]
    batch = make_batch(values, timestamps=[0] * len(values))

    assert {path: list(indexes) for path, indexes in partitioner.split(batch)} == {
        "year=2026/month=02/day=11": [0],
        "year=2026/month=02/day=10": [1],
        NO_PARTITION: [2, 3, 4, 5],
    }


def test_the_time_may_be_that_of_reading() -> None:
    """It is one for the whole batch, and it weakens what is promised, which is said."""
    partitioner = HourlyPartitioner(TimeConfig(timestamp="wallclock"), clock=lambda: NOON / 1000)

    assert split(partitioner, 0, 1) == {"year=2026/month=02/day=10/hour=12": [0, 1]}
    assert "wallclock" in str(partitioner.weakened)
    assert HOURLY.weakened is None


@pytest.mark.parametrize("partitioner", [NONE, HOURLY, DAILY])
def test_an_empty_batch_has_no_paths(partitioner: Partitioner[Any]) -> None:
    """There is nothing to file."""
    assert split(partitioner) == {}


@pytest.mark.parametrize("partitioner", [NONE, HOURLY, DAILY])
@given(
    timestamps=st.lists(st.integers(NOON - 3 * HOUR, NOON + 3 * HOUR) | st.integers(-(2**63), 2**63 - 1), max_size=20)
)
@example(timestamps=[NOON, NOON * 1_000_000])
def test_every_record_is_filed_once_under_a_path_of_its_own(
    partitioner: Partitioner[Any], timestamps: list[int]
) -> None:
    """Indexes ascend, paths differ, and a record's path does not depend on its neighbours."""
    parts = partitioner.split(make_batch([b"{}"] * len(timestamps), timestamps=timestamps))

    assert sorted(chain.from_iterable(indexes for _, indexes in parts)) == [*range(len(timestamps))]
    assert all(list(indexes) == sorted(indexes) for _, indexes in parts)
    assert len({path for path, _ in parts}) == len(parts)
    assert all(split(partitioner, timestamps[index]) == {path: [0]} for path, indexes in parts for index in indexes)
