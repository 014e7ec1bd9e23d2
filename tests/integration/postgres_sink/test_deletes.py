"""Tombstones that delete, or say of a row that it is deleted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from streamhouse_connect import FatalError, NewRecords, RejectedRecords, SqliteBroker, Worker

DELETES: dict[str, Any] = {"pk_mode": "record_key", "delete_enabled": True}


async def test_a_tombstone_deletes_the_row_of_its_key(sql: Sql, open_sink: OpenSink):
    """Alone, among others, for a row that is not there, and in a composite key."""
    sql.run("CREATE TABLE orders (id int, region text, a int, PRIMARY KEY (id, region))")
    sql.run("INSERT INTO orders SELECT n, 'x', n FROM generate_series(1, 5) AS n")
    sink = await open_sink(key=("id", "region"), **DELETES)
    await sink.write_keyed(({"id": 1, "region": "x"}, None))
    await sink.write_keyed(
        ({"id": 2, "region": "x"}, None),
        ({"id": 9, "region": "x"}, None),
        ({"id": 3, "region": "x"}, {"a": 30}),
        ({"id": 4, "region": "y"}, None),
        ({"id": 2, "region": "x"}, None),
    )
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(3, "x", 30), (4, "x", 4), (5, "x", 5)]


async def test_what_comes_after_a_tombstone_is_a_new_row(sql: Sql, open_sink: OpenSink):
    """It has nothing of the old one, be they in one batch."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int DEFAULT 7, b int)")
    sql.run("INSERT INTO orders VALUES (1, 1, 1)")
    sink = await open_sink(**DELETES)
    await sink.write_keyed((1, {"a": 2}), (1, None), (1, {"b": 3}), (2, {"a": 1}), (2, None), (3, None), (3, {"b": 4}))
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 7, 3), (3, 7, 4)]


async def test_an_update_of_nothing_is_no_tombstone(sql: Sql, open_sink: OpenSink):
    """A record with no fields but its key inserts, and leaves alone what is there."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int)")
    sink = await open_sink(**DELETES)
    await sink.write_keyed((1, {"a": 1}), (1, {}), (2, {}), (3, None))
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 1), (2, None)]


async def test_a_boolean_may_say_that_a_row_is_deleted(sql: Sql, open_sink: OpenSink):
    """A row that is not there is not inserted for it, and a record with a value undoes it."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int NOT NULL, gone boolean NOT NULL)")
    sink = await open_sink(delete_soft_column="gone", **DELETES)
    await sink.write_keyed((1, {"a": 1}), (2, {"a": 2}), (3, {"a": 3}), (4, {"a": 4, "gone": True}))
    await sink.write_keyed((1, None), (9, None), (2, {"a": 5}), (2, None), (3, None), (3, {"a": 6}))
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 1, True), (2, 5, True), (3, 6, False), (4, 4, False)]
    await sink.write_keyed((1, {"a": 9}))
    assert sql.run("SELECT * FROM orders WHERE id = 1") == [(1, 9, False)]


async def test_a_timestamp_may_say_when_a_row_was_deleted(sql: Sql, open_sink: OpenSink):
    """By the time of the tombstone; now, if it has none."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, gone timestamptz)")
    sink = await open_sink(delete_soft_column="gone", **DELETES)
    await sink.write_keyed((1, {"a": 1}), (2, {"a": 2}))
    await sink.write_keyed((1, None), (2, None), timestamps=[1_700_000_000_123, -1])
    (first, second) = sql.run("SELECT gone FROM orders ORDER BY id")
    assert first == (datetime(2023, 11, 14, 22, 13, 20, 123000, UTC),)
    assert abs((second[0] - datetime.now(UTC)).total_seconds()) < 3600
    await sink.write_keyed((1, {"a": 9}))
    assert sql.run("SELECT * FROM orders WHERE id = 1") == [(1, 9, None)]


async def test_a_soft_delete_may_leave_unchanged_rows_alone(sql: Sql, open_sink: OpenSink):
    """A tombstone that is written again changes nothing."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, gone boolean)")
    sink = await open_sink(delete_soft_column="gone", skip_unchanged=True, **DELETES)
    await sink.write_keyed((1, {"a": 1}))
    await sink.write_keyed((1, None))
    before = sql.run("SELECT xmin::text, gone FROM orders")
    await sink.write_keyed((1, None))
    assert sql.run("SELECT xmin::text, gone FROM orders") == before


