from __future__ import annotations

import json

import pytest

from streamhouse_postgres_sink._cells import Rules, Unstorable
from streamhouse_postgres_sink._contents import content, is_plain
from streamhouse_postgres_sink._types import Column, Kind

PLAIN = Rules()
CENTS = Column("c", "numeric(10,2)", Kind.NUMERIC, modifier=((10 << 16) | 2) + 4)
HUNDREDS = Column("c", "numeric(3,-2)", Kind.NUMERIC, modifier=((3 << 16) | (-2 & 0x7FF)) + 4)
INTEGERS = Column("c", "numeric(10,0)", Kind.NUMERIC, modifier=(10 << 16) + 4)
THREE = Column("c", "character varying(3)", Kind.VARCHAR, modifier=7)
DAYS = Column("c", "interval day", Kind.INTERVAL, modifier=(8 << 16) | 0xFFFF)


def spelt(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Kind.INSTANT, "2026-02-10T14:00:00+02:00"),
        (Kind.TIMESTAMP, "2026-02-10T14:00:00Z"),
        (Kind.TIMESTAMP, "infinity"),
        (Kind.TIMETZ, "14:00:00+02:00"),
        (Kind.DATE, "2026-02-10"),
        (Kind.DATE, "20260210"),
        (Kind.TIME, True),
        (Kind.INTERVAL, "P1DT2H"),
        (Kind.TIMESTAMP_RANGE, "[2026-01-01,2026-02-01 12:00Z)"),
        (Kind.INSTANT_RANGE, '["2026-01-01 00:00:00+02",)'),
        (Kind.DATE_RANGE, "{[2026-01-01,infinity]}"),
        (Kind.NAME, "x" * 63),
        (Kind.CHAR, "\\101"),
        (Kind.UNSIGNED, 4294967295),
        (Kind.ADDRESS, "10.0.0.0/8"),
        (CENTS, b"1.10"),
        (CENTS, b"1.1000"),
        (CENTS, b"1e5"),
        (CENTS, b"110e-2"),
        (CENTS, b"0e-10"),
        (CENTS, "1_0.2"),
        (CENTS, b"NaN"),
        (CENTS, "secret"),
        (CENTS, b"1e999999999999999999999"),
        (HUNDREDS, b"12300"),
        (HUNDREDS, b"0"),
        (HUNDREDS, "NaN"),
        (INTEGERS, b"17.0"),
        (Column("c", "numeric", Kind.NUMERIC), b"1.23456789"),
        (THREE, "abc"),
        (THREE, "a  "),
        (THREE, "abcd"),
        (THREE, "abc d "),
        (Column("c", "varchar", Kind.VARCHAR), "abc  "),
    ],
)
def test_what_postgresql_reads_rightly_is_left_to_it(column: Column | Kind, value: object):
    """And what it refuses."""
    column = Column("c", "x", column) if isinstance(column, Kind) else column
    assert content(column, spelt(value), PLAIN) is None


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        (Kind.INSTANT, 1770724800, "2026-02-10T12:00:00+00:00"),
        (Kind.TIMESTAMP, 1770724800, "2026-02-10T12:00:00+00:00"),
        (Kind.TIMESTAMP, "2026-02-10T14:00:00+02:00", "2026-02-10T12:00:00"),
        (Kind.TIME, "01:00+02", "23:00:00"),
        (Kind.DATE, 20494, "2026-02-10T00:00:00+00:00"),
        (Kind.INTERVAL, 90, "90 seconds"),
        (Kind.INSTANT, "-0043-03-15", "0044-03-15 BC"),
        (Column("c", "timestamptz(0)", Kind.INSTANT, modifier=0), "9999-12-31T23:59:59.9Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_what_postgresql_would_misread_is_spelt_for_it(column: Column | Kind, value: object, stored: str):
    """Numbers in columns of time, and offsets where there is no time zone."""
    column = Column("c", "x", column) if isinstance(column, Kind) else column
    assert content(column, spelt(value), PLAIN) == stored.encode()


@pytest.mark.parametrize(
    ("column", "value", "state"),
    [
        (Kind.NAME, "x" * 64, "22001"),
        (Kind.NAME, "ä" * 32, "22001"),
        (Kind.CHAR, "ab", "22001"),
        (Kind.UNSIGNED, -1, "22003"),
        (Kind.UNSIGNED, " -1", "22003"),
        (Kind.UNSIGNED, "(-1,0)", "22003"),
        (Kind.ADDRESS, 10, "22P02"),
        (Kind.TIMESTAMP, "10 Feb 2026 12:00 Europe/Berlin", "22009"),
        (Kind.TIME, 43200, "22007"),
        (Kind.INSTANT, "1770721210", "22007"),
        (Kind.DATE, "1770721210.5", "22007"),
        (Kind.INSTANT, "now", "22007"),
        (Kind.DATE_RANGE, "[today,tomorrow)", "22007"),
        (Kind.TIMESTAMP_RANGE, "[2026-01-01T00:00:00+02:00,)", "22P02"),
        (Kind.TIMESTAMP_RANGE, '{["2026-01-01 00:00:00 PST",)}', "22009"),
        (Kind.INSTANT_RANGE, "[1770721210,)", "22007"),
        (Kind.INTERVAL, "1.02:03:04", "22007"),
        (Kind.INTERVAL, [1], "22007"),
        (DAYS, 90, "22007"),
        (Kind.BYTES, "no base64", "22023"),
        (CENTS, b"1.005", "22003"),
        (CENTS, "1.005", "22003"),
        (CENTS, b"1e-3", "22003"),
        (CENTS, "1.0_05", "22003"),
        (CENTS, b"0." + b"1" * 10_000, "22003"),
        (HUNDREDS, b"12345", "22003"),
        (INTEGERS, b"17.5", "22003"),
        (Kind.MONEY, b"12.345", "22003"),
        (THREE, "abc ", "22001"),
        (THREE, "ab   ", "22001"),
        (THREE, "äöü ", "22001"),
    ],
)
def test_what_postgresql_would_change_is_refused(column: Column | Kind, value: object, state: str):
    """Cut off, wrapped, rounded, or at another instant; with the SQLSTATE that fits."""
    column = Column("c", "x", column) if isinstance(column, Kind) else column

    with pytest.raises(Unstorable) as caught:
        content(column, spelt(value), PLAIN)

    assert caught.value.state == state


@pytest.mark.parametrize(
    ("column", "cells", "plain"),
    [
        (Kind.INSTANT, [b'"2026-02-10T14:00:00+02:00"', b"null"], True),
        (Kind.INSTANT, [b'"2026-02-10"', b"0"], False),
        (Kind.INTERVAL, [b'"P1D"', b"null"], True),
        (Kind.INTERVAL, [b'"P1D"', b"90"], False),
        (Kind.INTERVAL, [b'"1.02:03:04"'], False),
        (Kind.INTERVAL, [b'"1\\u002e02:03:04"'], False),
        (Kind.BYTES, [b'"aGk="'], False),
        (CENTS, [b"1.10", b"-12", b'"7.5"', b"null"], True),
        (CENTS, [b"1.10", b"1.005"], False),
        (CENTS, [b"1.1", b"1e-3"], False),
        (CENTS, [b"1E-3"], False),
        (CENTS, [b'"1.0_05"'], False),
        (CENTS, [b'"1\\u002e005"'], False),
        (INTEGERS, [b"17", b"null"], True),
        (INTEGERS, [b"17.0"], False),
        (HUNDREDS, [b"17"], False),
        (THREE, [b'"abcd"', b'" ab"', b"null"], True),
        (THREE, [b'"abc "'], False),
        (THREE, [b'"abc\\u0020"'], False),
        (THREE, [b'"abc \\u0000"'], False),
    ],
)
def test_a_column_that_needs_nothing_is_seen_at_a_glance(column: Column | Kind, cells: list[bytes], plain: bool):
    """Over all of its cells at once."""
    column = Column("c", "x", column) if isinstance(column, Kind) else column
    assert is_plain(column, b"".join(b"\n" + cell for cell in cells)) == plain


@pytest.mark.parametrize(("value", "stored"), [("aGk=", b"\\x6869"), ("", b"\\x"), ("\\x6869", b"\\x6869")])
def test_bytes_are_base64_or_hex(value: str, stored: bytes):
    """Hex if it starts with a backslash and an x, which base64 can't."""
    assert content(Column("c", "bytea", Kind.BYTES), spelt(value), PLAIN) == stored


@pytest.mark.parametrize("value", ["aGk", "aGk==", "aG k=", "a-_=", "=", "aGk=aGk=", "äGk=", "aGk=\n"])
def test_base64_is_taken_strictly(value: str):
    """Without padding, with blanks, of another alphabet: it may be something else."""
    with pytest.raises(Unstorable):
        content(Column("c", "bytea", Kind.BYTES), spelt(value), PLAIN)


@pytest.mark.parametrize(("value", "stored"), [("6869", b"\\x6869"), ("\\x6869", b"\\x6869"), ("aGk=", b"\\xaGk=")])
def test_bytes_are_hex_if_that_is_asked_for(value: str, stored: bytes):
    """PostgreSQL itself refuses what is not."""
    assert content(Column("c", "bytea", Kind.BYTES), spelt(value), Rules(encoding="hex")) == stored


def test_numbers_may_be_rounded_if_that_is_asked_for():
    """By PostgreSQL."""
    assert content(CENTS, b"1.005", Rules(rounds=True)) is None


def test_text_of_digits_is_an_epoch_if_the_unit_is_given():
    """Then there is nothing to guess."""
    text = content(Column("c", "timestamptz", Kind.INSTANT), b'" 1770724800000"', Rules(unit="ms"))
    assert text == b"2026-02-10T12:00:00+00:00"
