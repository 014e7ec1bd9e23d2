from __future__ import annotations

import json

import pytest

from streamhouse_postgres_sink._cells import Unstorable
from streamhouse_postgres_sink._moments import DIGITS, is_iso, respelt
from streamhouse_postgres_sink._types import Kind

ZONELESS = {Kind.TIMESTAMP: "timestamp", Kind.TIME: "time"}


@pytest.mark.parametrize(
    ("kind", "cells", "iso"),
    [
        (Kind.INSTANT, ["2026-02-10T14:00:00+02:00", None, "2026-02-10", "2026-02-10 14:00:00.123456789Z"], True),
        (Kind.INSTANT, ["2026-02-10T14:00:00-0530", "2026-02-10T14:00:00+02"], True),
        (Kind.INSTANT, ["2026-02-10", 0], False),
        (Kind.INSTANT, ["2026-02-10", "1770721210"], False),
        (Kind.INSTANT, ["2026-02-10", "now"], False),
        (Kind.INSTANT, ["2026-02-10T14:00:00Z", "9999-12-31T23:59:59.9999999Z"], False),
        (Kind.TIMESTAMP, ["2026-02-10T14:00:00Z", "2026-02-10T14:00:00", "2026-02-10T14:00:00.5+00:00"], True),
        (Kind.TIMESTAMP, ["2026-02-10", "2026-02-10T14:00:00+02:00"], False),
        (Kind.TIMESTAMP, ["2026-02-10T14:00:00\x2b02:00"], False),
        (Kind.TIMESTAMP, ["infinity"], False),
        (Kind.DATE, ["2026-02-10", "2026-02-10T14:00:00+02:00"], True),
        (Kind.DATE, [20494], False),
        (Kind.TIME, ["14:00:00", "14:00:00.123"], True),
        (Kind.TIME, ["14:00:00+02"], False),
        (Kind.TIME, ["23:59:59.9999999"], False),
        (Kind.TIMETZ, ["14:00:00+02"], True),
    ],
)
def test_iso_8601_is_seen_at_a_glance(kind: Kind, cells: list[object], iso: bool):
    """Over all the cells of a column at once; what else is right is found out one by one."""
    joined = "".join("\n" + json.dumps(cell) for cell in cells)
    assert is_iso(kind, joined.encode()) == iso


def test_the_time_of_the_transaction_is_no_trouble():
    """It is PostgreSQL's own word, without quotes; with quotes somebody else has sent it."""
    assert is_iso(Kind.INSTANT, b'\nnow\n"2026-02-10"')
    assert not is_iso(Kind.INSTANT, b'\n"now"')


@pytest.mark.parametrize("kind", [Kind.INSTANT, Kind.TIMESTAMP, Kind.DATE, Kind.TIME, Kind.TIMETZ])
@pytest.mark.parametrize("text", ["now", " Today", "tomorrow12:00", "12:00 yesterday", "NOW"])
def test_a_time_that_depends_on_the_clock_is_refused(kind: Kind, text: str):
    """A replay would write another one."""
    with pytest.raises(Unstorable) as caught:
        respelt(text, kind, precision=6)

    assert caught.value.state == "22007"


@pytest.mark.parametrize(
    "text", ["2026-02-10 12:00 UTC+2", "2026-02-10 12:00 gmt-0530", "Tue Feb 10 2026 14:00:00 GMT+0200", "12:00 PST+8"]
)
@pytest.mark.parametrize("kind", [Kind.INSTANT, Kind.TIMESTAMP, Kind.TIMETZ])
def test_an_offset_behind_a_zone_is_refused(kind: Kind, text: str):
    """POSIX counts to the west, and everybody else to the east."""
    with pytest.raises(Unstorable) as caught:
        respelt(text, kind, precision=6)

    assert caught.value.state == "22009"


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-10T14:00:00+02:00",
        "10-Feb-2026 12:00",
        "2026-02-10 12:00 Etc/GMT+2",
        "2026-02-10 12:00 America/New_York",
        "2026-02-10 12:00 PST",
        "-infinity",
        "0044-03-15 BC",
        "secret",
        "nowhere",
    ],
)
def test_what_postgresql_reads_rightly_is_left_to_it(text: str):
    """It reads more spellings than we ever could, and refuses the rest."""
    assert respelt(text, Kind.INSTANT, precision=6) == text


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("-0043-03-15", "0044-03-15 BC"),
        ("-000043-03-15T00:00:00.000Z", "0044-03-15T00:00:00.000Z BC"),
        ("+10000-01-01T00:00:00Z", "10000-01-01T00:00:00Z"),
        ("+002026-02-10", "2026-02-10"),
        ("+0000-01-01", "0001-01-01 BC"),
    ],
)
def test_years_with_a_sign_are_spelt_for_postgresql(text: str, spelt: str):
    """ISO 8601 has a year 0 before the first."""
    assert respelt(text, Kind.INSTANT, precision=6) == spelt


