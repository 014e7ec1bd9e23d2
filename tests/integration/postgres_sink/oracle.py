"""What it means that a value reads back equal from a column of a type: said again, without any of the sink's code.

Where only PostgreSQL can tell, as with geometry, it is asked what it makes of the same text.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import ipaddress
import json
import math
import re
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import attrs

INTEGERS = {"smallint", "int", "bigint", "positive", "oid", "xid8"}
NUMERICS = {"numeric", "numeric(38,18)", "numeric(10,2)", "numeric(3,-2)", "price"}
FLOATS = {"real": 2**-23, "double precision": 2**-52}
"""How far the digits that PostgreSQL shows may be from the number."""
DOCUMENTS = {"json", "jsonb", "document"}
TEXTS = {"text", "varchar(3)", "code", "name"}
MOMENTS = {"date", "timestamp", "timestamptz"}
TIMES = {*MOMENTS, "time", "timetz", "interval"}
RANGES_OF_TIME = {"daterange", "tsrange", "tstzrange"}
ADDRESSES = {"cidr", "macaddr", "macaddr8"}
MAX_DIMENSIONS = 6
TRUE = {"true", "tru", "tr", "t", "yes", "ye", "y", "on", "1"}

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?")
_MISREAD = re.compile(
    r"\s*[+-]?\d{9,}(?:\.\d*)?\s*|.*[A-Za-z]{3}[+-]\d.*|.*(?:now|today|tomorrow|yesterday).*", re.DOTALL
)
_OFFSET = re.compile(r":\d\d(?:\.\d+)?[+-]\d\d|[A-Z]{3}")
_NEVER = 253402300799


@attrs.frozen
class Refusal:
    """Why a value was not stored; two of them are always equal, as the spelling of an error is not the point."""

    reason: str = attrs.field(eq=False)


class Postgresql(Protocol):
    """PostgreSQL, as somebody else uses it."""

    def read(self, expression: str, *values: object) -> str | Refusal:
        """Return what PostgreSQL itself makes of the values, as text."""

    def put(self, type_: str, text: str) -> str | Refusal:
        """Return what PostgreSQL itself puts into a column of the type."""


def is_equal(postgresql: Postgresql, type_: str, value: Any, text: str, stored: str) -> bool:
    """Say whether `stored`, as PostgreSQL shows it, is the value, whose JSON is `text`."""
    plain = value if isinstance(value, str) else text

    if type_.endswith("[]"):
        return _is_equal_array(postgresql, type_, value, stored)

    if type_ in INTEGERS | NUMERICS:
        return _is_same_number(stored, plain)

    if type_ in FLOATS:
        return _is_near(stored, plain, FLOATS[type_])

    if type_ in TEXTS:
        return stored == plain or (not isinstance(value, str) and _is_same_json(stored, text))

    if type_ in DOCUMENTS:
        return _is_same_json(stored, text)

    if type_ in TIMES:
        return _is_same_time(postgresql, type_, value, text, stored)

    if type_ in ADDRESSES and isinstance(value, int | float):
        return False

    if type_ in RANGES_OF_TIME - {"tstzrange"} and _OFFSET.search(plain):
        return False

    return _is_same_text(postgresql, type_, plain, stored)


def may_be_refused(postgresql: Postgresql, type_: str, value: Any, text: str) -> bool:
    """Say whether nothing is wrong with refusing the value: PostgreSQL would as well, or would change it without a word."""
    plain = value if isinstance(value, str) else text
    element = type_.removesuffix("[]")

    if element != type_ and isinstance(value, list):
        leaves = value if element in DOCUMENTS else list(_leaves(value))
        is_ragged = element not in DOCUMENTS and bool(value) and _shape(value) is None
        return is_ragged or any(
            may_be_refused(postgresql, element, leaf, json.dumps(leaf)) for leaf in leaves if leaf is not None
        )

    if type_ in TIMES:
        return type_ not in MOMENTS or not isinstance(value, str) or _instant(value) is None

    if type_ == "bytea":
        return _bytes(value) is None

    if element != type_ or type_ in RANGES_OF_TIME:
        return True

    made = postgresql.put(type_, text if type_ in DOCUMENTS else plain)
    return isinstance(made, Refusal) or not is_equal(postgresql, type_, value, text, made)


def _is_same_text(postgresql: Postgresql, type_: str, plain: str, stored: str) -> bool:
    match type_:
        case "char(3)":
            return stored == plain.rstrip(" ")
        case '"char"':
            return len(plain) <= 1 or plain.startswith("\\")
        case "boolean":
            return stored == str(plain.strip().lower() in TRUE).lower()
        case "bytea":
            return bytes.fromhex(stored[2:]) == _bytes(plain)
        case "uuid":
            return uuid.UUID(stored) == uuid.UUID(plain)
        case "inet":
            return ipaddress.ip_interface(stored) == ipaddress.ip_interface(plain.strip())
        case "money" if _decimal(plain) is not None:
            return _is_same_number(re.sub(r"[$,]", "", stored), plain)
        case "mood":
            return stored == plain
        case _:
            return stored == postgresql.put(type_, plain)


def _is_same_json(stored: str, text: str) -> bool:
    """Compare JSON with every digit of its numbers."""

    def read(text: str) -> object:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)

    with contextlib.suppress(ValueError):
        return bool(read(stored) == read(text))

    return False


def _is_equal_array(postgresql: Postgresql, type_: str, value: Any, stored: str) -> bool:
    if not isinstance(value, list):
        return stored == postgresql.put(type_, value if isinstance(value, str) else json.dumps(value))

    found = postgresql.read(f"array_to_json(%s::text::{type_}::text[])", stored)
    return isinstance(found, str) and _are_equal(postgresql, type_.removesuffix("[]"), value, json.loads(found))


def _are_equal(postgresql: Postgresql, type_: str, values: list[Any], found: list[Any]) -> bool:
    def same(value: Any, stored: Any) -> bool:
        if value is None or stored is None:
            return value is stored

        if isinstance(stored, list):
            return isinstance(value, list) and _are_equal(postgresql, type_, value, stored)

        return is_equal(postgresql, type_, value, json.dumps(value), stored)

    return len(values) == len(found) and all(map(same, values, found))


def _leaves(value: list[Any]) -> Any:
    for item in value:
        yield from _leaves(item) if isinstance(item, list) else [item]


def _shape(value: Any) -> tuple[int, ...] | None:
    """Return the dimensions of a list of lists; None if no array has them."""
    if not isinstance(value, list):
        return ()

    shapes = {_shape(item) for item in value}

    if len(shapes) != 1 or (inner := shapes.pop()) is None or len(inner) >= MAX_DIMENSIONS:
        return None

    return (len(value), *inner)


def _decimal(text: str) -> Decimal | None:
    """Read a number as PostgreSQL spells it, hexadecimal and underscores included."""
    with contextlib.suppress(ValueError):
        return Decimal(int(text.strip(), 0))

    with contextlib.suppress(ArithmeticError):
        return Decimal(text.strip())

    return None


def _is_same_number(stored: str, plain: str) -> bool:
    found, wanted = _decimal(stored), _decimal(plain)
    return found == wanted or str(found) == str(wanted) == "NaN"


def _is_near(stored: str, plain: str, error: float) -> bool:
    found, wanted = _decimal(stored), _decimal(plain)

    if found is None or wanted is None or not (found.is_finite() and wanted.is_finite()):
        return str(found) == str(wanted)

    return abs(found - wanted) <= max(abs(wanted) * Decimal(error), Decimal("1.5e-45"))


def _bytes(value: object) -> bytes | None:
    if not isinstance(value, str):
        return None

    with contextlib.suppress(ValueError, binascii.Error):
        return bytes.fromhex(value[2:]) if value.startswith("\\x") else base64.b64decode(value, validate=True)

    return None


def _instant(text: str) -> datetime | None:
    """Read ISO 8601 as everybody writes it; without an offset it is in UTC."""
    if not _ISO.fullmatch(text):
        return None

    with contextlib.suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

    return None


def _is_same_time(postgresql: Postgresql, type_: str, value: Any, text: str, stored: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = f"{Decimal(text):f} seconds"
        return stored == (_epoch(postgresql, type_, value) if type_ in MOMENTS else postgresql.put(type_, seconds))

    plain = value if isinstance(value, str) else text

    if type_ in MOMENTS and _MISREAD.fullmatch(plain):
        return False

    if type_ in {"timestamp", "timestamptz"} and (wanted := _instant(plain)):
        found = _instant(stored)
        return found is not None and abs(found - wanted) <= timedelta(microseconds=1)

    match type_:
        case "timestamp":
            return stored == postgresql.read("%s::text::timestamptz AT TIME ZONE 'UTC'", plain)
        case "time":
            return stored == postgresql.read("(%s::text::timetz AT TIME ZONE 'UTC')::time", plain)
        case _:
            return stored == postgresql.put(type_, plain)


def _epoch(postgresql: Postgresql, type_: str, number: Any) -> str | Refusal:
    """Return what PostgreSQL makes of so many seconds, milliseconds or microseconds; days if they are few and it is a date."""
    value, size = Decimal(str(number)), abs(number)

    if type_ == "date" and size < 10**7:
        return postgresql.read("date '1970-01-01' + %s::int", math.floor(number))

    if type_ == "date" and isinstance(number, int) and 10**7 <= number < 10**8:
        return postgresql.read("%s::text::date", str(number))

    scale = 10**6 if size < 10**11 or number == _NEVER else 10**3 if size < 10**14 else 1
    microseconds = int((value * scale).to_integral_value())
    zone = "" if type_ == "timestamptz" else "AT TIME ZONE 'UTC'"
    moment = "timestamptz 'epoch' + %s::int8 * interval '1 second' + %s::int8 * interval '1 microsecond'"
    return postgresql.read(f"(({moment}) {zone})::{type_}", *divmod(microseconds, 10**6))
