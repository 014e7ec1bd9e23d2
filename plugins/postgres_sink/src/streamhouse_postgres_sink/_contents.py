"""What a value becomes in a column of its kind: the text that PostgreSQL's own input function is to read.

Where PostgreSQL reads the text that stands in the JSON as it is, and says so if it can't, there is nothing to do. What it would
misread is spelt for it, and what it would change without a word is refused: cut off, wrapped, rounded.
"""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_postgres_sink._cells import Unstorable, is_text, text_of
from streamhouse_postgres_sink._moments import DIGITS, is_iso, respelt
from streamhouse_postgres_sink._times import NUMBER, day, instant, of_day, seconds
from streamhouse_postgres_sink._types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamhouse_postgres_sink._cells import Rules
    from streamhouse_postgres_sink._types import Column

__all__ = ["content", "is_plain", "refuse_changed"]

_NO_TEXT: Final = re.compile(rb"\n[-0-9\[{]")
_HEX_PREFIX: Final = b"\\x"
_MAX_NAME: Final = 63
"""PostgreSQL's NAMEDATALEN, less one; the input function of type name cuts off what is longer."""
_DAYS_AND_TIME: Final = re.compile(rb"\d\.\d+:")
"""The notation of .NET: PostgreSQL takes the hours for a fraction of the days."""
_QUOTED: Final = re.compile(rb"\\(.)", re.DOTALL)

_NUMBERS_OF: Final = {
    Kind.INSTANT: instant,
    Kind.TIMESTAMP: instant,
    Kind.DATE: day,
    Kind.TIME: of_day,
    Kind.TIMETZ: of_day,
}
_ENDS_OF: Final = {
    Kind.INSTANT_RANGE: Kind.INSTANT,
    Kind.TIMESTAMP_RANGE: Kind.TIMESTAMP,
    Kind.DATE_RANGE: Kind.DATE,
}


def is_plain(column: Column, cells: bytes) -> bool:
    """True if no cell of a special column has to be converted. Before each of the cells stands a newline; may be false for nothing."""
    if column.is_array:
        return not any(mark in cells for mark in (b"\n[", b"\n{", b'\n"'))

    if column.kind in _NUMBERS_OF:
        return is_iso(column.kind, cells)

    match column.kind:
        case Kind.INTERVAL:
            return not (_NO_TEXT.search(cells) or _DAYS_AND_TIME.search(cells) or b"\\" in cells)
        case Kind.NUMERIC:
            return not any(mark in cells for mark in (b"e", b"E", b"_", b"\\")) and _has_scale(column.scale, cells)
        case Kind.VARCHAR:
            return b' "' not in cells and b"\\u00" not in cells
        case _:
            return False


def content(column: Column, raw: bytes, rules: Rules) -> bytes | None:
    """Return the text that PostgreSQL is to read; None if the value's own will do.

    :raises Unstorable: and says why.
    """
    kind = column.kind
    return _MAKERS[kind](column, raw, rules) if kind in _MAKERS else None


def refuse_changed(column: Column, text: bytes, rules: Rules, *, separators: bytes) -> None:
    """Refuse text in PostgreSQL's notation of arrays or ranges if it has something in it that would have to be converted.

    :raises Unstorable: as a value by itself it might do.
    """
    for piece in _pieces(text, separators):
        found = content(column, msgspec.json.encode(piece.decode()), rules)

        if found is not None and found != piece:
            raise Unstorable("22P02", "holds what PostgreSQL would change in this notation; give a list, or UTC")


def _has_scale(scale: int | None, cells: bytes) -> bool:
    return scale is None or (scale >= 0 and re.search(rb"\.[0-9]{%d}" % (scale + 1), cells) is None)


def _of_time(column: Column, raw: bytes, rules: Rules) -> bytes | None:
    _refuse_nested(raw)
    number = _NUMBERS_OF[column.kind]

    if NUMBER.match(raw):
        return number(raw, rules)

    if not is_text(raw):
        return None

    text = text_of(raw, rules)

    if DIGITS.fullmatch(text):
        if rules.unit == "auto":
            raise Unstorable(
                "22007", "is text of digits, which may be a date or an epoch; give a number, or timestamps.unit"
            )

        return number(text.strip(), rules)

    spelt = respelt(text.decode(), column.kind, precision=column.precision).encode()
    return None if spelt == text else spelt


