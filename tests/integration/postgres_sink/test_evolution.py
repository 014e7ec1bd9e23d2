"""Tables that are made for records, and columns that are added and widened for them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from integration.postgres_sink.test_names import HOSTILE
from streamhouse_connect import FatalError, RejectedBatch, RejectedRecords, RetriableError

COLUMNS = (
    "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
    " WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum"
)
MODES = pytest.mark.parametrize("mode", ["insert", "upsert"])


async def test_a_table_is_made_of_the_first_records(sql: Sql, open_sink: OpenSink):
    """With the key first, and types that hold all of their values."""
    sink = await open_sink(auto_create=True)
    assert sql.run("SELECT to_regclass('orders')") == [(None,)]
    await sink.write(
        {"a": True, "id": 1, "b": 1, "c": 10**30, "d": 1.5, "e": "x", "f": [1], "g": {"h": None}, "i": None},
        {"id": 2, "b": 2.5, "e": 7},
    )
    assert sql.run(COLUMNS, "orders") == [
        ("id", "bigint"),
        ("a", "boolean"),
        ("b", "numeric"),
        ("c", "numeric"),
        ("d", "double precision"),
        ("e", "text"),
        ("f", "jsonb"),
        ("g", "jsonb"),
    ]
    assert sql.run("SELECT * FROM orders ORDER BY id") == [
        (1, True, 1, 10**30, 1.5, "x", [1], {"h": None}),
        (2, None, Decimal("2.5"), None, None, "7", None, None),
    ]
    await sink.write({"id": 1, "a": False})
    assert sql.run("SELECT a, e FROM orders WHERE id = 1") == [(False, "x")]


async def test_a_table_is_made_with_all_that_options_name(sql: Sql, open_sink: OpenSink):
    """In a schema, with declared types, and with the columns that have no value yet."""
    sql.run('CREATE SCHEMA "Sales"')
    sink = await open_sink(
        table='"Sales"."{topic}"',
        auto_create=True,
        pk_mode="record_key",
        delete_enabled=True,
        delete_soft_column="gone",
        columns_types="at:timestamptz,price:numeric(12, 2)",
        metadata_columns=("topic", "partition", "offset", "timestamp", "ingested_at"),
        unknown_fields="column:rest",
        guard_column="at",
        fields_rename=("cost:price",),
    )
    await sink.write_keyed((1, None))
    assert sql.run("""SELECT to_regclass('"Sales".orders')""") == [(None,)]
    await sink.write_keyed((1, {"at": "2026-01-01", "cost": 1.5}), (2, {"at": None, "x": 1}))
    assert sql.run(COLUMNS, '"Sales".orders') == [
        ("id", "bigint"),
        ("price", "numeric(12,2)"),
        ("x", "bigint"),
        ("at", "timestamp with time zone"),
        ("rest", "jsonb"),
        ("gone", "boolean"),
        ("__connect_topic", "text"),
        ("__connect_partition", "integer"),
        ("__connect_offset", "bigint"),
        ("__connect_timestamp", "timestamp with time zone"),
        ("__connect_ingested_at", "timestamp with time zone"),
    ]
    await sink.write_keyed((2, {"at": "2026-01-01", "y": 2}), (1, None))
    assert sql.run('SELECT id, gone, rest FROM "Sales".orders ORDER BY id') == [(1, True, None), (2, False, {"y": 2})]
    assert sql.run('SELECT count(*) FROM "Sales".streamhouse_offsets') == [(1,)]


async def test_positions_are_a_key_for_inserts_too(sql: Sql, open_sink: OpenSink):
    """With types of their own."""
    sink = await open_sink(mode="insert", key=(), pk_mode="kafka", auto_create=True)
    await sink.write({"a": 1}, {})
    assert [type_ for _, type_ in sql.run(COLUMNS, "orders")] == ["text", "integer", "bigint", "bigint"]
    assert sql.run("SELECT * FROM orders") == [("orders", 0, 0, 1), ("orders", 0, 1, None)]
    assert sql.run("SELECT count(*) FROM pg_index WHERE indrelid = 'orders'::regclass AND indisprimary") == [(1,)]


@pytest.mark.parametrize("record", [{"a": 1}, {"id": None, "a": 1}])
async def test_no_table_is_made_without_a_key(sql: Sql, open_sink: OpenSink, record: dict[str, Any]):
    """The type of its column can't be known: such records are rejected, and the next ones make the table."""
    sink = await open_sink(auto_create=True)

    with pytest.raises(RejectedRecords):
        await sink.write(record)

    assert sql.run("SELECT to_regclass('orders')") == [(None,)]
    await sink.write({"id": "x"})
    assert sql.run(COLUMNS, "orders") == [("id", "text")]


