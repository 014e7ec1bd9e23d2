from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_postgres_sink._cells import Rules, Unstorable
from streamhouse_postgres_sink._times import ZONED, day, instant, of_day, put_in_utc

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
AUTO = Rules()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "1970-01-01T00:00:00+00:00"),
        ("1700000000", "2023-11-14T22:13:20+00:00"),
        ("1700000000.25", "2023-11-14T22:13:20.250000+00:00"),
        ("1.7e9", "2023-11-14T22:13:20+00:00"),
        ("1700000000123", "2023-11-14T22:13:20.123000+00:00"),
        ("1700000000123.5", "2023-11-14T22:13:20.123500+00:00"),
        ("1700000000123456", "2023-11-14T22:13:20.123456+00:00"),
        ("1700000000123456.6", "2023-11-14T22:13:20.123457+00:00"),
        ("-1", "1969-12-31T23:59:59+00:00"),
        ("-62135596801", "0001-12-31T23:59:59+00:00 BC"),
        ("1e-300", "1970-01-01T00:00:00+00:00"),
        ("253402300799", "9999-12-31T23:59:59+00:00"),
        ("253402300799999", "9999-12-31T23:59:59.999000+00:00"),
        ("253402300799999999", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_an_epoch_is_read_by_its_magnitude(number: str, text: str):
    """Seconds, milliseconds or microseconds, exactly; and the year 9999, which stands for never, in each."""
    assert instant(number.encode(), AUTO).decode() == text


@given(st.datetimes(datetime.fromisoformat("1974-01-01"), datetime.fromisoformat("5000-01-01"), timezones=st.just(UTC)))
def test_an_epoch_is_the_same_instant_in_every_unit(moment: datetime):
    """By magnitude, except for the hours of 1978 that are the year 9999 in a smaller unit; and where the unit is given."""
    microseconds = (moment - BEGINNING) // timedelta(microseconds=1)
    seconds, rest = divmod(microseconds, 10**6)
    whole = f"{seconds}.{rest:06}".encode()
    assert datetime.fromisoformat(instant(whole, Rules(unit="s")).decode()) == moment
    assert datetime.fromisoformat(instant(b"%d" % microseconds, Rules(unit="us")).decode()) == moment
    assert datetime.fromisoformat(instant(b"%d" % (microseconds * 1000), Rules(unit="ns")).decode()) == moment

    if moment.year != 1978:
        assert datetime.fromisoformat(instant(b"%d" % microseconds, AUTO).decode()) == moment


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        ("0", "ms", "1970-01-01T00:00:00+00:00"),
        ("86400000", "ms", "1970-01-02T00:00:00+00:00"),
        ("253402300800", "s", "10000-01-01T00:00:00+00:00"),
        ("-62135596800000", "ms", "0001-01-01T00:00:00+00:00"),
        ("-125000000000", "s", "1993-11-27T17:46:40+00:00 BC"),
    ],
)
def test_a_unit_that_is_given_counts_whatever_the_magnitude(number: str, unit: str, text: str):
    """Before the year 1 and behind the year 9999 too."""
    assert instant(number.encode(), Rules(unit=unit)).decode() == text  # type: ignore[arg-type]  # a str


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "1970-01-01"),
        ("20494", "2026-02-10"),
        ("-1", "1969-12-31"),
        ("1770768000", "2026-02-11"),
        ("1770767999999", "2026-02-10"),
        ("20260210", "20260210"),
        ("253402300799", "9999-12-31"),
    ],
)
def test_a_number_in_a_column_of_dates_is_a_day(number: str, text: str):
    """Counted, in eight digits, or that of an epoch in UTC."""
    assert day(number.encode(), AUTO).decode().partition("T")[0] == text


def test_a_unit_that_is_given_counts_for_dates_too():
    """Then nothing is a number of days."""
    assert day(b"20260210", Rules(unit="s")).startswith(b"1970-08-23T")


def test_a_time_of_day_counts_from_midnight():
    """In the unit that is given; if none is, nothing tells seconds from milliseconds."""
    assert of_day(b"43200500", Rules(unit="ms")) == b"12:00:00.500000"
    assert of_day(b"0", Rules(unit="s")) == b"00:00:00"

    for number, rules in ((b"43200", AUTO), (b"86400", Rules(unit="s")), (b"-1", Rules(unit="s"))):
        with pytest.raises(Unstorable):
            of_day(number, rules)


@pytest.mark.parametrize("number", [b"1e17", b"-1e17", b"1e400000", b"1e999999999999999999999"])
def test_a_number_that_is_no_epoch_is_refused(number: bytes):
    """At once, however large."""
    with pytest.raises(Unstorable) as caught:
        instant(number, AUTO)

    assert caught.value.state == "22008"


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("2026-02-10T14:00:00+02:00", "2026-02-10T12:00:00"),
        ("2026-02-10 01:00:00.123456789-05", "2026-02-10T06:00:00.123456789"),
        ("20260210T140000+0200", "2026-02-10T12:00:00"),
        ("2026-01-01T00:30:00 +01:00", "2025-12-31T23:30:00"),
        ("0001-01-01t00:00:00-00:30", "0001-01-01T00:30:00"),
        ("14:00+02", "12:00:00"),
        ("00:30:00.5+01:00", "23:30:00.5"),
    ],
)
def test_a_time_with_an_offset_is_put_in_utc(text: str, moved: str):
    """With all of its digits."""
    assert ZONED.search(text.encode())
    assert put_in_utc(text) == moved


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+02:00",
        "10 Feb 2026 12:00 +02",
        "2026-02-10 12:00 Europe/Berlin",
        "2026-02-10 12:00 EST",
        "2026-02-30T12:00:00+02:00",
        "14:00.5+02",
    ],
)
def test_an_offset_that_would_be_lost_is_refused(text: str):
    """Where we can't do the sum."""
    assert ZONED.search(text.encode())

    with pytest.raises(Unstorable) as caught:
        put_in_utc(text)

    assert caught.value.state == "22009"


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-10",
        "2026-02-10T14:00:00",
        "2026-02-10T14:00:00Z",
        "2026-02-10T14:00:00.123Z",
        "2026-02-10 14:00 UTC",
        "0044-03-15 12:00:00 BC",
        "02:00 PM",
        "10 February 2026",
        "Tue, 10 Feb 2026 12:00:00 GMT",
        "infinity",
    ],
)
def test_a_time_in_utc_has_no_offset_to_lose(text: str):
    """Nor has one that says nothing."""
    assert not ZONED.search(text.encode())