@pytest.mark.parametrize(
    ("kind", "text", "precision", "spelt"),
    [
        (Kind.INSTANT, "9999-12-31T23:59:59.9999999Z", 6, "9999-12-31T23:59:59.999999Z"),
        (Kind.INSTANT, "9999-12-31 23:59:59.9999999+00:00", 3, "9999-12-31 23:59:59.999+00:00"),
        (Kind.TIMESTAMP, "9999-12-31T23:59:59.9", 0, "9999-12-31T23:59:59"),
        (Kind.TIME, "23:59:59.9999999", 6, "23:59:59.999999"),
        (Kind.TIMETZ, "23:59:59.9999999+02", 6, "23:59:59.999999+02"),
        (Kind.INSTANT, "9998-12-31T23:59:59.9999999Z", 6, "9998-12-31T23:59:59.9999999Z"),
        (Kind.INSTANT, "9999-12-31T23:59:58.9999999Z", 6, "9999-12-31T23:59:58.9999999Z"),
    ],
)
def test_never_and_the_end_of_a_day_are_not_rounded_away(kind: Kind, text: str, precision: int, spelt: str):
    """The largest time of .NET would be in the year 10000; other times are rounded as everywhere."""
    assert respelt(text, kind, precision=precision) == spelt


@pytest.mark.parametrize(
    ("kind", "text", "moved"),
    [
        (Kind.TIMESTAMP, "2026-02-10T14:00:00+02:00", "2026-02-10T12:00:00"),
        (Kind.TIMESTAMP, "2026-02-10 01:00:00.123456789-05", "2026-02-10T06:00:00.123456789"),
        (Kind.TIMESTAMP, "20260210T140000+0200", "2026-02-10T12:00:00"),
        (Kind.TIMESTAMP, "20260210 140000+02", "2026-02-10T12:00:00"),
        (Kind.TIMESTAMP, "2026-01-01T00:30:00 +01:00", "2025-12-31T23:30:00"),
        (Kind.TIMESTAMP, "0001-01-01t00:00:00-00:30", "0001-01-01T00:30:00"),
        (Kind.TIMESTAMP, "9999-12-31T23:59:59.9999999+00:00", "9999-12-31T23:59:59.999999"),
        (Kind.TIME, "14:00+02", "12:00:00"),
        (Kind.TIME, "1400-02", "16:00:00"),
        (Kind.TIME, "140000+0200", "12:00:00"),
        (Kind.TIME, "00:30:00.5+01:00", "23:30:00.5"),
    ],
)
def test_a_time_with_an_offset_is_put_in_utc(kind: Kind, text: str, moved: str):
    """Where the column has no time zone; with all of its digits."""
    assert respelt(text, kind, precision=6) == moved


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+02:00",
        "10 Feb 2026 12:00 +02",
        "2026-02-10 12:00:00  +02:00",
        "2026-02-10 12:00 Europe/Berlin",
        "2026-02-10 12:00 EST",
        "2026-02-10 12:00  PST",
        "PST 2026-02-10 12:00",
        "2026-02-10 PST 12:00",
        "2026-02-10 12:00 EST5EDT",
        "2026-02-10+02:00",
        "2026-02-10-05:00",
        "20260210+05",
        "2026-02-10 +02",
        "2026-02-10 14:00:00 BC +02",
        "2026-02-10T14:00:00+02:00[Europe/Berlin]",
        "2026-02-30T12:00:00+02:00",
        "14:00.5+02",
    ],
)
@pytest.mark.parametrize("kind", ZONELESS, ids=ZONELESS.values())
def test_an_offset_that_would_be_lost_is_refused(kind: Kind, text: str):
    """Where we can't do the sum."""
    with pytest.raises(Unstorable) as caught:
        respelt(text, kind, precision=6)

    assert caught.value.state == "22009"


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-10",
        "2026-02-10T14:00:00",
        "2026-02-10T14:00:00Z",
        "2026-02-10T14:00:00.123Z",
        "2026-02-10 14:00 UTC",
        "2026/02/10 14:00",
        "0044-03-15 12:00:00 BC",
        "Feb 10, 2026 2:00 PM",
        "02:00 PM",
        "10 February 2026",
        "10-Feb-2026 12:00",
        "Feb-10-2026 12:00",
        "10-02-2026",
        "2026-041",
        "Tue, 10 Feb 2026 12:00:00 GMT",
        "294276-12-31T23:59:59",
        "infinity",
        "-infinity",
        "J2461082",
        "secret",
    ],
)
@pytest.mark.parametrize("kind", ZONELESS, ids=ZONELESS.values())
def test_a_time_in_utc_has_no_offset_to_lose(kind: Kind, text: str):
    """Nor has one that says nothing."""
    assert respelt(text, kind, precision=6) == text


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        (b"1770721210", True),
        (b" -1770721210.5", True),
        (b"20260210120000", True),
        (b"20260210", False),
        (b"1400", False),
    ],
)
def test_text_of_digits_is_longer_than_a_date(text: bytes, digits: bool):
    """PostgreSQL would take it for a day in a year of many digits."""
    assert (DIGITS.fullmatch(text) is not None) == digits
