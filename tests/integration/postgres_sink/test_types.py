"""What a JSON value becomes in a column of each type, and back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from integration.postgres_sink.conftest import Opened, OpenSink, Sql
from streamhouse_connect import RejectedRecords

NOON = datetime(2026, 2, 10, 12, 0, tzinfo=UTC)
DIGITS = "12345678901234567890.123456789012345678"


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        ("smallint", -32768, "-32768"),
        ("bigint", 9223372036854775807, "9223372036854775807"),
        ("int", "17", "17"),
        ("numeric(38,18)", DIGITS.encode(), DIGITS),
        ("numeric(38,18)", DIGITS, DIGITS),
        ("numeric", b"1.10", "1.10"),
        ("numeric", b"1e400", "1" + "0" * 400),
        ("double precision", 0.1, "0.1"),
        ("double precision", "NaN", "NaN"),
        ("real", 1.5, "1.5"),
        ("boolean", True, "true"),
        ("boolean", "true", "true"),
        ("boolean", 1, "true"),
        ("text", "a\tb\nc\\d\"e'\r\x01", "a\tb\nc\\d\"e'\r\x01"),
        ("text", "", ""),
        ("text", "null", "null"),
        ("text", "\\N", "\\N"),
        ("text", "\\.", "\\."),
        ("text", 1.5, "1.5"),
        ("text", True, "true"),
        ("text", {"a": ["x\n"]}, '{"a": ["x\\n"]}'),
        ("varchar(3)", "äöü", "äöü"),
        ("bytea", "aGk=", "\\x6869"),
        ("bytea", "\\x6869", "\\x6869"),
        ("uuid", "6F9619FF-8B86-D011-B42D-00CF4FC964FF", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        ("date", "2026-02-10", "2026-02-10"),
        ("time", "12:34:56.789", "12:34:56.789"),
        ("timestamp", "2026-02-10T12:00:00", "2026-02-10 12:00:00"),
        ("timestamp", 1770724800000, "2026-02-10 12:00:00"),
        ("timestamp", "infinity", "infinity"),
        ("interval", "P1DT2H", "1 day 02:00:00"),
        ("cidr", "10.0.0.0/8", "10.0.0.0/8"),
        ("mood", "sad", "sad"),
        ("positive", 5, "5"),
        ("document", "text", '"text"'),
        ("json", "text", '"text"'),
        ("json", b'{"b" :\n1,"a":1.10}', '{"b" :\n1,"a":1.10}'),
        ("jsonb", {"b": [1, "x", None]}, '{"b": [1, "x", null]}'),
        ("jsonb", b"1.10", "1.10"),
        ("jsonb", 'a"b\\', '"a\\"b\\\\"'),
        ("int[]", [1, None, 3], "{1,NULL,3}"),
        ("int[]", [[1, 2], [3, 4]], "{{1,2},{3,4}}"),
        ("int[]", "{1,2}", "{1,2}"),
        ("text[]", ["a,b", "", "NULL", 'q"\\'], '{"a,b","","NULL","q\\"\\\\"}'),
        ("jsonb[]", [{"a": 1}, [1], "x", None], '{"{\\"a\\": 1}",[1],"\\"x\\"",NULL}'),
        ("mood[]", ["sad", "happy"], "{sad,happy}"),
        ("box[]", ["(1,1),(0,0)", "(2,2),(0,0)"], "{(1,1),(0,0);(2,2),(0,0)}"),
        ("int4range", "[1,5)", "[1,5)"),
        ("point", "(1,2)", "(1,2)"),
    ],
)
async def test_a_value_is_stored_exactly(sql: Sql, open_sink: OpenSink, type_: str, value: Any, text: str):
    """As PostgreSQL shows it; a number's digits as they were spelt (here: bytes are the JSON itself)."""
    make_types(sql)
    sql.run(f"CREATE TABLE orders (id int PRIMARY KEY, v {type_})")
    spelt = value if isinstance(value, bytes) else json.dumps(value).encode()

    for n, mode in enumerate(("insert", "upsert")):
        sink = await open_sink(mode=mode)
        await sink.write(b'{"id":%d,"v":%b}' % (n, spelt))

    assert sql.run("SELECT v::text FROM orders") == [(text,)] * 2


def make_types(sql: Sql) -> None:
    sql.run("CREATE TYPE mood AS ENUM ('sad', 'happy')")
    sql.run("CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
    sql.run("CREATE DOMAIN document AS jsonb")


@pytest.mark.parametrize(
    "spelling",
    [
        "2026-02-10T14:00:00+02:00",
        "2026-02-10T12:00:00Z",
        "2026-02-10T12:00:00",
        "2026-02-10 03:00:00-09",
        1770724800,
        1770724800000,
        1770724800000000,
    ],
)
async def test_a_timestamp_keeps_its_instant(sql: Sql, open_sink: OpenSink, spelling: object):
    """With an offset, as an epoch, or in UTC if it says nothing, whatever the zone of the server and of the reader."""
    sql.run(f"ALTER DATABASE {sql.url.rpartition('/')[2]} SET TimeZone = 'America/New_York'")
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, at timestamptz)")
    sink = await open_sink()
    await sink.write({"id": 1, "at": spelling})
    assert sql.run("SELECT at FROM orders") == [(NOON,)]


