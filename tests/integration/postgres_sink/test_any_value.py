"""Any JSON value in a column of any type, in random: held against what PostgreSQL makes of the same text."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, cast

import attrs
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from integration.postgres_sink.conftest import Opened, OpenSink, Sql, make_types
from streamhouse_connect import RejectedRecords


@attrs.define
class Anything:
    """A table with a column of each type, its sinks, and somebody who reads it."""

    sinks: list[Opened]
    reader: psycopg.Connection
    next_id: int = 0

    async def store(self, column: str, values: list[str]) -> list[str | Refusal]:
        """Write the values, as JSON, into the column, a good record behind each; return what is stored, as text, or the SQLSTATE."""
        sink = self.sinks[self.next_id % 2]
        first, self.next_id = self.next_id, self.next_id + 2 * len(values) + 1
        records = {
            first + 2 * n: b'{"id":%d,"%b":%b}' % (first + 2 * n, column.encode(), v.encode())
            for n, v in enumerate(values)
        }
        good = {first + 2 * n + 1 for n in range(len(values))}
        records = dict(sorted({**records, **{n: b'{"id":%d,"good":%d}' % (n, n) for n in good}}.items()))
        outcomes: dict[int, str | Refusal] = {}

        while True:
            try:
                await sink.write(*records.values())
                break
            except RejectedRecords as error:
                ids = list(records)

                for index, reason in error.reasons.items():
                    assert f'"{column}"' in reason
                    outcomes[ids[index]] = Refusal(reason)
                    del records[ids[index]]

        stored = self.reader.execute(f"SELECT id, {column}::text, good FROM orders".encode()).fetchall()
        self.reader.execute("TRUNCATE orders")
        assert {n for n, _, _ in stored} == records.keys()
        assert {n for n, _, g in stored if n == g} == good
        outcomes.update({n: text for n, text, _ in stored if n not in good})
        return [outcomes[first + 2 * n] for n in range(len(values))]

    def read(self, expression: str, *values: object) -> str | Refusal:
        """Return what PostgreSQL itself makes of the values, as text."""
        return self._ask(f"SELECT ({expression})::text", *values)

    def put(self, type_: str, text: str) -> str | Refusal:
        """Return what PostgreSQL itself puts into a column of the type."""
        column = next(name for name, found in COLUMNS.items() if found == type_)
        return self._ask(f"INSERT INTO pg_temp.expected ({column}) VALUES (%s) RETURNING {column}::text", text)

    def _ask(self, query: str, *values: object) -> str | Refusal:
        try:
            row = self.reader.execute(query.encode(), values).fetchone()
        except (UnicodeEncodeError, psycopg.Error) as error:  # psycopg itself refuses half a surrogate pair, and U+0000
            return Refusal(str(error))

        assert row
        return cast("str", row[0])


@attrs.frozen
class Refusal:
    """Why a value was not stored; two of them are always equal, as the spelling of an error is not the point."""

    reason: str = attrs.field(eq=False)


PLAIN_TYPES = [
    *("smallint", "int", "bigint", "numeric", "numeric(38,18)", "real", "double precision", "boolean", "text"),
    *("varchar(3)", "char(3)", "uuid", "inet", "cidr", "macaddr", "mood", "positive", "money", "bit(3)"),
    *(
        "int4range",
        "numrange",
        "int4multirange",
        "point",
        "box",
        "path",
        "polygon",
        "circle",
        "line",
        "pair",
        "tsvector",
    ),
    *("tsquery", "jsonpath", "regtype", "pg_lsn"),
]
OTHER_TYPES = [
    *(
        "json",
        "jsonb",
        "document",
        "bytea",
        "date",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "oid",
        "name",
        '"char"',
    ),
    *("text[]", "int[]", "jsonb[]", "document[]", "timestamptz[]"),
]
COLUMNS = {f"c{n}": type_ for n, type_ in enumerate([*PLAIN_TYPES, *OTHER_TYPES])}


@pytest.fixture
async def anything(sql: Sql, open_sink: OpenSink) -> AsyncIterator[Anything]:
    make_types(sql)
    columns = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
    sql.run(f"CREATE TABLE orders (id int PRIMARY KEY, good int, {columns})")

    with psycopg.connect(sql.url, autocommit=True) as reader:
        reader.execute("SET TimeZone = 'UTC'")
        reader.execute(f"CREATE TEMP TABLE expected ({columns}) ON COMMIT DELETE ROWS".encode())
        yield Anything([await open_sink(mode="insert"), await open_sink()], reader)


TEXT = st.text(max_size=10)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
LIKELY = st.sampled_from(
    [
        *(
            True,
            False,
            0,
            1,
            -1,
            1.5,
            32767,
            32768,
            2**31,
            2**63 - 1,
            2**63,
            -(2**63),
            10**17,
            253402300799,
            1e300,
            1e-320,
        ),
        *(
            "1",
            "-1",
            "0x1F",
            "1_000",
            "1e2",
            "NaN",
            "Infinity",
            "-Infinity",
            "true",
            "off",
            "sad",
            "101",
            "a",
            "abc ",
            "null",
        ),
        *(
            "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
            "10.0.0.0/8",
            "08:00:2b:01:02:03",
            "P1DT2H",
            "aGk=",
            "\\x6869",
            "\\x6",
        ),
        *("2026-02-10", "2026-02-10T14:00:00+02:00", "2026-02-10 14:00:00.5Z", "12:00", "12:00-05:30", "0044-03-15 BC"),
        *(
            "9999-12-31T23:59:59.9999999Z",
            "2026-02-30",
            "24:00:00",
            "infinity",
            "(1,2)",
            "[1,5)",
            "{1,2}",
            "$.a",
            "{",
            "\\",
        ),
        *(
            [],
            [1, None],
            [[1, 2], [3, 4]],
            [[]],
            [[1], [2, 3]],
            ["a,b", 'q"', "\\"],
            {},
            {"a": ["\x00"]},
            ["2026-02-10", 0],
        ),
    ]
)
VALUES = LIKELY | st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(column=st.sampled_from(list(COLUMNS)), values=st.lists(VALUES, min_size=1, max_size=6), ascii_only=st.booleans())
@example(
    column="c8",
    values=["\x00", "\ud800", "\\u0000", {"\x00": 1}, "null", None, "\\N", "", '"', "\x01"],
    ascii_only=False,
)
@example(column="c46", values=[[{"\x7f": "ä"}], [{"\ud800": "ä"}]], ascii_only=False)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_value_reads_back_equal_or_is_rejected(
    anything: Anything, column: str, values: list[object], ascii_only: bool
):
    """In a column of any of these types: as PostgreSQL reads the same text, or with SQLSTATE and column; never another record."""
    texts = [dumped(value, ascii_only=ascii_only) for value in values]

    for value, text, stored in zip(values, texts, await anything.store(column, texts), strict=True):
        said = COLUMNS[column], text, stored
        plain = value if isinstance(value, str) else text

        if isinstance(stored, Refusal):
            assert re.search(r"\b[0-9A-Z]{5}\b", stored.reason), said
            assert is_refused(anything, COLUMNS[column], plain, text), said
        elif value is None:
            assert stored is None, said
        else:
            assert is_same(anything, COLUMNS[column], value, plain, stored), said


def dumped(value: object, *, ascii_only: bool) -> str:
    text = json.dumps(value, ensure_ascii=ascii_only)
    return text if is_utf8(text) else json.dumps(value)  # half a surrogate pair can only be spelt as an escape


def is_utf8(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)


def is_refused(anything: Anything, type_: str, plain: str, text: str) -> bool:
    """True if PostgreSQL would refuse it too, or if it would change it without a word."""
    if type_ in PLAIN_TYPES:
        return isinstance(anything.put(type_, plain), Refusal)

    if type_ in {"json", "jsonb", "document"}:
        return isinstance(anything.put(type_, text), Refusal)

    return True


def is_same(anything: Anything, type_: str, value: Any, plain: str, stored: str) -> bool:
    match type_:
        case "smallint" | "int" | "bigint" | "positive" | "numeric" | "numeric(38,18)" if not isinstance(value, str):
            return abs(Decimal(stored) - Decimal(str(value))) <= (Decimal("0.5e-18") if "," in type_ else 0)
        case "double precision" if not isinstance(value, str):
            return float(stored) == float(value)
        case "text":
            return exactly(stored) == exactly(plain) if not isinstance(value, str) else bool(stored == value)
        case "json" | "jsonb" | "document":
            return exactly(stored) == exactly(json.dumps(value))
        case "bytea":
            raw = bytes.fromhex(stored[2:])
            return raw == (bytes.fromhex(value[2:]) if value.startswith("\\x") else base64.b64decode(value))
        case "date" | "timestamptz" | "timestamp" if not isinstance(value, str):
            return stored == epoch(anything, type_, value)
        case "timestamp":
            return stored == anything.read("%s::text::timestamptz AT TIME ZONE 'UTC'", value)
        case "time":
            return stored == anything.read("(%s::text::timetz AT TIME ZONE 'UTC')::time", value)
        case _ if type_.endswith("[]") and isinstance(value, list):
            found = anything.read(f"array_to_json(%s::text::{type_}::text[])", stored)
            return isinstance(found, str) and bool(
                json.loads(found) == elements(anything, type_, value, ascii_only=plain == json.dumps(value))
            )
        case _:
            return stored == anything.put(type_, plain)


def epoch(anything: Anything, type_: str, number: Any) -> str | Refusal:
    """Return what PostgreSQL makes of so many seconds, milliseconds or microseconds; days if they are few and it is a date."""
    value, size = Decimal(str(number)), abs(number)

    if type_ == "date" and size < 10**7:
        return anything.read("date '1970-01-01' + %s::int", math.floor(number))

    if type_ == "date" and 10**7 <= number < 10**8:
        return anything.read("%s::text::date", str(number))

    is_never = number == 253402300799
    scale = 10**6 if size < 10**11 or is_never else 10**3 if size < 10**14 else 1
    microseconds = int((value * scale).to_integral_value())
    zone = "" if type_ == "timestamptz" else "AT TIME ZONE 'UTC'"
    moment = "timestamptz 'epoch' + %s::int8 * interval '1 second' + %s::int8 * interval '1 microsecond'"
    return anything.read(f"(({moment}) {zone})::{type_}", *divmod(microseconds, 10**6))


def elements(anything: Anything, type_: str, value: Any, *, ascii_only: bool) -> Any:
    """Return what PostgreSQL makes of the elements of a list, as text; `ascii_only` if others are escapes in it."""
    if value is None:
        return None

    kind = type_.removesuffix("[]")

    if kind in {"jsonb", "document"}:
        return [None if element is None else anything.read("%s::text::jsonb", json.dumps(element)) for element in value]

    if isinstance(value, list):
        return [elements(anything, type_, element, ascii_only=ascii_only) for element in value]

    if kind == "timestamptz" and not isinstance(value, str):
        return epoch(anything, kind, value)

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=ascii_only)
    return anything.read(f"%s::text::{kind}", text)


def exactly(text: str) -> object:
    """Read JSON with every digit of its numbers."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)
