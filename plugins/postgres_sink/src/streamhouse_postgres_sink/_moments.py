"""Text in columns of time: what PostgreSQL's input functions would misread, spelt so that they don't.

ISO 8601 as nearly everybody writes it is seen at a glance and left alone. Of the rest:

    2026-02-10T14:00:00+02:00    where the column has no time zone, PostgreSQL drops the offset: the text is put in UTC
    10 Feb 2026 12:00 PST        there, too; whose zone can't be told is refused
    2026-02-10 12:00 UTC+2       PostgreSQL takes it for two hours west, as POSIX has it: it is refused
    now, tomorrow                another time at every reading: refused
    9999-12-31T23:59:59.9999999  PostgreSQL would round it to the year 10000: cut off where the column's digits end
    -0043-03-15, +10000-01-01    the years of ISO 8601 before the first and behind 9999: 0044-03-15 BC, 10000-01-01

Everything else is PostgreSQL's business.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from streamhouse_postgres_sink._cells import Unstorable
from streamhouse_postgres_sink._types import Kind

__all__ = ["DIGITS", "is_iso", "respelt"]

DIGITS: Final = re.compile(rb"\s*[+-]?\d{9,}(?:\.\d*)?\s*")
"""Longer than a date: PostgreSQL takes 1770721210 for the tenth of December in the year 177072."""

_DAY: Final = rb"\d{4}-\d\d-\d\d"
_CLOCK: Final = rb"\d\d:\d\d:\d\d(?:\.\d{1,9}+)?"
_OFFSET: Final = rb"(?:Z|[+-]\d\d(?::?\d\d)?)?"
_NO_OFFSET: Final = rb"(?:Z|[+-]00(?::?00)?)?"


def _only(cell: bytes) -> re.Pattern[bytes]:
    """Match cells that are texts of this kind, null, or NOW."""
    return re.compile(rb'(?:\n(?:"(?:' + cell + rb')"|null|now))*+')


_ISO: Final = {
    Kind.INSTANT: _only(_DAY + b"(?:[T ]" + _CLOCK + _OFFSET + b")?"),
    Kind.TIMESTAMP: _only(_DAY + b"(?:[T ]" + _CLOCK + _NO_OFFSET + b")?"),
    Kind.DATE: _only(_DAY + b"(?:[T ]" + _CLOCK + _OFFSET + b")?"),
    Kind.TIME: _only(_CLOCK),
    Kind.TIMETZ: _only(_CLOCK + _OFFSET),
}
_LAST_DAY: Final = b"9999-12-31"
_LAST_SECOND: Final = b"23:59:59."
_ZONELESS: Final = {Kind.TIMESTAMP, Kind.TIME}
_TIMES_OF_DAY: Final = {Kind.TIME, Kind.TIMETZ}

_RELATIVE: Final = re.compile(r"(?<![a-z])(?:now|today|tomorrow|yesterday)(?![a-z])", re.IGNORECASE)
_MONTHS: Final = """
jan feb mar apr may jun jul aug sep sept oct nov dec
january february march april june july august september october november december
"""
_NAMES: Final = f"""
t z zulu ut utc gmt am pm ad bc infinity epoch allballs j at on {_MONTHS}
mon tue tues wed weds thu thur thurs fri sat sun monday tuesday wednesday thursday friday saturday sunday
"""
_MONTH: Final = f"(?:{'|'.join(_MONTHS.split())})"
_POSIX: Final = re.compile(rf"(?<![a-z/_])(?!{_MONTH}-)[a-z]{{3,}}[+-]\d", re.IGNORECASE)
_EXPANDED: Final = re.compile(r"(?P<year>[+-]\d{4,6})(?P<rest>-\d\d-\d\d(?:[T ].*)?)", re.IGNORECASE)
_END: Final = re.compile(r"(?P<day>9999-12-31[T ])?(?P<second>T?23:59:59)[.,](?P<fraction>\d+)", re.IGNORECASE)

_DATES: Final = re.compile(
    rf"\b(?:\d+-\d\d?-\d++(?!:)|\d+-\d\d\d(?![\d:])|\d\d?-{_MONTH}-\d+|{_MONTH}-\d\d?-\d+)|[+-]infinity\b",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"[^\W\d_]+")
_KNOWN: Final = frozenset(_NAMES.split())
"""What PostgreSQL reads beside digits, and is no zone but UTC."""

_ZONED: Final = re.compile(
    r"(?:(?P<date>\d{4}-?\d\d-?\d\d)[T ])?(?P<time>\d\d(?::?\d\d(?::?\d\d)?)?)(?P<fraction>[.,]\d+)?"
    r"\s?(?P<offset>[+-]\d\d(?::?\d\d(?::?\d\d)?)?)",
    re.IGNORECASE,
)
_TIME_DIGITS: Final = 6


def is_iso(kind: Kind, cells: bytes) -> bool:
    """True if all cells are in ISO 8601 such that PostgreSQL reads them rightly. Before each of them stands a newline."""
    last = _LAST_SECOND if kind in _TIMES_OF_DAY else _LAST_DAY
    return last not in cells and _ISO[kind].fullmatch(cells) is not None


def respelt(text: str, kind: Kind, *, precision: int) -> str:
    """Return what PostgreSQL is to be given for the text, which is the same for most.

    :raises Unstorable: it would be read as another time than it says, or nobody can tell which one that is.
    """
    if _RELATIVE.search(text):
        raise Unstorable("22007", 'says "now", "tomorrow" or the like, which a replay would read as another time')

    if _POSIX.search(text):
        raise Unstorable("22009", "has an offset behind the name of a zone, which PostgreSQL takes for the opposite")

    if found := _EXPANDED.fullmatch(text.strip()):
        year = int(found["year"])
        text = f"{year:04}{found['rest']}" if year > 0 else f"{1 - year:04}{found['rest']} BC"

    if kind in _ZONELESS and not _is_without_zone(text):
        text = _put_in_utc(text)

    return _kept_from_rounding(text, kind, precision)


def _is_without_zone(text: str) -> bool:
    rest = _DATES.sub(" ", text)
    has_digits = any(character.isdigit() for character in text)  # else it is a word, or nonsense
    return not has_digits or (
        not ("+" in rest or "-" in rest) and all(word.lower() in _KNOWN for word in _WORDS.findall(rest))
    )


def _put_in_utc(text: str) -> str:
    """Return the same instant, or time of day, in UTC and without an offset.

    :raises Unstorable: it is not in ISO 8601, or lies outside the years 1 to 9999.
    """
    found = _ZONED.fullmatch(text.strip())

    try:
        if found is None or (found["fraction"] and len(found["time"].replace(":", "")) < _TIME_DIGITS):
            raise ValueError  # noqa: TRY301 - the same as what is not in the calendar

        stood = datetime.fromisoformat(f"{found['date'] or '2000-01-01'}T{found['time']}{found['offset']}")
        moved = stood.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unstorable(
            "22009",
            "has, or may have, an offset or time zone that a column without one would lose; give it in ISO 8601, or in UTC",
        ) from None

    form = "%H:%M:%S" if found["date"] is None else "T%H:%M:%S"
    return f"{moved.date() if found['date'] else ''}{moved.strftime(form)}{found['fraction'] or ''}"


def _kept_from_rounding(text: str, kind: Kind, precision: int) -> str:
    """Keep the year 9999, which stands for never, and the day of a time; anything else is rounded as everywhere."""
    found = _END.match(text)

    if found is None or (found["day"] is None) is not (kind in _TIMES_OF_DAY):
        return text

    point = "." if precision else ""
    return f"{found['day'] or ''}{found['second']}{point}{found['fraction'][:precision]}{text[found.end() :]}"
