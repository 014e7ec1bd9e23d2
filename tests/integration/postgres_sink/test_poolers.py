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


@MODES
async def test_a_table_is_made_and_grows_through_a_pooler(sql: Sql, open_sink: OpenSink, pooled: str, mode: str):
    """By transactions of their own, each in whatever session; then with wider columns."""
    sink = await open_sink(
        url=pooled, mode=mode, table="grown", auto_create=True, auto_evolve="widen", pk_mode="kafka", key=()
    )

    for record in ({"a": 1}, {"a": 2, "b": "x"}, {"a": 1 << 70, "c": True}):
        await sink.write(record)
        await somebody_else(pooled, "SELECT 1")

    assert sql.run("SELECT a::text, b, c FROM grown ORDER BY grown.a") == [
        ("1", None, None),
        ("2", "x", None),
        (str(1 << 70), None, True),
    ]
    assert sql.run("SELECT next_offset FROM streamhouse_offsets") == [(3,)]


@MODES
async def test_several_tables_are_written_through_a_pooler(sql: Sql, open_sink: OpenSink, pooled: str, mode: str):
    """In one transaction, each with a stage of its own."""
    sql.run("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, t text)")
    sink = await open_sink(url=pooled, mode=mode, table="{topic}", topics=("a", "b"))

    for n in range(0, 10, 2):
        await sink.write_topics({"a": [{"id": n}, {"id": n + 1}], "b": [{"id": n, "t": "x"}, {"id": n + 1}]})
        await somebody_else(pooled, "SELECT 1")

    with pytest.raises(RejectedRecords) as caught:
        await sink.write_topics({"a": [{"id": 10}, {"id": 11}], "b": [{"id": 10}, {"id": "x"}]})

    assert list(caught.value.reasons) == [3]
    assert sql.run("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b), (SELECT count(t) FROM b)") == [
        (10, 10, 5)
    ]
    assert sql.run("SELECT topic, next_offset FROM streamhouse_offsets ORDER BY 1") == [("a", 10), ("b", 10)]


async def test_workers_change_a_table_together_through_a_pooler(sql: Sql, open_sink: OpenSink, pooled: str):
    """The lock that keeps them apart is the transaction's."""
    sinks = [
        await open_sink(url=pooled, table="grown", auto_create=True, auto_evolve="add", uid=f"u{n}") for n in range(3)
    ]
    written = [sink.write({"id": n, f"c{n}": n}) for n, sink in enumerate(sinks)]

    for result, (n, sink) in zip(await asyncio.gather(*written, return_exceptions=True), enumerate(sinks), strict=True):
        if isinstance(result, RetriableError):  # somebody else was at it at the same moment
            await sink.write({"id": n, f"c{n}": n})
        else:
            assert result is None

    assert sql.run("SELECT id, coalesce(c0, c1, c2) FROM grown ORDER BY id") == [(0, 0), (1, 1), (2, 2)]
