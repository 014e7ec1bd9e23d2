from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_postgres_sink._cells import Rules, Unstorable
from streamhouse_postgres_sink._times import day, instant, of_day, seconds

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
    ("number", "text"),
    [
        ("90", "90 seconds"),
        ("-0.5", "-0.5 seconds"),
        ("1.5e3", "1500 seconds"),
        ("1e-7", "0.0000001 seconds"),
        ("123456789012345.678901", "123456789012345.678901 seconds"),
    ],
)
def test_an_interval_counts_seconds(number: str, text: str):
    """However the number is spelt: PostgreSQL reads no exponents here."""
    assert seconds(number.encode()).decode() == text


def test_an_interval_beyond_all_others_is_refused():
    """At once, however large."""
    for number in (b"1e30", b"1e999999999999999999999"):
        with pytest.raises(Unstorable):
            seconds(number)


@pytest.mark.parametrize("number", ["253402300799.9999999", "253402300799999.9999", "253402300799999999.7"])
def test_the_year_9999_is_not_rounded_away(number: str):
    """A fraction beyond microseconds is cut off there."""
    assert instant(number.encode(), AUTO) == b"9999-12-31T23:59:59.999999+00:00"
