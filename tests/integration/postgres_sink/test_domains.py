"""Columns of domains that refuse NULL: records that lack them are as good as any other."""

from __future__ import annotations

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from streamhouse_connect import RejectedBatch

DOMAINS = pytest.mark.parametrize("check", ["NOT NULL", "CHECK (VALUE IS NOT NULL)"])


@DOMAINS
async def test_a_tombstone_beside_a_value_deletes(sql: Sql, open_sink: OpenSink, check: str):
    """It has nothing but its key."""
    sql.run(f"CREATE DOMAIN short AS varchar(3) {check}; CREATE DOMAIN shorter AS short CHECK (length(VALUE) < 3)")
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a shorter); INSERT INTO orders VALUES (1, 'x'), (2, 'x')")
    sink = await open_sink(pk_mode="record_key", delete_enabled=True)
    await sink.write_keyed((1, {"a": "y"}), (2, None))
    assert sql.run("SELECT * FROM orders") == [(1, "y")]

    with pytest.raises(RejectedBatch, match="23514 check violation"):
        await sink.write_keyed((1, {"a": "yyy"}), (2, {"a": "y"}))


@DOMAINS
async def test_partial_updates_keep_what_they_lack(sql: Sql, open_sink: OpenSink, check: str):
    """And leave unchanged rows alone."""
    sql.run(f"CREATE DOMAIN name AS text {check}")
    sql.run(
        "CREATE TABLE orders (id int PRIMARY KEY, a name, b int); INSERT INTO orders VALUES (1, 'x', 1), (2, 'x', 2)"
    )
    sink = await open_sink(mode="update", skip_unchanged=True)
    await sink.write({"id": 1, "a": "y"}, {"id": 2, "b": 5}, {"id": 1, "b": 6})
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, "y", 6), (2, "x", 5)]
    before = sql.run("SELECT ctid::text FROM orders ORDER BY id")
    await sink.write({"id": 1, "a": "y"}, {"id": 2, "b": 5})
    assert sql.run("SELECT ctid::text FROM orders ORDER BY id") == before


@DOMAINS
async def test_an_insert_gets_the_default(sql: Sql, open_sink: OpenSink, check: str):
    """In a batch with records that have a value; as a key, too, and beside what says that a row is deleted."""
    sql.run(f"CREATE DOMAIN number AS int {check}")
    sql.run("CREATE TABLE orders (id number PRIMARY KEY, a number DEFAULT 3, b int, gone boolean)")
    sink = await open_sink(pk_mode="record_key", delete_enabled=True, delete_soft_column="gone", skip_unchanged=True)
    await sink.write_keyed((1, {"a": 1}), (2, {"b": 2}))
    await sink.write_keyed((2, None), (1, {"b": 1}), (3, {"a": 3}), (1, {"a": 4}))
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 4, 1, False), (2, 3, 2, True), (3, 3, None, False)]
