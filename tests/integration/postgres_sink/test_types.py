"""What a JSON value becomes in a column of each type, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql, make_types
from streamhouse_connect import FatalError, RejectedRecords

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
        ("numeric(38,18)", b"NaN", "NaN"),
        ("numeric(38,18)", b"-0.000000000000000001", "-0.000000000000000001"),
        ("double precision", b"-Infinity", "-Infinity"),
        ("real", b"NaN", "NaN"),
        ("real", "Infinity", "Infinity"),
        ("real[]", b"[1.5,NaN,null]", "{1.5,NaN,NULL}"),
        ("boolean", "f", "false"),
        ("boolean", 0, "false"),
        ("char(3)", "a", "a"),
        ("varchar(3)", "abc  ", "abc"),
        ('"char"', "x", "x"),
        ("name", "x" * 63, "x" * 63),
        ("oid", 4294967295, "4294967295"),
        ("text", b'"\\ud83d\\ude00"', "\U0001f600"),
        ("json", b'"\\ud800"', '"\\ud800"'),
        ("json", b'{"a":"\\u0000"}', '{"a":"\\u0000"}'),
        ("date", 20494, "2026-02-10"),
        ("date", 20260210, "2026-02-10"),
        ("date", 1770767999999, "2026-02-10"),
        ("date", "9999-12-31", "9999-12-31"),
        ("date", "0044-03-15 BC", "0044-03-15 BC"),
        ("date", b"-Infinity", "-infinity"),
        ("date[]", [20494, "infinity"], "{2026-02-10,infinity}"),
        ("time", "01:00:00+02:00", "23:00:00"),
        ("timetz", "12:00:00+02", "12:00:00+02"),
        ("timestamp", "2026-02-10T14:00:00+02:00", "2026-02-10 12:00:00"),
        ("timestamp", "2026-02-10T23:00:00.1234567-05:00", "2026-02-11 04:00:00.123457"),
        ("timestamp", "9999-12-31T23:59:59.999999Z", "9999-12-31 23:59:59.999999"),
        ("timestamp", "294276-12-31T23:59:59", "294276-12-31 23:59:59"),
        ("timestamp", 253402300799999, "9999-12-31 23:59:59.999"),
        ("timestamp", -62135596801, "0001-12-31 23:59:59 BC"),
        ("timestamp", b"Infinity", "infinity"),
        ("timestamp[]", ["2026-02-10T14:00:00+02:00", 0], '{"2026-02-10 12:00:00","1970-01-01 00:00:00"}'),
        ("interval", 90, "00:01:30"),
        ("inet", "10.0.0.1/8", "10.0.0.1/8"),
        ("inet[]", ["::1", None], "{::1,NULL}"),
        ("macaddr", "08-00-2b-01-02-03", "08:00:2b:01:02:03"),
        ("money", "12.34", "$12.34"),
        ("bit(3)", 101, "101"),
        ("tsvector", "b a", "'a' 'b'"),
        ("pair", '(1,"a b")', '(1,"a b")'),
        ("document[]", ["1", {"a": 1}], '{"\\"1\\"","{\\"a\\": 1}"}'),
        ("digest[]", ["aGk="], '{"\\\\x6869"}'),
        ("positives", [1, 2], "{1,2}"),
        ("tsrange", "[2026-01-01,2026-02-01)", '["2026-01-01 00:00:00","2026-02-01 00:00:00")'),
        ("int4multirange", "{[1,3),[5,7)}", "{[1,3),[5,7)}"),
        ("box", "(1,1),(0,0)", "(1,1),(0,0)"),
        ("path", "[(0,0),(1,1)]", "[(0,0),(1,1)]"),
        ("polygon", "((0,0),(1,1),(2,0))", "((0,0),(1,1),(2,0))"),
        ("circle", "<(0,0),1>", "<(0,0),1>"),
        ("line", "{1,2,3}", "{1,2,3}"),
        ("bytea[]", ["aGk=", "\\x00"], '{"\\\\x6869","\\\\x00"}'),
    ],
)
async def test_a_value_is_stored_exactly(sql: Sql, open_sink: OpenSink, type_: str, value: Any, text: str):
    """As PostgreSQL shows it; a number's digits as they were spelt (here: bytes are the JSON itself)."""
    make_types(sql)
    sql.run(f"CREATE TABLE orders (id int PRIMARY KEY, v {type_})")
    for n, mode in enumerate(("insert", "upsert")):
        sink = await open_sink(mode=mode)
        await sink.write(b'{"id":%d,"v":%b}' % (n, spelt(value)))

    assert sql.run("SELECT v::text FROM orders") == [(text,)] * 2