@pytest.mark.parametrize(
    ("type_", "value", "state"),
    [
        ("smallint", 32768, "22003"),
        ("bigint", 2**63, "22003"),
        ("int", 1.5, "22P02"),
        ("int", "secret", "22P02"),
        ("int", True, "22P02"),
        ("int", {"a": 1}, "22P02"),
        ("numeric(4,2)", 123.45, "22003"),
        ("real", 1e300, "22003"),
        ("boolean", "secret", "22P02"),
        ("boolean", 2, "22P02"),
        ("varchar(3)", "secret", "22001"),
        ("uuid", "secret", "22P02"),
        ("date", "2026-02-30", "22008"),
        ("timestamptz", "secret", "22007"),
        ("mood", "secret", "22P02"),
        ("positive", -1, "23514"),
        ("jsonb", "a\x00", "22P05"),
        ("int[]", [1, "secret"], "22P02"),
        ("int[]", 17, "22P02"),
        ("int NOT NULL DEFAULT 1", None, "23502"),
        ("text", "a\x00secret", "u0000"),
        ("bytea", "secret!", "base64"),
        ("bytea", "\\xsecret", "22023"),
    ],
)
async def test_what_a_column_cannot_hold_is_rejected(
    sql: Sql, open_sink: OpenSink, type_: str, value: object, state: str
):
    """At its index, with the SQLSTATE and the column, without the value; and nothing of the batch is written."""
    make_types(sql)
    sql.run(f"CREATE TABLE orders (id int PRIMARY KEY, v {type_})")
    sink = await open_sink(mode="insert")

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({"id": 1}, {"id": 2, "v": value}, {"id": 3})

    ((index, reason),) = caught.value.reasons.items()
    assert index == 1
    assert state in reason
    assert '"v"' in reason
    assert "secret" not in reason
    assert sql.run("SELECT * FROM orders") == []


@attrs.define
class Anything:
    """A table with a column of each of some types, its sink, and somebody who reads it."""

    sink: Opened
    reader: psycopg.Connection
    next_id: int = 0

    async def store(self, column: str, values: list[object], *, ascii_only: bool) -> list[tuple[object, Any]]:
        """Write the values into the column; return those that were not rejected, each with what is stored."""
        left = {self.next_id + n: value for n, value in enumerate(values)}
        self.next_id += len(values)

        while left:
            try:
                await self.sink.write(*(encoded(n, column, value, ascii_only=ascii_only) for n, value in left.items()))
            except RejectedRecords as error:
                left = {n: value for at, (n, value) in enumerate(left.items()) if at not in error.reasons}
            else:
                break

        query = f"SELECT id, {column}{'::text' if column in ('j', 'js') else ''} FROM orders".encode()
        stored: dict[int, Any] = dict(self.reader.execute(query).fetchall())
        self.reader.execute("DELETE FROM orders")
        assert stored.keys() == left.keys()
        return [(value, stored[n]) for n, value in left.items()]


@pytest.fixture
async def anything(sql: Sql, open_sink: OpenSink) -> AsyncIterator[Anything]:
    sql.run("CREATE TABLE orders (id int, j jsonb, js json, t text, b bigint, n numeric, d double precision, a text[])")

    with psycopg.connect(sql.url, autocommit=True) as reader:
        yield Anything(await open_sink(mode="insert"), reader)


TEXT = st.text(max_size=10)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(values=st.lists(VALUES, min_size=1, max_size=8), ascii_only=st.booleans())
@example(values=["\x00", "\ud800", "\\u0000", {"\x00": 1}], ascii_only=True)
@example(values=["null", None, "\\N", "", '"', "\x01", "\x01\x01"], ascii_only=False)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_value_reads_back_equal_or_is_rejected(anything: Anything, values: list[object], ascii_only: bool):
    """In a column of any of these types: never changed, never lost without a word."""
    for column in ("j", "js", "t", "b", "n", "d", "a"):
        for value, stored in await anything.store(column, values, ascii_only=ascii_only):
            assert is_same(column, value, stored), (column, value, stored)


def encoded(n: int, column: str, value: object, *, ascii_only: bool) -> bytes:
    record = {"id": n, column: value}

    try:
        return json.dumps(record, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:  # half a surrogate pair can only be spelt as an escape
        return json.dumps(record).encode()


def is_same(column: str, value: Any, stored: Any) -> bool:
    if value is None or stored is None:
        return value is stored

    match column:
        case "j" | "js":
            return exactly(stored) == exactly(json.dumps(value))
        case "t":
            return is_text_of(stored, value)
        case "b" | "n":
            return Decimal(stored) == Decimal(str(value))
        case "d":
            return bool(stored == float(value))
        case _ if isinstance(value, list):
            return len(flat(stored)) == len(flat(value)) and all(map(is_text_of, flat(stored), flat(value)))
        case _:
            return isinstance(value, str)  # PostgreSQL's own literal, such as {}


def exactly(text: str) -> object:
    """Read JSON with every digit of its numbers."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def flat(value: list[Any]) -> list[Any]:
    return [leaf for element in value for leaf in (flat(element) if isinstance(element, list) else [element])]


def is_text_of(text: str | None, value: object) -> bool:
    if isinstance(value, str) or value is None or text is None:
        return text == value

    return exactly(text) == exactly(json.dumps(value))