@MODES
async def test_columns_are_added(sql: Sql, open_sink: OpenSink, mode: str):
    """Before the batch that needs them, also for what is known of records; a null needs none."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(mode=mode, auto_evolve="add", metadata_columns=("offset",))
    await sink.write({"id": 1, "a": None})
    await sink.write({"id": 2, "a": "x"}, {"id": 3, "b": [1]})
    assert sql.run("SELECT id, a, b, __connect_offset FROM orders ORDER BY id") == [
        (1, None, None, 0),
        (2, "x", None, 1),
        (3, None, [1], 2),
    ]


async def test_a_table_of_enough_columns_gets_no_more(sql: Sql, open_sink: OpenSink):
    """Records that need more are rejected."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(auto_evolve="add", max_columns=2)

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({"id": 1, "a": 1}, {"id": 2, "b": 1})

    assert list(caught.value.reasons) == [1]
    await sink.write({"id": 1, "a": 1})
    assert sql.run("SELECT * FROM orders") == [(1, 1)]


@pytest.mark.parametrize("mode", ["insert", "upsert", "insert_ignore"])
async def test_columns_are_widened(sql: Sql, open_sink: OpenSink, mode: str):
    """For the values that do not fit, step by step, and never back."""
    sql.run("CREATE TABLE orders (id smallint PRIMARY KEY, a int, b varchar(3), c int NOT NULL, d bigint)")
    sink = await open_sink(mode=mode, auto_evolve="widen")
    await sink.write({"id": 1, "a": 1, "b": "abc", "c": 1, "d": 1})
    await sink.write({"id": 2, "a": 2**40, "b": "abcd", "c": 1}, {"id": 40_000, "c": None, "d": 2**70})
    await sink.write({"id": 3, "a": "1.5", "c": 1})
    assert sql.run(COLUMNS, "orders") == [
        ("id", "integer"),
        ("a", "numeric"),
        ("b", "text"),
        ("c", "integer"),
        ("d", "numeric"),
    ]
    assert sql.run("SELECT * FROM orders ORDER BY id") == [
        (1, 1, "abc", 1, 1),
        (2, 2**40, "abcd", 1, None),
        (3, Decimal("1.5"), None, 1, None),
        (40_000, None, None, None, 2**70),
    ]


async def test_poison_widens_nothing(sql: Sql, open_sink: OpenSink):
    """It is rejected as ever."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int)")
    sink = await open_sink(auto_evolve="widen")

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({"id": 1, "a": 1}, {"id": 2, "a": "secret"})

    assert list(caught.value.reasons) == [1]
    assert sql.run(COLUMNS, "orders") == [("id", "integer"), ("a", "integer")]


async def test_workers_make_and_change_a_table_together(sql: Sql, open_sink: OpenSink):
    """Each with records of its own, at the same moment: nothing is lost, and nobody fails."""
    sinks = [await open_sink(auto_create=True, auto_evolve="widen") for _ in range(4)]

    for step in range(6):
        value = 10 ** (5 * step + 1)
        await asyncio.gather(
            *(
                sink.write({"id": step * 10 + at, f"own{at}_{step}": value, f"all_{step}": value, "wide": value})
                for at, sink in enumerate(sinks)
            )
        )

    assert sql.run("SELECT count(*), count(DISTINCT wide), sum(all_5) FROM orders") == [(24, 6, 4 * 10**26)]
    assert sql.run("SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0") == [
        (1 + 1 + 6 * 5,)
    ]


async def test_connectors_that_spell_a_table_otherwise_change_it_together(sql: Sql, open_sink: OpenSink):
    """They hold different locks until they have the table's: it only ever becomes wider."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, wide smallint)")
    names = ["orders", "public.orders", '"public"."orders"', "ORDERS"]
    sinks = [await open_sink(auto_evolve="widen", table=name) for name in names]

    for step in range(6):
        values = [10**at for at in (4, 9, 18, 30)]
        await asyncio.gather(
            *(
                sink.write({"id": step * 10 + at, f"own_{step}": 1, "wide": values[(step + at) % 4]})
                for at, sink in enumerate(sinks)
            )
        )

    assert sql.run("SELECT count(*), sum(own_0 + 0) FROM orders") == [(24, 4)]
    assert sql.run("SELECT count(*) FROM orders WHERE wide IN (10^4, 10^9, 10^18, 10^30)") == [(24,)]
    assert sql.run(COLUMNS, "orders")[1] == ("wide", "numeric")


