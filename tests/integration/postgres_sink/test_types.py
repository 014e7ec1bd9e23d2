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
        ("char(3)", "abc  ", "abc"),
        ("varchar(3)", "a  ", "a  "),
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
        ("bytea", "\\x68 69", "\\x6869"),
        ("bytea", "", "\\x"),
        ("smallint", " 12 ", "12"),
        ("int", "-0", "0"),
        ("int", "0x1F", "31"),
        ("bigint", "1_000", "1000"),
        ("numeric", "9" * 10_000 + "." + "9" * 10_000, "9" * 10_000 + "." + "9" * 10_000),
        ("numeric", b"-0", "0"),
        ("numeric", b"Infinity", "Infinity"),
        ("numeric(10,2)", b"1.1000", "1.10"),
        ("numeric(10,2)", b"11e-1", "1.10"),
        ("numeric(10,2)", b"1.5e3", "1500.00"),
        ("numeric(3,-2)", 12300, "12300"),
        ("numeric(3,5)", b"0.00123", "0.00123"),
        ("numeric(10,2)[]", b'[1.1,"2.20",null]', "{1.10,2.20,NULL}"),
        ("numeric(10,2)[]", "{1.1,2}", "{1.10,2.00}"),
        ("amount", b"1.10", "1.10"),
        ("amount[]", b"[1.10]", "{1.10}"),
        ("small", 99, "99"),
        ("code", "abc", "abc"),
        ("real", 0.1, "0.1"),
        ("real", b"0.10000000149011612", "0.1"),
        ("double precision", 2**53 + 1, "9.007199254740992e+15"),
        ("double precision", b"-0.0", "-0"),
        ("boolean", "yes", "true"),
        ("uuid", "{6f9619ff8b86d011b42d00cf4fc964ff}", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        ("text", "\ufeff\u2028\u0085", "\ufeff\u2028\u0085"),
        ("text[]", ["\\N", "\\.", "{}", "a\tb\r\n"], '{"\\\\N","\\\\.","{}","a\tb\r\n"}'),
        ("text[]", [], "{}"),
        ("text[]", [[["a"]]], "{{{a}}}"),
        ("pair[]", ['(1,"a b")', None], '{"(1,\\"a b\\")",NULL}'),
        ("json[]", b'[{"b" : 1},[1, 2],null]', '{"{\\"b\\" : 1}","[1, 2]",NULL}'),
        ("json", b'{"a":1,"a":2}', '{"a":1,"a":2}'),
        ("json", b"1E400", "1E400"),
        ("json", b"-0.0", "-0.0"),
        ("json", b'{"\\ud800":{"\\u0000":1}}', '{"\\ud800":{"\\u0000":1}}'),
        ("jsonb", b'{"b":1,"a":2,"b":3}', '{"a": 2, "b": 3}'),
        ("jsonb", b"12345678901234567890123.10", "12345678901234567890123.10"),
        ("jsonb", "null", '"null"'),
        ("date", "+002026-02-10", "2026-02-10"),
        ("date", "-0043-03-15", "0044-03-15 BC"),
        ("date", "2026-041", "2026-02-10"),
        ("date", "5874897-12-31", "5874897-12-31"),
        ("time", "24:00:00", "24:00:00"),
        ("time", "1400-02", "16:00:00"),
        ("time", "23:59:59.9999999", "23:59:59.999999"),
        ("timestamp", "2026-02-10t14:00:00z", "2026-02-10 14:00:00"),
        ("timestamp", "20260210 140000+02", "2026-02-10 12:00:00"),
        ("timestamp", "9999-12-31T23:59:59.9999999", "9999-12-31 23:59:59.999999"),
        ("timestamp(0)", "9999-12-31T23:59:59.9", "9999-12-31 23:59:59"),
        ("timestamp", b"253402300799.9999999", "9999-12-31 23:59:59.999999"),
        ("timestamp", "2016-12-31T23:59:60Z", "2017-01-01 00:00:00"),
        ("timestamp", "-000043-03-15T00:00:00.000Z", "0044-03-15 00:00:00 BC"),
        ("timestamp", "4713-01-01 00:00:00 BC", "4713-01-01 00:00:00 BC"),
        ("timestamp", b"-1.5", "1969-12-31 23:59:58.5"),
        ("timestamp[]", '{"2026-02-10 14:00:00",NULL}', '{"2026-02-10 14:00:00",NULL}'),
        ("interval", b"1.5e3", "00:25:00"),
        ("interval", -90, "-00:01:30"),
        ("interval", "-1 2:03:04", "-1 days +02:03:04"),
        ("interval", "P1Y2M3DT4H5M6.789S", "1 year 2 mons 3 days 04:05:06.789"),
        ("tsrange", "[2026-01-01T00:00:00Z,infinity]", '["2026-01-01 00:00:00",infinity]'),
        ("tstzmultirange", "{}", "{}"),
        ("daterange", "[2026-01-01,2026-01-31]", "[2026-01-01,2026-02-01)"),
        ("numrange", "(,1.5]", "(,1.5]"),
        ("varbit(3)", "10", "10"),
        ("pg_lsn", "16/B374D848", "16/B374D848"),
        ("xid8", "18446744073709551615", "18446744073709551615"),
        ("money", b"-12.34", "-$12.34"),
        ("regclass", "pg_class", "pg_class"),
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
        ("varbit(3)", "1010", "22001"),
        ("int", b"1e5", "22P02"),
        ("int", "१२", "22P02"),
        ("int", b"2147483648", "22003"),
        ("int", "0xFFFFFFFF", "22003"),
        ("numeric", "१२", "22P02"),
        ("numeric", b"1e131072", "22003"),
        ("numeric(10,2)", b"1.005", "22003"),
        ("numeric(10,2)", "1.005", "22003"),
        ("numeric(10,2)", b"1e-3", "22003"),
        ("numeric(38,18)", b"0.1234567890123456789", "22003"),
        ("numeric(38,18)", b"1e20", "22003"),
        ("numeric(3,-2)", 12345, "22003"),
        ("numeric(10,2)[]", b"[1.10,1.005]", "22003"),
        ("numeric(10,2)[]", "{1.005}", "22003"),
        ("amount", b"1.005", "22003"),
        ("amount[]", b"[1.005]", "22003"),
        ("amount", b"-1", "23514"),
        ("money", b"12.345", "22003"),
        ("small DEFAULT 1", 100, "23514"),
        ("small DEFAULT 1", 0, "23514"),
        ("small DEFAULT 1", None, "23502"),
        ("varchar(3)", "abc  ", "22001"),
        ("code", "abc ", "22001"),
        ("code[]", ["abc "], "22001"),
        ("varchar(3)[]", '{"abc "}', "22001"),
        ("real", b"1e-46", "22003"),
        ("double precision", b"1e-400", "22003"),
        ("boolean", b"1.0", "22P02"),
        ("boolean", "2", "22P02"),
        ("uuid", "6f9619ff-8b86-d011-b42d", "22P02"),
        ("cidr", "10.0.0.1/8", "22P02"),
        ("cidr", 10, "22P02"),
        ("inet", "10.0.0.256", "22P02"),
        ("macaddr", 112233445566, "22P02"),
        ("mood", "SAD", "22P02"),
        ("bytea", "\\x686", "22023"),
        ("bytea", "aGk", "22023"),
        ("bytea", "a_k=", "22023"),
        ("bytea", "a G k=", "22023"),
        ("bytea[]", "{aGk=}", "22P02"),
        ("name[]", "{" + "secret" * 11 + "}", "22001"),
        ("oid[]", "{-1}", "22003"),
        ("tid", "(-1,0)", "22003"),
        ("jsonb", b'{"\\ud800":1}', "22P02"),
        ("jsonb", b'{"a":{"\\u0000":1}}', "22P05"),
        ("jsonb", b"1e200000", "22003"),
        ("json", b"[NaN]", "22P02"),
        ("pair", {"a": 1}, "22P02"),
        ("timestamptz", "now", "22007"),
        ("date", "today", "22007"),
        ("timestamptz[]", "{tomorrow}", "22007"),
        ("timestamptz", "1770721210", "22007"),
        ("date", "1770721210", "22007"),
        ("timestamptz", "20260210120000", "22007"),
        ("timestamptz", "2026-02-10 12:00 UTC+2", "22009"),
        ("timestamptz", "Tue Feb 10 2026 14:00:00 GMT+0200", "22009"),
        ("timestamptz", "2026-02-10T14:00:00+16", "22009"),
        ("timestamptz", "2026-02-10T14:00:00+02:00[Europe/Berlin]", "22007"),
        ("timestamptz", "2026-W07-2", "22007"),
        ("timestamptz", "0000-01-01", "22008"),
        ("timestamptz", "4714-01-01 BC", "22008"),
        ("timestamp", "2026-02-10 12:00  PST", "22009"),
        ("timestamp", "PST 2026-02-10 12:00", "22009"),
        ("timestamp", "2026-02-10+02:00", "22009"),
        ("timestamp[]", '{"2026-02-10T14:00:00+02:00"}', "22P02"),
        ("tsrange", "[2026-01-01T00:00:00+02:00,)", "22P02"),
        ("daterange", "[today,tomorrow)", "22007"),
        ("interval", "1.02:03:04", "22007"),
        ("interval", b"1e300", "22008"),
        ("interval day", 90, "22007"),
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


async def test_a_type_of_an_extension_reads_its_own_text(sql: Sql, open_sink: OpenSink):
    """Here that of a vector is a list of JSON; what it refuses rejects the record."""
    sql.run("CREATE EXTENSION vector")
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, v vector(2))")
    sink = await open_sink()
    await sink.write({"id": 1, "v": [1, 2.5]}, {"id": 2, "v": "[3,4]"})
    assert sql.run("SELECT v::text FROM orders ORDER BY id") == [("[1,2.5]",), ("[3,4]",)]

    with pytest.raises(RejectedRecords, match=r'22000 .*column "v" of type vector\(2\)'):
        await sink.write({"id": 3, "v": [1, 2, 3]})