def spelt(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


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
        ("text", "a\x00secret", "22P05"),
        ("bytea", "secret!", "22023"),
        ("bytea", "\\xsecret", "22023"),
        ("int", b"NaN", "22P02"),
        ("numeric(5,2)", b"Infinity", "22003"),
        ("double precision", 10**400, "22003"),
        ("jsonb", b"[-Infinity]", "22P02"),
        ("jsonb", b'{"a":"secret\\udc00"}', "22P02"),
        ("json", b"NaN", "22P02"),
        ("timestamptz", b"NaN", "22007"),
        ("text", b'"secret\\ud800"', "22021"),
        ("oid", -1, "22003"),
        ("name", "secret" * 11, "22001"),
        ('"char"', "secret", "22001"),
        ("time", 43200, "22007"),
        ("timestamp", "2026-02-10 12:00 secret/secret", "22009"),
        ("timestamptz", 10**18, "22008"),
        ("timestamptz", "294277-01-01T00:00:00Z", "22008"),
        ("date", 10**17, "22008"),
        ("date", [[1], [2, 3]], "22007"),
        ("timestamptz", [1, 2, 2003], "22007"),
        ("interval", [1], "22007"),
        ("int[]", [[]], "2202E"),
        ("int[]", [[1], [2, 3]], "22P02"),
        ("positives", [-1], "23514"),
        ("digest[]", ["secret!"], "22023"),
        ("positive NOT NULL DEFAULT 1", None, "23502"),
        ("tsquery", "secret secret", "42601"),
        ("jsonpath", "$$$", "42601"),
        ("regclass", "secret", "42P01"),
        ("regtype", "secret", "42704"),
        ("regproc", "secret", "42883"),
        ("int4range", "[5,1)", "22000"),
        ("bit(3)", "1010", "22026"),
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
        await sink.write({"id": 1}, b'{"id":2,"v":%b}' % spelt(value), {"id": 3})

    ((index, reason),) = caught.value.reasons.items()
    assert index == 1
    assert state in reason
    assert '"v"' in reason
    assert "secret" not in reason
    assert sql.run("SELECT * FROM orders") == []


@pytest.mark.parametrize("seconds", [-125_000_000_000, -62_135_596_801, 0, 253_402_300_799, 253_402_300_800, 10**12])
async def test_an_epoch_with_a_unit_is_what_postgresql_makes_of_it(sql: Sql, open_sink: OpenSink, seconds: int):
    """Far before the year 1, and far behind the year 9999."""
    sql.run("CREATE TABLE orders (id int, at timestamptz, t timestamp, d date)")
    sink = await open_sink(mode="insert", timestamps_unit="s")
    await sink.write({"id": 1, "at": seconds, "t": seconds, "d": seconds})
    query = (
        "SELECT at = to_timestamp({0}), t = to_timestamp({0}) AT TIME ZONE 'UTC',"
        " d = (to_timestamp({0}) AT TIME ZONE 'UTC')::date FROM orders"
    )
    assert sql.run(query.format(seconds)) == [(True, True, True)]


async def test_null_characters_are_stripped_if_that_is_asked_for(sql: Sql, open_sink: OpenSink):
    """Where they can't be held."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, t text, b jsonb, j json, a text[])")
    sink = await open_sink(null_characters="strip")
    value = "a\x00b"
    await sink.write({"id": 1, "t": value, "b": {value: [value]}, "j": value, "a": [value]})
    assert sql.run("SELECT t, b, j::text, a FROM orders") == [("ab", {"ab": ["ab"]}, '"a\\u0000b"', ["ab"])]


async def test_null_characters_make_the_connector_fail_if_that_is_asked_for(sql: Sql, open_sink: OpenSink):
    """Nothing is written."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, b jsonb)")
    sink = await open_sink(null_characters="fail")

    with pytest.raises(FatalError, match=r"null\.characters"):
        await sink.write({"id": 1}, {"id": 2, "b": "a\x00"})

    assert sql.run("SELECT * FROM orders") == []
