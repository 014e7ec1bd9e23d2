"""Any JSON value in a column of any type, at random: held against what equal means for the type."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import cast

import attrs
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from integration.postgres_sink.conftest import Opened, OpenSink, Sql, make_types
from integration.postgres_sink.oracle import Refusal, is_equal, may_be_refused
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
        column = NAMES[type_]
        return self._ask(f"INSERT INTO pg_temp.expected ({column}) VALUES (%s) RETURNING {column}::text", text)

    def _ask(self, query: str, *values: object) -> str | Refusal:
        try:
            row = self.reader.execute(query.encode(), values).fetchone()
        except (UnicodeEncodeError, psycopg.Error) as error:  # psycopg itself refuses half a surrogate pair, and U+0000
            return Refusal(str(error))

        assert row
        return cast("str", row[0])


TYPES = [
    *("smallint", "int", "bigint", "positive", "oid", "xid8"),
    *("numeric", "numeric(38,18)", "numeric(10,2)", "numeric(3,-2)", "price", "money", "real", "double precision"),
    *("boolean", "text", "varchar(3)", "code", "char(3)", "name", '"char"', "bytea", "uuid", "mood"),
    *("date", "time", "timetz", "timestamp", "timestamptz", "interval", "daterange", "tsrange", "tstzrange"),
    *("inet", "cidr", "macaddr", "macaddr8", "bit(3)", "varbit(3)", "pg_lsn", "regtype"),
    *("int4range", "numrange", "int4multirange", "point", "box", "path", "polygon", "circle", "line", "pair"),
    *("tsvector", "tsquery", "jsonpath", "json", "jsonb", "document"),
    *("text[]", "int[]", "json[]", "jsonb[]", "document[]", "timestamptz[]", "timestamp[]", "bytea[]", "boolean[]"),
    *("numeric(10,2)[]", "varchar(3)[]", "uuid[]", "pair[]", "price[]", "code[]"),
]
COLUMNS = {f"c{n}": type_ for n, type_ in enumerate(TYPES)}
NAMES = {type_: name for name, type_ in COLUMNS.items()}


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
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9).map(str)
ZONES = st.integers(-15 * 60, 15 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(timezones=st.none() | ZONES).map(datetime.isoformat)
NUMERIC = [
    *(0, 1, -1, 1.5, 12.34, 1.005, 12300, 12345, 32767, 32768, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63)),
    *(10**17, 20260210, 1770724800, 1770724800.25, 1770724800123, 1770724800123456, 253402300799, 1e300, 1e-320),
    *("1", "-1", " 12 ", "+5", "0x1F", "1_000", "1e2", "1.005", "1.10", "NaN", "Infinity", "-Infinity", "१२", "1" * 50),
]
TEXTUAL = [
    *("true", "off", "t", "yes", "sad", "SAD", "101", "a", "ab ", "abc", "abc ", "a  ", "null", "NULL", "", " ", "\\N"),
    *("6f9619ff-8b86-d011-b42d-00cf4fc964ff", "{6f9619ff8b86d011b42d00cf4fc964ff}", "10.0.0.0/8", "10.0.0.1/8", "::1"),
    *(
        "08:00:2b:01:02:03",
        "112233445566",
        "aGk=",
        "aGk",
        "a-_=",
        "\\x6869",
        "\\x6",
        "\\x68 69",
        "\\101",
        "16/B374D848",
    ),
    *("(1,2)", "[1,5)", "[5,1)", "{1,2}", "{{1},{2}}", '{"a,b",NULL}', "[0:1]={1,2}", '{"abc "}', "{1.005}", "{aGk=}"),
    *("$.a", "{", "\\", "\\.", "a\tb\n", "b a", "a & b", "x" * 64, "int4", "\ufeff"),
]
TEMPORAL = [
    *(
        "2026-02-10",
        "2026-02-10T14:00:00+02:00",
        "2026-02-10 14:00:00.5Z",
        "2026-02-10t14:00:00z",
        "2026-02-10 12:00 PST",
    ),
    *(
        "2026-02-10T14:00:00.123456789Z",
        "2026-02-10 12:00  +02:00",
        "2026-02-10+02:00",
        "2026-02-10 12:00 UTC+2",
        "now",
    ),
    *("12:00", "12:00-05:30", "1400-02", "24:00:00", "today", "20260210", "1770721210", "20260210120000", "2026-02-30"),
    *("0044-03-15 BC", "9999-12-31T23:59:59.9999999Z", "10000-01-01", "0001-01-01T00:00:00Z", "infinity", "-infinity"),
    *("P1DT2H", "1 day -2:00", "PT0.5S", "-90", "[2026-01-01,2026-02-01)", "[2026-01-01T00:00:00+02:00,)", "[today,]"),
    *('{"2026-02-10T14:00:00+02:00"}', "{2026-02-10,now}"),
]
NESTED = [
    *([], [1, None], [[1, 2], [3, 4]], [[]], [[1], [2, 3]], ["a,b", 'q"', "\\"], ["2026-02-10", 0], ["abc ", "a"]),
    *([1.1, "1.10"], [1.005], ["aGk=", "\\x00"], [True, "f"], ["(1,a)", None], {}, {"a": ["\x00"]}, {"a": 1}),
]
LIKELY = st.sampled_from([True, False, *NUMERIC, *TEXTUAL, *TEMPORAL, *NESTED])
VALUES = (
    LIKELY
    | DECIMALS
    | MOMENTS
    | st.lists(LIKELY | MOMENTS, max_size=3)
    | st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    )
)


@given(type_=st.sampled_from(TYPES), values=st.lists(VALUES, min_size=1, max_size=6), ascii_only=st.booleans())
@example(
    type_="text",
    values=["\x00", "\ud800", "\\u0000", {"\x00": 1}, "null", None, "\\N", "", '"', "\x01"],
    ascii_only=False,
)
@example(type_="jsonb[]", values=[[{"\x7f": "ä"}], [{"\ud800": "ä"}]], ascii_only=False)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_value_reads_back_equal_or_is_rejected(
    anything: Anything, type_: str, values: list[object], ascii_only: bool
):
    """In a column of any of these types; with SQLSTATE and column, and only if PostgreSQL can't hold it; never another record."""
    texts = [dumped(value, ascii_only=ascii_only) for value in values]

    for value, text, stored in zip(values, texts, await anything.store(NAMES[type_], texts), strict=True):
        said = type_, text, stored

        if isinstance(stored, Refusal):
            assert re.search(r"\b[0-9A-Z]{5}\b", stored.reason), said
            assert may_be_refused(anything, type_, value, text), said
        elif value is None:
            assert stored is None, said
        else:
            assert is_equal(anything, type_, value, text, stored), said


def dumped(value: object, *, ascii_only: bool) -> str:
    text = json.dumps(value, ensure_ascii=ascii_only)
    return text if is_utf8(text) else json.dumps(value)  # half a surrogate pair can only be spelt as an escape


def is_utf8(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)