async def test_digits_beyond_the_scale_are_rounded_if_that_is_asked_for(sql: Sql, open_sink: OpenSink):
    """By PostgreSQL, away from zero."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, v numeric(10,2), a numeric(10,2)[])")
    sink = await open_sink(numeric_rounding="round")
    await sink.write(b'{"id":1,"v":1.005,"a":[-1.005,"1e-3"]}')
    assert sql.run("SELECT v::text, a::text FROM orders") == [("1.01", "{-1.01,0.00}")]


async def test_a_text_of_digits_is_an_epoch_if_the_unit_is_given(sql: Sql, open_sink: OpenSink):
    """Then nobody has to guess."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, at timestamptz, d date)")
    sink = await open_sink(timestamps_unit="ms")
    await sink.write({"id": 1, "at": "1770724800000", "d": "1770724800000"})
    assert sql.run("SELECT at, d::text FROM orders") == [(NOON, "2026-02-10")]


async def test_values_are_read_alike_whatever_the_servers_settings(sql: Sql, open_sink: OpenSink):
    """Time zone, sign of intervals, and the NULL of arrays."""
    for setting in ("TimeZone = 'America/New_York'", "IntervalStyle = 'sql_standard'", "array_nulls = off"):
        sql.run(f"ALTER DATABASE {sql.url.rpartition('/')[2]} SET {setting}")

    sql.run("CREATE TABLE orders (id int PRIMARY KEY, at timestamptz, i interval, a text[])")
    sink = await open_sink()
    await sink.write({"id": 1, "at": "2026-02-10T12:00:00", "i": "-1 2:03:04", "a": ["NULL", None]})
    found = sql.run("SELECT at, extract(hours FROM i)::int, a[1], a[2] FROM orders")
    assert found == [(NOON, 2, "NULL", None)]


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