async def test_a_column_that_cannot_say_it_is_refused(sql: Sql, open_sink: OpenSink):
    """With its type."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, gone text)")

    with pytest.raises(FatalError, match=r"column gone of .* is of type text, and can't say whether a row is deleted"):
        await open_sink(delete_soft_column="gone", **DELETES)


async def test_a_row_that_others_refer_to_makes_its_tombstone_a_poison_record(sql: Sql, open_sink: OpenSink):
    """With the constraint's name; nothing of the batch is written."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sql.run("CREATE TABLE lines (order_id int CONSTRAINT its_order REFERENCES orders)")
    sql.run("INSERT INTO orders VALUES (1); INSERT INTO lines VALUES (1)")
    sink = await open_sink(**DELETES)

    with pytest.raises(RejectedRecords) as caught:
        await sink.write_keyed((1, None))

    assert caught.value.reasons == {0: 'PostgreSQL refuses it: 23503 foreign key violation, constraint "its_order"'}


async def test_a_tombstone_without_a_key_is_rejected(sql: Sql, open_sink: OpenSink):
    """It says nothing of what to delete."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(**DELETES)

    with pytest.raises(RejectedRecords) as caught:
        await sink.write_keyed((1, {}), (None, None))

    assert caught.value.reasons == {1: "has no key (pk.mode=record_key)"}


async def test_deleting_needs_the_privilege(sql: Sql, open_sink: OpenSink, user: str):
    """A soft delete does not."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, gone boolean)")
    sql.run("GRANT SELECT, INSERT, UPDATE ON orders TO stranger")

    with pytest.raises(FatalError, match="GRANT DELETE ON"):
        await open_sink(url=user, offsets="broker", **DELETES)

    sink = await open_sink(url=user, offsets="broker", delete_soft_column="gone", **DELETES)
    await sink.write_keyed((1, {}), (1, None))
    assert sql.run("SELECT * FROM orders") == [(1, True)]


async def test_deletes_and_updates_in_opposite_orders_do_not_lock_each_other_out(sql: Sql, open_sink: OpenSink):
    """All rows are locked in the order of their keys before any is written."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int)")
    up, down = await open_sink(**DELETES), await open_sink(**DELETES)

    for n in range(20):
        sql.run("INSERT INTO orders SELECT generate_series(0, 199) ON CONFLICT DO NOTHING")
        records = [(key, None if (key + n) % 3 else {"a": key}) for key in range(200)]
        others = [(key, None if key % 2 else {"a": -key}) for key in reversed(range(200))]
        await asyncio.gather(up.write_keyed(*records), down.write_keyed(*others))

    assert sql.run("SELECT count(*) FROM orders WHERE id % 2 = 0 AND a <> -id AND a <> id") == [(0,)]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"delete.enabled": True}, [(3, 3)]),
        ({}, [(1, 1), (3, 3)]),
        ({"null.values": "dead-letter"}, [(1, 1), (3, 3)]),
    ],
)
async def test_tombstones_come_through_the_runtime_only_to_delete(
    sql: Sql, tmp_path: Path, options: dict[str, Any], left: list[tuple[int, int]]
):
    """Else they are passed over, or become dead letters."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int)")
    config = {"connection.url": sql.url, "table.name": "orders", "pk.mode": "record_key", "pk.fields": "id", **options}
    body = {"name": "orders", "connectorClass": "postgres-sink", "topics": ["orders"], "config": config}

    async with Worker(SqliteBroker(tmp_path)) as worker:
        await worker.broker.create_topic("orders", partitions=1)
        records = NewRecords(values=[b'{"a":1}', None, None, b'{"a":3}'], keys=[b"1", b"1", b"2", b"3"])
        await worker.broker.append("orders", records)
        await worker.create(body)
        await worker.drained("orders", timeout=30)

    assert sql.run("SELECT * FROM orders ORDER BY id") == left
