"""Numbers in columns of time: what PostgreSQL's input functions would misread, spelt so that they don't.

A number is an epoch in UTC, in a unit that is given, or goes by its magnitude:

                below 10^7      8 digits         below 10^11     10^14           10^17
    date        days            20260210         seconds         milliseconds    microseconds
    timestamp   seconds ────────────────────────────────────     milliseconds    microseconds
    time        nothing says what it counts: it is refused unless the unit is given, and then counts from midnight
    interval    seconds, in every unit that is given

What would lie in the year 9999 in the smaller unit does lie there: so "never" is spelt.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

from streamhouse_postgres_sink._cells import Unstorable

if TYPE_CHECKING:
    from streamhouse_postgres_sink._cells import Rules

__all__ = ["NUMBER", "day", "instant", "of_day", "seconds"]

NUMBER: Final = re.compile(rb"-?[0-9]")
"""Begins like a number of JSON."""
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LIMITS: Final = (("s", 10**11), ("ms", 10**14), ("us", 10**17))
_YEAR_9999: Final = range(253_370_764_800, 253_402_300_800)
_YEAR_10000: Final = _YEAR_9999.stop * 10**6
_DAYS: Final = 10**7
_DATE_DIGITS: Final = 8
_DAY: Final = 86_400
_CYCLE: Final = timedelta(days=146_097) // timedelta(microseconds=1)
"""The Gregorian calendar repeats itself every 400 years."""
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX: Final = 10**25
"""Beyond the end of every calendar in every unit; keeps numbers like 1e999999 from being written out."""


def instant(raw: bytes, rules: Rules) -> bytes:
    """Spell the instant that a number stands for, in UTC.

    :raises Unstorable: the number can't be an epoch.
    """
    number = _number(raw)
    unit = _unit(number) if rules.unit == "auto" else rules.unit
    exact = number * 10**6 / _PER_SECOND[unit]
    microseconds = int(exact.to_integral_value())
    is_never = microseconds == _YEAR_10000 and exact < _YEAR_10000
    return _spelt(microseconds - 1 if is_never else microseconds)


def day(raw: bytes, rules: Rules) -> bytes:
    """Spell the day, in UTC, that a number stands for, for a column of dates.

    :raises Unstorable: the number can't be one.
    """
    number = _number(raw)

    if rules.unit != "auto":
        seconds = number / _PER_SECOND[rules.unit]
    elif abs(number) < _DAYS:
        seconds = number * _DAY
    elif len(raw) == _DATE_DIGITS and raw.isdigit():
        return raw
    else:
        seconds = number / _PER_SECOND[_unit(number)]

    days = int((seconds / _DAY).to_integral_value(ROUND_FLOOR))
    return _spelt(days * _DAY * 10**6)


def of_day(raw: bytes, rules: Rules) -> bytes:
    """Spell the time of day that a number counts up to from midnight.

    :raises Unstorable: no unit is given, or there is no such time.
    """
    if rules.unit == "auto":
        raise Unstorable("22007", "is a number, of which nothing says what it counts; give text, or timestamps.unit")

    microseconds = int((_number(raw) * 10**6 / _PER_SECOND[rules.unit]).to_integral_value())

    if not 0 <= microseconds < _DAY * 10**6:
        raise Unstorable("22008", "is no time of day")

    return (_BEGINNING + timedelta(microseconds=microseconds)).time().isoformat().encode()


def seconds(raw: bytes) -> bytes:
    """Spell an interval of so many seconds.

    :raises Unstorable: it is longer than any.
    """
    return f"{_number(raw):f} seconds".encode()


def _number(raw: bytes) -> Decimal:
    try:
        number = Decimal(raw.decode())
    except ArithmeticError:
        number = Decimal("inf")

    if abs(number) >= _MAX:
        raise Unstorable("22008", "is outside of every calendar")

    return number


def _unit(number: Decimal) -> str:
    for unit, limit in _LIMITS:
        if abs(number) < limit or int(number) // _PER_SECOND[unit] in _YEAR_9999:
            return unit

    raise Unstorable("22008", "is no epoch in seconds, milliseconds or microseconds (timestamps.unit)")


def _spelt(microseconds: int) -> bytes:
    cycles, rest = divmod(microseconds, _CYCLE)
    at = _BEGINNING + timedelta(microseconds=rest)
    year = at.year + 400 * cycles
    text = at.isoformat()[4:]
    return (f"{year:04}{text}" if year > 0 else f"{1 - year:04}{text} BC").encode()