def _interval(column: Column, raw: bytes, rules: Rules) -> bytes | None:
    _refuse_nested(raw)

    if NUMBER.match(raw):
        if not column.keeps_seconds:
            raise Unstorable("22007", "is a number of seconds, of which the column keeps none")

        return seconds(raw)

    if _DAYS_AND_TIME.search(text_of(raw, rules)):
        raise Unstorable("22007", "has days and a time in a notation that PostgreSQL reads otherwise; give ISO 8601")

    return None


def _refuse_nested(raw: bytes) -> None:
    if raw.startswith((b"[", b"{")):
        raise Unstorable("22007", "is a list or an object, not a time")


def _range(column: Column, raw: bytes, rules: Rules) -> None:
    end = attrs.evolve(column, kind=_ENDS_OF[column.kind], is_array=False)
    refuse_changed(end, text_of(raw, rules), rules, separators=b"[](){},")


def _number(column: Column, raw: bytes, rules: Rules) -> None:
    scale = column.scale

    if scale is None or rules.rounds:
        return

    try:
        number = Decimal(text_of(raw, rules).strip().decode())
    except ArithmeticError:  # no number, or one beyond everything: PostgreSQL says so
        return

    if _has_digits_below(number, -scale):
        raise Unstorable(
            "22003", "has more digits than the column keeps, and would be rounded; numeric.rounding=round allows that"
        )


def _has_digits_below(number: Decimal, power: int) -> bool:
    """Say whether a digit that is not 0 counts less than this power of ten; NaN and infinities have no digits."""
    _, digits, exponent = number.as_tuple()
    zeros = len(digits) - len(bytes(digits).rstrip(b"\0"))
    return isinstance(exponent, int) and number != 0 and exponent + zeros < power


def _varchar(column: Column, raw: bytes, rules: Rules) -> None:
    length = column.length

    if length is None:
        return

    text = text_of(raw, rules).decode()

    if len(text) > length and not text[length:].strip(" "):
        raise Unstorable("22001", "is too long: it would lose blanks at its end")


def _bytes(_: Column, raw: bytes, rules: Rules) -> bytes:
    if not is_text(raw):
        raise Unstorable("22P02", f"is not text; bytea takes {rules.encoding}")

    text = text_of(raw, rules)

    if text.startswith(_HEX_PREFIX):
        return text

    if rules.encoding == "hex":
        return _HEX_PREFIX + text

    try:
        return _HEX_PREFIX + binascii.hexlify(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise Unstorable("22023", "is neither base64 nor hex that starts with \\x (bytea.encoding)") from None


def _unsigned(_: Column, raw: bytes, rules: Rules) -> None:
    if b"-" in text_of(raw, rules):
        raise Unstorable("22003", "is negative")


def _address(_: Column, raw: bytes, __: Rules) -> None:
    if NUMBER.match(raw):
        raise Unstorable("22P02", "is a number, not an address")


def _name(_: Column, raw: bytes, rules: Rules) -> None:
    if len(text_of(raw, rules)) > _MAX_NAME:
        raise Unstorable("22001", "is too long")


def _char(_: Column, raw: bytes, rules: Rules) -> None:
    text = text_of(raw, rules)

    if len(text) > 1 and not re.fullmatch(rb"\\[0-3][0-7]{2}", text):
        raise Unstorable("22001", "is too long")


def _pieces(text: bytes, separators: bytes) -> Iterator[bytes]:
    """Yield what stands between the separators, without quotes."""
    pattern = rb'"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^"' + re.escape(separators) + rb"]+)"

    for found in re.finditer(pattern, text, re.DOTALL):
        quoted, bare = found["quoted"], found["bare"]
        yield _QUOTED.sub(rb"\1", bare.strip() if quoted is None else quoted)


_MAKERS: Final[dict[Kind, Callable[[Column, bytes, Rules], bytes | None]]] = {
    **dict.fromkeys(_NUMBERS_OF, _of_time),
    **dict.fromkeys(_ENDS_OF, _range),
    Kind.INTERVAL: _interval,
    Kind.NUMERIC: _number,
    Kind.MONEY: _number,
    Kind.VARCHAR: _varchar,
    Kind.BYTES: _bytes,
    Kind.UNSIGNED: _unsigned,
    Kind.ADDRESS: _address,
    Kind.NAME: _name,
    Kind.CHAR: _char,
}
