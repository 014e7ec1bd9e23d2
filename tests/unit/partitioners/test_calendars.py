"""The local wall time as text."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamhouse_connect.partitioners.calendars import DIRECTIVES, Calendar

HOUR = "{0:%Y}-{0:%m}-{0:%d}-{0:%H}"
ALL = "-".join(f"{{0:{directive}}}" for directive in DIRECTIVES)
END = 253_402_300_800_000
ZONES = [
    "Europe/Berlin",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Monrovia",
    "Pacific/Apia",
    "UTC",
]


def millis(text: str) -> int:
    """Return the milliseconds since the epoch of a moment in ISO 8601."""
    return int(datetime.fromisoformat(text).timestamp()) * 1000


def texts(pattern: str, zone: str, timestamps: list[int]) -> list[str]:
    """Return the text of each time."""
    found = Calendar(pattern, missing="none", zone=UTC if zone == "UTC" else ZoneInfo(zone)).texts(timestamps)
    return [found] * len(timestamps) if isinstance(found, str) else [*found]


def test_the_hour_that_summer_time_leaves_out_is_not_there() -> None:
    """In Berlin on 29 March 2026 it is 03:00 a second after 01:59:59."""
    change = millis("2026-03-29T01:00:00Z")
    assert texts(HOUR, "Europe/Berlin", [change - 1000, change]) == ["2026-03-29-01", "2026-03-29-03"]


def test_the_hour_that_is_told_twice_is_one_path() -> None:
    """A path is the local wall time, and that was 02:30 on 25 October 2026 two times."""
    first, second = millis("2026-10-25T00:30:00Z"), millis("2026-10-25T01:30:00Z")
    assert texts(HOUR, "Europe/Berlin", [first, second]) == ["2026-10-25-02"] * 2
    assert texts(HOUR, "Europe/Berlin", [first - 3_600_000, second + 3_600_000]) == ["2026-10-25-01", "2026-10-25-03"]


def test_a_day_may_begin_at_any_minute_of_the_hour_in_utc() -> None:
    """In Nepal it is five and three quarters of an hour ahead."""
    midnight = millis("2026-02-10T18:15:00Z")
    assert texts("{0:%d}", "Asia/Kathmandu", [midnight - 1, midnight]) == ["10", "11"]


def test_a_day_may_come_back_for_an_hour() -> None:
    """In St. John's the clocks were put back at a minute past midnight, into the day before."""
    change = millis("2006-10-29T02:31:00Z")
    zone = "America/St_Johns"
    assert texts("{0:%d}", zone, [change - 60_001, change - 60_000, change - 1, change]) == ["28", "29", "29", "28"]
    assert texts("{0:%d}", zone, [change - 60_001, change - 1, change]) == ["28", "29", "28"]


def test_one_hour_is_not_looked_at_one_by_one() -> None:
    """A batch of one hour has one text, and not a list of them."""
    start = millis("2026-02-10T12:00:00Z")

    for zone in (UTC, ZoneInfo("Europe/Berlin")):
        assert isinstance(Calendar(HOUR, missing="none", zone=zone).texts([start, start + 60_000, start]), str)


def test_what_is_no_time_is_missing() -> None:
    """And so is what would be the year 10000 there."""
    assert texts(HOUR, "UTC", [-1, END, 0]) == ["none", "none", "1970-01-01-00"]
    assert texts(HOUR, "Asia/Tokyo", [END - 1, END - 10 * 3_600_000]) == ["none", "9999-12-31-23"]
    assert texts(HOUR, "America/New_York", [0]) == ["1969-12-31-19"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("pattern", [ALL, HOUR, "{0:%d}"])
@given(timestamps=st.lists(st.integers(0, 4_000_000_000_000), min_size=1, max_size=5), spread=st.integers(0, 100_000))
@example(timestamps=[millis("2026-10-25T00:30:00Z"), millis("2026-10-25T01:30:00Z")], spread=1)
@example(timestamps=[millis("2006-10-29T02:29:59Z"), millis("2006-10-29T02:31:01Z")], spread=1)
@example(timestamps=[millis("1971-10-29T00:44:29Z"), millis("1971-10-29T00:44:30Z")], spread=0)
@example(timestamps=[millis("2011-12-30T09:59:59Z"), millis("2011-12-30T10:00:00Z")], spread=0)
def test_every_text_is_what_the_zone_says(pattern: str, zone: str, timestamps: list[int], spread: int) -> None:
    """Alone and next to others, far from it and near."""
    timestamps = [near for timestamp in timestamps for near in (timestamp, timestamp + spread)]
    local = [datetime.fromtimestamp(timestamp / 1000, ZoneInfo(zone)) for timestamp in timestamps]
    assert texts(pattern, zone, timestamps) == [pattern.format(at) for at in local]
