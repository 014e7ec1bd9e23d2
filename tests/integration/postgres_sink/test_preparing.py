"""Batches that are prepared while another is being written."""

from __future__ import annotations

import asyncio
import json

import psycopg
import pytest

from integration.postgres_sink.conftest import OpenSink, Sql, batch
from integration.postgres_sink.test_stale import waiting
from streamhouse_connect import RejectedRecords

MODES = pytest.mark.parametrize("mode", ["insert", "upsert"])


@MODES
async def test_a_prepared_batch_is_written_once_and_only_when_it_is_written(sql: Sql, open_sink: OpenSink, mode: str):
    """Preparing has no effect, and neither has what is prepared for nothing."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, note text)")
    opened = await open_sink(mode=mode)
    first = batch(*({"id": n, "note": "a\tb"} for n in range(1200)))
    second = batch({"id": 1200, "note": None}, first_offset=1200)
    await opened.sink.prepare(first)
    await opened.sink.prepare(second)
    await opened.sink.prepare(first)
    assert sql.run("SELECT count(*) FROM orders") == [(0,)]
    await opened.sink.write(first)
    await opened.sink.prepare(second)
    await opened.sink.write(second)
    assert sql.run("SELECT count(*), sum(id), count(note) FROM orders") == [(1201, 720600, 1200)]


@MODES
async def test_a_batch_is_prepared_while_the_server_works(
    sql: Sql, open_sink: OpenSink, monkeypatch: pytest.MonkeyPatch, mode: str
):
    """On the one before, which here waits for somebody; nothing of it is done again when it is written."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, note text)")
    opened = await open_sink(mode=mode)
    first, second = batch({"id": 1}), batch(*({"id": n} for n in range(2, 1202)), first_offset=1)

    with psycopg.connect(sql.url) as other:
        other.execute("INSERT INTO orders VALUES (1)")
        write = asyncio.create_task(opened.sink.write(first))
        await waiting(sql)
        await opened.sink.prepare(second)
        assert not write.done()
        other.rollback()

    await write

    for name in ("_reading.decode", "_rows.Lines.encode"):
        monkeypatch.setattr(f"streamhouse_postgres_sink.{name}", None)

    await opened.sink.write(second)
    assert sql.run("SELECT count(*) FROM orders") == [(1201,)]


@MODES
async def test_a_column_may_be_added_between_preparing_and_writing(sql: Sql, open_sink: OpenSink, mode: str):
    """The batch before needed it too: what was prepared without it is prepared anew."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    opened = await open_sink(mode=mode, auto_evolve="add")
    later = batch({"id": 2, "note": "kept"}, first_offset=1)
    await opened.sink.prepare(later)
    await opened.write({"id": 1, "note": "first"})
    await opened.sink.write(later)
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, "first"), (2, "kept")]


@MODES
async def test_a_table_may_change_between_preparing_and_writing(sql: Sql, open_sink: OpenSink, mode: str):
    """The catalogue is read again, and the batch is planned again."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, gone int, kept text)")
    opened = await open_sink(mode=mode)
    later = batch({"id": 1, "gone": 1, "kept": "x"})
    await opened.sink.prepare(later)
    sql.run("ALTER TABLE orders DROP COLUMN gone")
    await opened.sink.write(later)
    assert sql.run("SELECT * FROM orders") == [(1, "x")]


@MODES
async def test_what_is_wrong_with_a_record_is_said_when_it_is_written(sql: Sql, open_sink: OpenSink, mode: str):
    """And the others can be written without it."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, at date)")
    opened = await open_sink(mode=mode)
    records = batch({"id": 1, "at": "2026-01-02"}, {"id": 2, "at": "never"}, b"[]", {"id": 4})

    for _ in range(2):
        await opened.sink.prepare(records)

        with pytest.raises(RejectedRecords) as raised:
            await opened.sink.write(records)

        assert list(raised.value.reasons) == [2]

    rest = records.select([0, 1, 3])
    await opened.sink.prepare(rest)

    with pytest.raises(RejectedRecords) as raised:
        await opened.sink.write(rest)

    assert list(raised.value.reasons) == [1]
    await opened.sink.write(rest.select([0, 2]))
    assert sql.run("SELECT count(*) FROM orders") == [(2,)]


async def test_a_batch_prepared_over_a_lost_connection_is_written_over_another(sql: Sql, open_sink: OpenSink):
    """Nothing that was prepared is bound to a connection."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, note text)")
    opened = await open_sink(mode="upsert")
    records = batch(*({"id": n, "note": json.dumps([n])} for n in range(700)))
    await opened.sink.prepare(records)
    await opened.sink.close()
    await opened.sink.write(records)
    assert sql.run("SELECT count(*) FROM orders") == [(700,)]
