"""Somebody changes a table while it is written to: records are read by what it is, not by what it was."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from integration.postgres_sink.pooler import Pooler
from integration.postgres_sink.proxy import Proxy
from streamhouse_connect import RejectedRecords

MODES = pytest.mark.parametrize("mode", ["insert", "upsert"])
CHANGES = pytest.mark.parametrize(
    ("types", "texts"),
    [
        (("numeric(10,1)", "numeric(10,4)"), (1.2345, "1.2345")),
        (("timestamp(0)", "timestamp(6)"), ("2026-01-01T00:00:00.123456", "2026-01-01 00:00:00.123456")),
        (("real", "double precision"), (0.1234567890123, "0.1234567890123")),
        (("int", "bigint"), (1 << 40, str(1 << 40))),
        (("varchar(3)", "text"), ("abcdef", "abcdef")),
        (("text", "bytea"), ("3q2+7w==", "\\xdeadbeef")),
        (("json", "jsonb"), ({"b": 1, "a": 2}, '{"a": 2, "b": 1}')),
    ],
)


@MODES
@CHANGES
async def test_a_column_of_another_type_is_met_at_once(
    sql: Sql, open_sink: OpenSink, mode: str, types: tuple[str, str], texts: tuple[object, str]
):
    """No record is refused, rounded or misread for what the column was when the connection was made."""
    before, after = types
    value, written = texts
    sql.run(f"CREATE TABLE orders (id int PRIMARY KEY, a {before})")
    sink = await open_sink(mode=mode)
    await sink.write({"id": 1, "a": None})
    sql.run(f"ALTER TABLE orders ALTER a TYPE {after} USING NULL")
    await sink.write({"id": 2, "a": value})
    assert sql.run("SELECT a::text FROM orders WHERE id = 2") == [(written,)]


@MODES
async def test_so_is_one_that_changes_during_a_write(sql: Sql, open_sink: OpenSink, mode: str):
    """Which waits for whoever changes it, or the other way round."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a real)")
    sink = await open_sink(mode=mode)

    with psycopg.connect(sql.url) as other:
        other.execute("ALTER TABLE orders ALTER a TYPE double precision")
        write = asyncio.create_task(sink.write({"id": 1, "a": 1.23456789}))
        await waiting(sql)

    await write
    assert sql.run("SELECT a::text FROM orders") == [("1.23456789",)]


@MODES
async def test_no_record_is_refused_for_what_a_column_is_about_to_be_no_more(sql: Sql, open_sink: OpenSink, mode: str):
    """Before it is, whoever changes the table is waited for."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a numeric(10,1))")
    sink = await open_sink(mode=mode)

    with psycopg.connect(sql.url) as other:
        other.execute("ALTER TABLE orders ALTER a TYPE numeric(10,4)")
        write = asyncio.create_task(sink.write({"id": 1, "a": 1.2345}))
        await waiting(sql)

    await write
    assert sql.run("SELECT a::text FROM orders") == [("1.2345",)]


@MODES
async def test_a_new_column_is_met_at_once(sql: Sql, open_sink: OpenSink, mode: str):
    """It is filled from the first record on that comes after it."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(mode=mode)
    await sink.write({"id": 1, "a": 1})
    sql.run("ALTER TABLE orders ADD a int")
    await sink.write({"id": 2, "a": 2})
    assert sql.run("SELECT id, a FROM orders ORDER BY id") == [(1, None), (2, 2)]


@MODES
@pytest.mark.parametrize("changed", ["orders", "customers"])
async def test_any_of_several_tables_is_looked_at(sql: Sql, open_sink: OpenSink, mode: str, changed: str):
    """Nothing is written to the others, until all of them are what the records were read by."""
    topics = ("orders", "customers")
    sql.run("".join(f"CREATE TABLE {topic} (id int PRIMARY KEY, a real);" for topic in topics))
    sink = await open_sink(mode=mode, table="{topic}", topics=topics)
    sql.run(f"ALTER TABLE {changed} ALTER a TYPE double precision; CREATE SEQUENCE seen")
    sql.run(
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('seen'); RETURN NEW; END $$"
    )
    sql.run(
        "".join(f"CREATE TRIGGER see BEFORE INSERT ON {topic} FOR EACH ROW EXECUTE FUNCTION see();" for topic in topics)
    )
    await sink.write_topics({topic: [{"id": 1, "a": 0.5}] for topic in topics})
    assert sql.run("SELECT o.a, c.a, nextval('seen') FROM orders o, customers c") == [(0.5, 0.5, 5)]


async def test_poison_stays_poison(sql: Sql, open_sink: OpenSink):
    """After one more look at the table."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int)")
    sink = await open_sink()
    sql.run("ALTER TABLE orders ALTER a TYPE bigint")

    with pytest.raises(RejectedRecords, match=r"22P02.*of type bigint"):
        await sink.write({"id": 1, "a": 1}, {"id": 2, "a": "x"})


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE orders (id int PRIMARY KEY, a small)",
        "CREATE TABLE below (id int PRIMARY KEY, a int); CREATE VIEW orders AS SELECT id, a, a * 2 AS twice FROM below",
    ],
)
async def test_poison_is_no_sign_of_a_change(
    sql: Sql, open_sink: OpenSink, caplog: pytest.LogCaptureFixture, table: str
):
    """The catalogue is not read again for it, be it of a table of which more was asked than what the catalogue says."""
    caplog.set_level("INFO")
    sql.run(f"CREATE DOMAIN small AS int NOT NULL; {table}")
    sink = await open_sink()

    with pytest.raises(RejectedRecords, match="22P02"):
        await sink.write({"id": 1, "a": 1}, {"id": 2, "a": "x"})

    assert "reading the catalogue again" not in caplog.text


@pytest.mark.parametrize("value", [1.2, 1.2345])
async def test_a_table_may_change_again_and_again(sql: Sql, open_sink: OpenSink, proxy: Proxy, value: float):
    """Nobody has to mend anything, and no record is refused: the catalogue is read again each time."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a numeric(10,1))")
    sink = await open_sink(url=proxy.url)
    proxy.hold_in_copy()
    write = asyncio.create_task(sink.write({"id": 1, "a": value}))

    for scale in (2, 3, 4):
        await proxy.held.wait()
        sql.run(f"ALTER TABLE orders ALTER a TYPE numeric(10,{scale})")
        proxy.hold_in_copy()
        proxy.let_go()

    await proxy.held.wait()
    proxy.let_go()
    await write
    assert sql.run("SELECT a FROM orders") == [(Decimal(str(value)),)]


async def test_so_it_is_behind_a_pooler(sql: Sql, open_sink: OpenSink):
    """Where stages are made anew, but from what is known of the table."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a text)")
    pooler = Pooler(sql.url)
    await pooler.start()
    sink = await open_sink(url=pooler.url)
    sql.run("ALTER TABLE orders ALTER a TYPE bytea USING NULL")
    await sink.write({"id": 1, "a": "3q2+7w=="})
    await sink.sink.close()
    await pooler.close()
    assert sql.run("SELECT a FROM orders") == [(b"\xde\xad\xbe\xef",)]


async def waiting(sql: Sql) -> None:
    """Wait until a sink waits for a lock."""
    found: list[Any] = []

    while not found:
        await asyncio.sleep(0.01)
        found = sql.run(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'streamhouse%%' AND %s",
            True,
        )
