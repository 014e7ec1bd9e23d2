"""Rows that an older event must not overwrite."""

from __future__ import annotations

from typing import Any

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from streamhouse_connect import RejectedRecords

GUARD: dict[str, Any] = {"guard_column": "at"}


@pytest.mark.parametrize("mode", ["upsert", "update"])
async def test_an_older_event_never_overwrites_a_newer_row(sql: Sql, open_sink: OpenSink, mode: str):
    """An equal one does, and null is older than everything else."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a text, at timestamptz)")
    times = dict.fromkeys(range(1, 5), "'2026-01-02 00:00 UTC'") | {5: "NULL", 6: "NULL"}

    for key, time in times.items():
        sql.run(f"INSERT INTO orders VALUES ({key}, 'row', {time})")

    sink = await open_sink(mode=mode, **GUARD)
    news = ["2026-01-01", "2026-01-02", "2026-01-03", None, None, "2026-01-01"]
    await sink.write(*({"id": n, "a": "event", "at": at} for n, at in enumerate(news, 1)))
    found = sql.run("SELECT a FROM orders ORDER BY id")
    assert [a for (a,) in found] == ["row", "event", "event", "row", "event", "event"]
    assert sink.counts == {"row_older": 2}


async def test_the_newest_of_a_batch_counts_and_the_last_of_equals(sql: Sql, open_sink: OpenSink):
    """PostgreSQL says what is newer, however times are spelt."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, at timestamptz)")
    sink = await open_sink(**GUARD)
    times = ["2026-01-02T00:00:00+02:00", "2026-01-01T22:00:00Z", "2026-01-01T23:00:00+02:00", None]
    await sink.write(*({"id": 1, "a": n, "at": at} for n, at in enumerate(times)))
    assert sql.run("SELECT a FROM orders") == [(1,)]
    assert sink.counts == {"row_older": 2}


async def test_a_partial_event_that_is_older_changes_no_field(sql: Sql, open_sink: OpenSink):
    """Be the newer one in the table, or before it in the batch."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, b int, c int, at int)")
    sql.run("INSERT INTO orders VALUES (1, 1, 1, 1, 5)")
    sink = await open_sink(**GUARD)
    await sink.write(
        {"id": 1, "at": 4, "a": 2},
        {"id": 1, "at": 7, "b": 3},
        {"id": 1, "at": 6, "c": 4},
        {"id": 2, "at": 2, "a": 1},
        {"id": 2, "at": 1, "b": 1},
        {"id": 2, "at": 2, "c": 1},
    )
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 1, 3, 1, 7), (2, 1, None, 1, 2)]
    assert sink.counts == {"row_older": 3}


async def test_a_tombstone_is_never_too_old(sql: Sql, open_sink: OpenSink):
    """It has no value, and so no time; what follows it begins anew."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, at int)")
    sql.run("INSERT INTO orders VALUES (1, 1, 5), (2, 2, 5)")
    sink = await open_sink(pk_mode="record_key", delete_enabled=True, **GUARD)
    await sink.write_keyed((1, {"at": 6}), (1, None), (2, None), (2, {"a": 3, "at": 1}))
    assert sql.run("SELECT * FROM orders") == [(2, 3, 1)]
    assert not sink.counts


async def test_a_record_without_the_field_is_rejected(sql: Sql, open_sink: OpenSink):
    """It can't be told whether it is older."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, at int DEFAULT 9)")
    sink = await open_sink(**GUARD)

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({"id": 1, "at": 1}, {"id": 1, "a": 1})

    assert "lacks the field at" in caught.value.reasons[1]