async def test_somebody_else_may_be_faster(sql: Sql, open_sink: OpenSink):
    """Then the catalogue is read again, and their columns are used."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(auto_evolve="widen")
    sql.run("ALTER TABLE orders ADD a varchar(3), ALTER id TYPE bigint")
    await sink.write({"id": 2**40, "a": "abc"})
    assert sql.run(COLUMNS, "orders") == [("id", "bigint"), ("a", "character varying(3)")]
    sql.run("DROP TABLE orders")

    with pytest.raises(FatalError, match="does not exist"):
        await sink.write({"id": 1})


async def test_a_table_that_is_dropped_is_made_again(sql: Sql, open_sink: OpenSink):
    """With the columns of the records that come."""
    sink = await open_sink(auto_create=True)
    await sink.write({"id": 1, "a": 1})
    sql.run("DROP TABLE orders")
    await sink.write({"b": "x", "id": 1})
    assert sql.run("SELECT * FROM orders") == [(1, "x")]


async def test_a_change_waits_no_longer_than_a_write(sql: Sql, open_sink: OpenSink):
    """For somebody who reads the table; then it is tried again."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(auto_evolve="add", timeout_ms=300)

    with psycopg.connect(sql.url) as reader:
        reader.execute("SELECT * FROM orders")

        with pytest.raises(RetriableError):
            await sink.write({"id": 1, "a": 1})

    await sink.resume()
    await sink.write({"id": 1, "a": 1})
    assert sql.run("SELECT * FROM orders") == [(1, 1)]


async def test_a_user_who_may_not_is_told_the_statement(sql: Sql, open_sink: OpenSink, user: str):
    """To make a table, and to change it."""
    sink = await open_sink(url=user, auto_create=True, offsets="broker")

    with pytest.raises(
        FatalError, match=r'run CREATE TABLE IF NOT EXISTS "orders" \("id" bigint, PRIMARY KEY \("id"\)\)'
    ):
        await sink.write({"id": 1})

    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sql.run("GRANT SELECT, INSERT, UPDATE ON orders TO stranger")
    sink = await open_sink(url=user, auto_evolve="widen", offsets="broker")

    with pytest.raises(FatalError, match=r'run ALTER TABLE "public"."orders" ADD COLUMN IF NOT EXISTS "a" bigint as'):
        await sink.write({"id": 1, "a": 1})

    with pytest.raises(FatalError, match=r'run ALTER TABLE "public"."orders" ALTER COLUMN "id" TYPE bigint as'):
        await sink.write({"id": 2**40})


async def test_a_view_is_not_changed(sql: Sql, open_sink: OpenSink):
    """It is refused when the sink is opened."""
    sql.run("CREATE TABLE base (id int PRIMARY KEY); CREATE VIEW orders AS SELECT * FROM base")

    with pytest.raises(FatalError, match=r"is a view.*auto.evolve has to be none"):
        await open_sink(auto_evolve="add")


async def test_a_partitioned_table_is_changed_with_its_partitions(sql: Sql, open_sink: OpenSink):
    """By one statement."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int) PARTITION BY RANGE (id)")
    sql.run("CREATE TABLE low PARTITION OF orders FOR VALUES FROM (0) TO (10)")
    sink = await open_sink(auto_evolve="widen")
    await sink.write({"id": 1, "a": 2**40, "b": "x"})
    assert sql.run("SELECT * FROM low") == [(1, 2**40, "x")]


@pytest.mark.parametrize("name", HOSTILE)
async def test_names_of_fields_and_topics_are_data(sql: Sql, open_sink: OpenSink, name: str):
    """They make a table and columns of those names, and no other statement."""
    sql.run("CREATE TABLE victims (id int)")
    sink = await open_sink(table="{topic}", topics=(name,), key=(name,), auto_create=True, auto_evolve="widen")
    await sink.write_topics({name: [{name: 1, f"{name[:20]}2": name}]})
    await sink.write_topics({name: [{name: 2**70, f"{name[:20]}3": name}]})
    quoted = psycopg.sql.Identifier(name).as_string(None)
    assert sql.run(f"SELECT * FROM {quoted} ORDER BY 1") == [(1, name, None), (2**70, None, name)]
    assert sql.run("SELECT * FROM victims") == []


async def test_no_batch_is_written_twice_or_lost_around_a_change(sql: Sql, open_sink: OpenSink):
    """A change is made before the transaction of the batch, which fails here, and is then written once."""
    sql.run("CREATE TABLE orders (id int, a int CHECK (a < 5))")
    sink = await open_sink(mode="insert", key=(), auto_evolve="add")

    with pytest.raises((RejectedRecords, RejectedBatch)):
        await sink.write({"id": 1, "b": "x"}, {"id": 2, "a": 9})

    assert sql.run("SELECT * FROM orders") == []
    assert sql.run("SELECT next_offset FROM streamhouse_offsets") == [(None,)]
    await sink.write({"id": 1, "b": "x"})
    assert sql.run("SELECT id, b FROM orders") == [(1, "x")]
