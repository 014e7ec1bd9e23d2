"""A COMMIT whose answer never comes: what became of it is read from the database, not guessed."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from integration.postgres_sink.conftest import ORDERS, OpenSink, Sql, batch
from integration.postgres_sink.proxy import Proxy
from streamhouse_connect import Batch, RejectedRecords, RetriableError, Superseded, TopicPartition
from streamhouse_connect.testing import make_batch

RECORDS = [{"id": n, "a": n} for n in range(20)]
P1 = TopicPartition("orders", 1)
COMMITTING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%COMMIT' AND wait_event_type = 'Lock'"


@pytest.fixture(params=["", "PRIMARY KEY"])
def orders(request: pytest.FixtureRequest, sql: Sql) -> None:
    """A table without a key, which takes everything twice, and one with a key, which objects to it."""
    sql.run(f"CREATE TABLE orders (id int {request.param}, a int)")


def ids(sql: Sql) -> list[int]:
    return [row for (row,) in sql.run("SELECT id FROM orders ORDER BY id")]


async def test_a_commit_whose_answer_was_lost_is_not_repeated(
    sql: Sql, open_sink: OpenSink, proxy: Proxy, orders: None
):
    """Neither doubled nor taken for a violation of the key; and what comes next goes on from there."""
    sink = await open_sink(mode="insert", url=proxy.url)
    await sink.write(*RECORDS[:5])
    proxy.lose_answer_to_commit()

    with pytest.raises(RetriableError):
        await sink.write(*RECORDS[5:10])

    assert ids(sql) == list(range(10))
    await sink.write(*RECORDS[5:10])
    await sink.write(*RECORDS[10:])
    assert ids(sql) == list(range(20))
    assert sql.run("SELECT next_offset, generation FROM streamhouse_offsets") == [(20, 1)]


async def test_nor_is_one_to_which_no_answer_comes(sql: Sql, open_sink: OpenSink, proxy: Proxy, orders: None):
    """The connection stays, and nothing is heard on it: it is left in time."""
    sink = await open_sink(mode="insert", url=proxy.url, timeout_ms=800)
    proxy.keep_answer_to_commit()

    with pytest.raises(RetriableError, match=r"did not answer within 800 ms"):
        await sink.write(*RECORDS[:10])

    assert ids(sql) == list(range(10))
    await sink.write(*RECORDS[:10])
    await sink.write(*RECORDS[10:])
    assert ids(sql) == list(range(20))
    assert sql.run("SELECT next_offset, generation FROM streamhouse_offsets") == [(20, 1)]


@pytest.mark.parametrize("partitions", [3, 12])
async def test_nor_is_one_of_several_partitions(
    sql: Sql, open_sink: OpenSink, proxy: Proxy, orders: None, partitions: int
):
    """Few or many; those that were not in it are written as ever."""
    tps = [TopicPartition("orders", n) for n in range(partitions)]
    sink = await open_sink(mode="insert", url=proxy.url)
    await sink.sink.resume(tps)
    parts = [make_batch([b'{"id":%d}' % tp.partition], partition=tp.partition) for tp in tps]
    proxy.lose_answer_to_commit()

    with pytest.raises(RetriableError):
        await sink.sink.write(Batch.concat(parts[1:]))

    await sink.sink.write(Batch.concat(parts))
    assert ids(sql) == list(range(partitions))
    assert sql.run("SELECT DISTINCT next_offset, generation FROM streamhouse_offsets WHERE partition > 0") == [(1, 1)]


async def test_of_a_batch_that_is_cut_otherwise_only_the_rest_is_written(
    sql: Sql, open_sink: OpenSink, proxy: Proxy, orders: None
):
    """A rejection names the records by their place in the whole batch."""
    sink = await open_sink(mode="insert", url=proxy.url)
    await sink.sink.resume([P1])
    proxy.lose_answer_to_commit()

    with pytest.raises(RetriableError):
        await sink.write(*RECORDS[:5])

    longer = Batch.concat(
        [
            batch(*RECORDS[:3]),
            make_batch([b'{"id":100}'], partition=1),
            batch(*RECORDS[3:8], {"id": "x"}, first_offset=3),
        ]
    )

    with pytest.raises(RejectedRecords) as caught:
        await sink.sink.write(longer)

    assert list(caught.value.reasons) == [9]
    await sink.sink.write(longer.select(range(9)))
    assert ids(sql) == [*range(8), 100]
    assert sql.run("SELECT next_offset FROM streamhouse_offsets ORDER BY partition") == [(9,), (1,)]


async def test_a_commit_that_never_came_about_is_made_again(sql: Sql, open_sink: OpenSink, proxy: Proxy, orders: None):
    """The connection was lost before."""
    sink = await open_sink(mode="insert", url=proxy.url)

    for _ in range(3):
        proxy.hold_in_copy()
        write = asyncio.create_task(sink.write(*RECORDS))
        await proxy.held.wait()
        proxy.cut()
        proxy.let_go()

        with pytest.raises(RetriableError):
            await write

    assert ids(sql) == []
    await sink.write(*RECORDS)
    assert ids(sql) == list(range(20))


@pytest.mark.parametrize("end", ["commits", "is terminated"])
async def test_a_commit_that_is_still_under_way_is_waited_for(
    sql: Sql, open_sink: OpenSink, proxy: Proxy, orders: None, end: str
):
    """However it ends: the lock on the row says when."""
    sql.run(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$"
    )
    sql.run(
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION f()"
    )
    sink = await open_sink(mode="insert", url=proxy.url)

    with psycopg.connect(sql.url) as other:
        other.execute("SELECT pg_advisory_lock(1)")
        write = asyncio.create_task(sink.write(*RECORDS))

        while sql.run(COMMITTING) == [(0,)]:
            await asyncio.sleep(0.01)

        proxy.cut()

        with pytest.raises(RetriableError):
            await write

        again = asyncio.create_task(sink.write(*RECORDS))

        while sql.run("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") == [(0,)]:
            assert not again.done()
            await asyncio.sleep(0.01)

        if end == "is terminated":
            sql.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%COMMIT'")

    await again
    assert ids(sql) == list(range(20))


async def test_another_task_that_claims_after_a_lost_answer_goes_on_behind_it(
    sql: Sql, open_sink: OpenSink, proxy: Proxy, orders: None
):
    """And the one that lost the answer is told that it has lost the partition."""
    sink = await open_sink(mode="insert", uid="u", url=proxy.url)
    proxy.lose_answer_to_commit()

    with pytest.raises(RetriableError):
        await sink.write(*RECORDS[:5])

    other = await open_sink(mode="insert", uid="u")
    assert other.at == 5

    with pytest.raises(Superseded):
        await sink.write(*RECORDS[:5])

    await other.write(*RECORDS[5:])
    assert ids(sql) == list(range(20))


async def test_a_claim_whose_answer_was_lost_is_made_again(sql: Sql, open_sink: OpenSink, proxy: Proxy, orders: None):
    """In one more generation."""
    sink = await open_sink(mode="insert", url=proxy.url)
    await sink.write(*RECORDS[:5])
    proxy.lose_answer_to_commit()

    with pytest.raises(RetriableError):
        await sink.resume()

    await sink.resume()
    assert sink.at == 5
    await sink.write(*RECORDS[5:])
    assert ids(sql) == list(range(20))
    assert sql.run("SELECT generation FROM streamhouse_offsets") == [(3,)]


async def test_a_skip_whose_answer_was_lost_is_no_trouble(sql: Sql, open_sink: OpenSink, proxy: Proxy, orders: None):
    """The next one finds the row where it should be."""
    sink = await open_sink(mode="insert", url=proxy.url)
    proxy.lose_answer_to_commit()

    with pytest.raises(RetriableError):
        await sink.sink.skip({ORDERS: 5})

    await sink.sink.skip({ORDERS: 5})
    await sink.sink.skip({ORDERS: 6})
    assert sql.run("SELECT next_offset, generation FROM streamhouse_offsets") == [(6, 1)]
