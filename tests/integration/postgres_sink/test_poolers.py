"""Behind a pooler in transaction mode every transaction is another session: nothing of one may be relied on in the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest

from integration.postgres_sink.conftest import OpenSink, Sql, batch
from integration.postgres_sink.pooler import Pooler
from services import PgBouncer
from streamhouse_connect import RejectedRecords, RetriableError, Superseded

RECORDS = [{"id": n, "a": n} if n % 3 else {"id": n} for n in range(100)]
MODES = pytest.mark.parametrize("mode", ["insert", "upsert"])


@pytest.fixture(params=["small", "pgbouncer"])
async def pooled(request: pytest.FixtureRequest, sql: Sql, servers: Any) -> AsyncIterator[str]:
    """The URL of the database behind a pooler: a small one of our own, and PgBouncer where the system has it."""
    if request.param == "small":
        pooler = Pooler(sql.url)
        await pooler.start()
        yield pooler.url
        await pooler.close()
        return

    if PgBouncer.program() is None:
        pytest.skip("the system has no PgBouncer: apt-get install pgbouncer")

    create: Callable[[], PgBouncer] = lambda: PgBouncer(sql.server.port)  # noqa: E731 - typed
    bouncer = await asyncio.to_thread(servers.start, ("pgbouncer", sql.server.port), create)
    yield bouncer.url_of(sql.url.rpartition("/")[2])


@pytest.fixture(autouse=True)
def orders(sql: Sql) -> None:
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int DEFAULT -1, t timestamptz)")


async def somebody_else(url: str, *statements: str) -> list[Any]:
    """Run statements as another client of the pooler does."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=None) as connection:
        cursors = [await connection.execute(statement.encode()) for statement in statements]
        return [await cursor.fetchone() if cursor.description else None for cursor in cursors]


@MODES
async def test_rows_arrive_through_a_pooler(sql: Sql, open_sink: OpenSink, pooled: str, mode: str):
    """Of several shapes, more often than psycopg waits before it prepares, and with somebody else in between."""
    sink = await open_sink(url=pooled, mode=mode)

    for at in range(0, 100, 10):
        await sink.write(*RECORDS[at : at + 10])
        await somebody_else(pooled, "SELECT 1")

    assert sql.run("SELECT count(*), sum(id), count(*) FILTER (WHERE a = -1) FROM orders") == [(100, 4950, 34)]
    assert sql.run("SELECT next_offset, generation FROM streamhouse_offsets") == [(100, 1)]


@pytest.mark.parametrize("offsets", ["target", "broker"])
async def test_settings_hold_in_every_transaction(sql: Sql, open_sink: OpenSink, pooled: str, offsets: str):
    """Whatever others have set: a time without a zone is UTC, and a lock is not waited for for ever."""
    sink = await open_sink(url=pooled, timeout_ms=600, offsets=offsets)

    for n in range(5):
        await somebody_else(pooled, *["SET TimeZone = 'Asia/Tokyo'"] * 5)
        await sink.write({"id": n, "t": "2026-01-01 00:00:00"})

    assert sql.run("SELECT DISTINCT t AT TIME ZONE 'UTC' = '2026-01-01' FROM orders") == [(True,)]

    with psycopg.connect(sql.url) as other:
        other.execute("LOCK TABLE orders IN EXCLUSIVE MODE")

        with pytest.raises(RetriableError, match="timeout"):
            await sink.write({"id": 9})


async def test_nothing_is_left_behind_for_others(sql: Sql, open_sink: OpenSink, pooled: str):
    """Whoever gets the session next finds no setting and no table of ours."""
    sink = await open_sink(url=pooled, timeout_ms=1234)

    for n in range(5):
        await sink.write({"id": n})

    found = "SELECT current_setting('lock_timeout'), to_regclass('pg_temp.streamhouse_stage')"
    assert await somebody_else(pooled, *[found] * 5) == [("0", None)] * 5


@MODES
async def test_a_poison_record_is_named_through_a_pooler(open_sink: OpenSink, pooled: str, mode: str):
    """And the others are written then."""
    sink = await open_sink(url=pooled, mode=mode)

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({"id": 1}, {"id": 2, "a": "x"}, {"id": 3})

    assert list(caught.value.reasons) == [1]
    await sink.write({"id": 1}, {"id": 3})


async def test_a_zombie_is_fenced_through_a_pooler(sql: Sql, open_sink: OpenSink, pooled: str):
    """The lock on the row is the transaction's."""
    old = await open_sink(url=pooled, uid="u")
    await old.write({"id": 1})
    new = await open_sink(url=pooled, uid="u")
    assert new.at == 1

    with pytest.raises(Superseded):
        await old.sink.write(batch({"id": 2}, first_offset=1))

    await new.write({"id": 3})
    assert sql.run("SELECT id FROM orders ORDER BY id") == [(1,), (3,)]


@MODES
async def test_a_changed_table_is_read_again_through_a_pooler(sql: Sql, open_sink: OpenSink, pooled: str, mode: str):
    """Nothing that was prepared goes stale."""
    sink = await open_sink(url=pooled, mode=mode)
    await sink.write({"id": 1, "a": 1})
    sql.run("ALTER TABLE orders DROP COLUMN a; ALTER TABLE orders ADD COLUMN b int")
    await sink.write({"id": 2, "a": 2, "b": 2})
    assert sql.run("SELECT id, b FROM orders ORDER BY id") == [(1, None), (2, 2)]


async def test_a_server_itself_is_told_from_a_pooler(sql: Sql, open_sink: OpenSink):
    """There, the stage of upserts is made once, and lasts."""
    stage = "SELECT oid FROM pg_class WHERE relname = 'streamhouse_stage'"
    others = set(sql.run(stage))  # of sessions that went down with their server
    sink = await open_sink()
    made = set(sql.run(stage)) - others
    await sink.write({"id": 1})
    assert len(made) == 1
    assert set(sql.run(stage)) - others == made
