"""What a server, a database or a role prefers, and what others leave behind in a pooler's sessions, changes nothing of what is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import psycopg
import pytest
from psycopg import sql as text

from integration.postgres_sink.conftest import OpenSink, Sql
from integration.postgres_sink.pooler import Pooler
from streamhouse_connect import RetriableError

PREFERRED: Final = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Tokyo",
    "timezone_abbreviations": "India",
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "array_nulls": "off",
    "xmloption": "document",
    "standard_conforming_strings": "off",
    "extra_float_digits": "-15",
    "quote_all_identifiers": "on",
    "synchronous_commit": "off",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "1s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "1s",
}
"""By somebody who did not think of us."""

IN_FORCE: Final = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "timezone_abbreviations": "Default",
    "client_encoding": "UTF8",
    "array_nulls": "on",
    "xmloption": "content",
    "synchronous_commit": "on",
    "transaction_isolation": "read committed",
    "statement_timeout": "1min",
    "lock_timeout": "1min",
    "idle_in_transaction_session_timeout": "1min",
}

TABLE: Final = """
CREATE TABLE orders (id int PRIMARY KEY, d date, t timestamptz, i interval, words text[], b bytea, f float8, x text);
CREATE TABLE seen (name text PRIMARY KEY, setting text);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO seen SELECT name, current_setting(name) FROM unnest(string_to_array(TG_ARGV[0], ' ')) AS name
  ON CONFLICT (name) DO UPDATE SET setting = EXCLUDED.setting;
  RETURN NULL;
END $$;
"""
ORDER: Final = {
    "d": "01/02/2026",
    "t": "2026-01-01 00:00:00 IST",
    "i": "-1 day 02:03:04",
    "words": ["NULL", None, 'a"b\\'],
    "b": "3q2+7w==",
    "f": 0.1234567890123456,
    "x": "ü€日本\\",
}
WRITTEN: Final = """
SELECT d::text, t = '2026-01-01 00:00 +02', extract(epoch FROM i)::int, words, b, f, x FROM orders
WHERE id = %s
"""
EXPECTED: Final = (
    "2026-01-02",
    True,
    -86400 + 2 * 3600 + 3 * 60 + 4,
    ["NULL", None, 'a"b\\'],
    b"\xde\xad\xbe\xef",
    0.1234567890123456,
    "ü€日本\\",
)


@pytest.fixture
def orders(sql: Sql) -> None:
    """A table that notes the settings of who writes to it."""
    names = " ".join(IN_FORCE)
    sql.run(TABLE + f"CREATE TRIGGER look AFTER INSERT ON orders EXECUTE FUNCTION look('{names}')")


@pytest.fixture
async def leaking(sql: Sql) -> AsyncIterator[Pooler]:
    """A pooler in whose sessions others leave what they have set."""
    pooler = Pooler(sql.url)
    await pooler.start()
    yield pooler
    await pooler.close()


def prefer(sql: Sql, settings: Mapping[str, str]) -> None:
    """Make them the database's."""
    database = text.Identifier("postgres_sink")

    with psycopg.connect(sql.server.url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(
                text.SQL("ALTER DATABASE {} SET {} = {}").format(database, text.Identifier(name), text.Literal(value))
            )


async def leave(pooler: Pooler, settings: Mapping[str, str]) -> None:
    """Set them in each session of a pooler."""
    async with await psycopg.AsyncConnection.connect(pooler.url, autocommit=True, prepare_threshold=None) as connection:
        for _ in range(pooler.size):
            await connection.execute(
                "; ".join(f"SET \"{name}\" = '{value}'" for name, value in settings.items()).encode()
            )


@pytest.mark.parametrize("mode", ["insert", "upsert"])
async def test_what_the_database_prefers_changes_nothing(sql: Sql, open_sink: OpenSink, orders: None, mode: str):
    """Neither what texts mean, nor what a transaction sees, nor how long it may take, nor that it is on disk."""
    prefer(sql, PREFERRED)
    sink = await open_sink(mode=mode, uid="u\\'")
    await sink.write({"id": 1, **ORDER})
    sql.run("ALTER DATABASE postgres_sink RESET ALL")  # who looks at it has no preferences
    assert sql.run(WRITTEN, 1) == [EXPECTED]
    assert dict(sql.run("SELECT * FROM seen")) == IN_FORCE


@pytest.mark.parametrize("offsets", ["target", "broker"])
@pytest.mark.parametrize("mode", ["insert", "upsert"])
@pytest.mark.usefixtures("orders")
async def test_what_others_have_set_in_a_poolers_sessions_changes_nothing(
    sql: Sql, open_sink: OpenSink, leaking: Pooler, mode: str, offsets: str
):
    """Before we come, and between our transactions, in each of which it is set again."""
    await leave(leaking, PREFERRED)
    sink = await open_sink(url=leaking.url, mode=mode, offsets=offsets, uid="u\\'")

    for id_ in range(5):
        await sink.write({"id": id_, **ORDER})
        assert sql.run(WRITTEN, id_) == [EXPECTED]
        assert dict(sql.run("SELECT * FROM seen")) == IN_FORCE
        await leave(leaking, PREFERRED)


async def test_where_names_are_looked_for_may_change_behind_a_pooler(sql: Sql, open_sink: OpenSink, leaking: Pooler):
    """What the table and the table of offsets are is found out once, with their schemas."""
    sql.run(
        "CREATE TABLE orders (id int PRIMARY KEY); CREATE SCHEMA other; CREATE TABLE other.orders (id int PRIMARY KEY)"
    )
    sink = await open_sink(url=leaking.url)
    await leave(leaking, {"search_path": "other"})
    await sink.write({"id": 1})
    assert sql.run("SELECT * FROM public.orders") == [(1,)]
    assert sql.run("SELECT next_offset FROM public.streamhouse_offsets") == [(1,)]


@pytest.mark.parametrize("name", ["idle_session_timeout", "transaction_timeout"])
async def test_a_session_that_waits_for_records_is_not_ended(sql: Sql, open_sink: OpenSink, name: str):
    """Nor one whose transaction takes longer than others should."""
    if not sql.run("SELECT 1 FROM pg_settings WHERE name = %s", name):
        pytest.skip(f"PostgreSQL {sql.server.major} has no {name}")

    sql.run(
        "CREATE TABLE orders (id int PRIMARY KEY);"
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END';"
        "CREATE TRIGGER dawdle AFTER INSERT ON orders EXECUTE FUNCTION dawdle()"
    )
    prefer(sql, {name: "200ms"})
    sink = await open_sink()
    await sink.write({"id": 1})
    await asyncio.sleep(0.4)
    await sink.write({"id": 2})
    assert sql.run("SELECT count(*) FROM orders") == [(2,)]


async def test_a_database_that_was_made_read_only_is_waited_for(sql: Sql, open_sink: OpenSink):
    """Whoever did so moves it, perhaps: what is written there meanwhile would be lost. Nothing is, once it is over."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink()
    await sink.write({"id": 1})
    prefer(sql, {"default_transaction_read_only": "on"})
    end_sessions(sql)

    for _ in range(2):
        with pytest.raises(RetriableError):
            await sink.write({"id": 2})

    with pytest.raises(RetriableError, match=r"25006.*default_transaction_read_only has to be off"):
        await sink.write({"id": 2})

    prefer(sql, {"default_transaction_read_only": "off"})
    await sink.write({"id": 2})
    assert sql.run("SELECT count(*) FROM orders") == [(2,)]


def end_sessions(sql: Sql) -> None:
    """End those of sinks."""
    sql.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'streamhouse%%' AND %s",
        True,
    )


async def test_settings_cost_no_round_trip(open_sink: OpenSink, leaking: Pooler, orders: None):
    """They come with the beginning of a transaction, and that with the move of its offsets; then COPY, and COMMIT."""
    sink = await open_sink(url=leaking.url, mode="insert")
    before = leaking.answers
    await sink.write({"id": 1})
    await sink.sink.close()
    assert leaking.answers - before == len(("BEGIN", "COPY", "COMMIT"))
