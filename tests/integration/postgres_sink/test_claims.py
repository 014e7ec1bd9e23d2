"""Whose a partition is: the table of offsets says so, and nobody else writes."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import psycopg
import pytest

from integration.postgres_sink.conftest import ORDERS, OpenSink, Sql, batch
from integration.postgres_sink.proxy import Proxy
from streamhouse_connect import Batch, FatalError, RetriableError, SecretUrl, Superseded, TopicPartition
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_postgres_sink import PostgresConfig, PostgresSink

ROWS = "SELECT topic_id, partition, epoch, next_offset, generation FROM streamhouse_offsets ORDER BY 1, 2"
RECORDS = [{"id": n, "a": n} for n in range(20)]
P1, P2 = TopicPartition("orders", 1), TopicPartition("orders", 2)


@pytest.fixture(autouse=True)
def orders(sql: Sql) -> None:
    """A table without any key: what is written twice is there twice."""
    sql.run("CREATE TABLE orders (id int, a int)")


def ids(sql: Sql) -> list[int]:
    return [row for (row,) in sql.run("SELECT id FROM orders ORDER BY id")]


async def test_a_first_claim_leaves_it_to_the_broker(sql: Sql, open_sink: OpenSink):
    """The row is there from then on, and says whose it is."""
    sink = await open_sink(mode="insert", uid="u")
    assert await sink.sink.resume([P1]) == {}
    assert sql.run(ROWS) == [("orders-id", 0, 0, None, 1), ("orders-id", 1, 0, None, 1)]
    assert sql.run(
        "SELECT DISTINCT uid, connector, topic, updated_at > now() - interval '1 min' FROM streamhouse_offsets"
    ) == [("u", "test", "orders", True)]


async def test_a_claim_goes_on_from_the_row_in_a_new_generation(sql: Sql, open_sink: OpenSink):
    """Several partitions at once, some of them known."""
    first = await open_sink(mode="insert", uid="u")
    await first.write(*RECORDS[:3])
    second = await open_sink(mode="insert", uid="u")
    assert second.at == 3
    assert await second.sink.resume([P2, ORDERS, P1]) == {ORDERS: 3}
    assert sql.run(ROWS) == [("orders-id", 0, 0, 3, 3), ("orders-id", 1, 0, None, 1), ("orders-id", 2, 0, None, 1)]


async def test_nothing_to_claim_is_no_transaction(open_sink: OpenSink):
    """A task may have no partitions."""
    sink = await open_sink(mode="insert")
    await sink.sink.close()
    assert await sink.sink.resume([]) == {}
    assert sink.sink._session is None


async def test_the_row_moves_to_the_end_of_what_is_covered(sql: Sql, open_sink: OpenSink):
    """Beyond the last record, if those that follow were filtered or rejected; gaps are nothing."""
    sink = await open_sink(mode="insert")
    whole = make_batch([b'{"id":1}', b'{"id":2}', b'{"id":3}'], offsets=[10, 50, 70])
    await sink.sink.write(whole.select([0, 1]))
    await sink.sink.write(make_batch([b'{"id":4}'], offsets=[90]))
    assert sql.run(ROWS) == [("orders-id", 0, 0, 91, 1)]
    assert ids(sql) == [1, 2, 4]


@pytest.mark.parametrize("mode", ["insert", "upsert"])
async def test_a_zombie_writes_nothing(sql: Sql, open_sink: OpenSink, mode: str):
    """Whoever claims is the only one who writes, though the other does not know yet; nor can it skip."""
    sql.run("CREATE UNIQUE INDEX ON orders (id)")
    zombie = await open_sink(mode=mode, uid="u")
    await zombie.write(*RECORDS[:5])
    owner = await open_sink(mode=mode, uid="u")

    for _ in range(2):
        with pytest.raises(Superseded) as caught:
            await zombie.write(*RECORDS[5:10])

        assert caught.value.partitions == {ORDERS}

    with pytest.raises(Superseded):
        await zombie.sink.skip({ORDERS: 10})

    assert ids(sql) == list(range(5))
    await owner.write(*RECORDS[5:15])
    assert ids(sql) == list(range(15))


async def test_a_zombie_that_claims_again_takes_over(sql: Sql, open_sink: OpenSink):
    """As it may, if it was assigned the partition again: each record is there once all the same."""
    one = await open_sink(mode="insert", uid="u")
    other = await open_sink(mode="insert", uid="u")
    await other.write(*RECORDS[:5])
    await one.resume()
    await one.write(*RECORDS[one.at : 10])

    with pytest.raises(Superseded):
        await other.write(*RECORDS[5:12])

    await other.resume()
    await other.write(*RECORDS[other.at :])
    assert ids(sql) == list(range(20))


@pytest.mark.parametrize("partitions", [3, 12])
async def test_only_what_is_lost_of_a_batch_is_named(sql: Sql, open_sink: OpenSink, partitions: int):
    """The others are written without it; whether few rows are moved or many."""
    sink = await open_sink(mode="insert", uid="u")
    await sink.sink.resume([TopicPartition("orders", n) for n in range(1, partitions)])
    whole = Batch.concat([make_batch([b'{"id":%d}' % n], partition=n) for n in range(partitions)])
    other = await open_sink(mode="insert", uid="u")
    assert ids(sql) == []

    with pytest.raises(Superseded) as caught:
        await sink.sink.write(whole)

    assert caught.value.partitions == {ORDERS}
    assert ids(sql) == []
    await sink.sink.write(whole[1:])
    await other.write({"id": 0})
    assert ids(sql) == list(range(partitions))
    assert sql.run("SELECT DISTINCT next_offset FROM streamhouse_offsets") == [(1,)]


async def test_a_released_partition_is_not_written(sql: Sql, open_sink: OpenSink):
    """Until it is claimed again."""
    sink = await open_sink(mode="insert")
    await sink.sink.release([ORDERS])

    with pytest.raises(Superseded):
        await sink.write({"id": 1})

    await sink.sink.skip({ORDERS: 7})
    assert sql.run(ROWS) == [("orders-id", 0, 0, None, 1)]
    await sink.resume()
    await sink.write({"id": 1})
    assert ids(sql) == [1]


async def test_a_write_under_way_does_not_bring_a_released_partition_back(sql: Sql, open_sink: OpenSink):
    """What it commits counts, and the next claim sees it."""
    sink = await open_sink(mode="insert")

    with psycopg.connect(sql.url) as other:
        other.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        write = asyncio.create_task(sink.write(*RECORDS[:3]))

        while sql.run("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
            await asyncio.sleep(0.01)

        await sink.sink.release([ORDERS])

    await write

    with pytest.raises(Superseded):
        await sink.write(*RECORDS[3:])

    await sink.resume()
    assert sink.at == 3


async def test_partitions_that_are_assigned_during_a_write_wait_for_it(
    sql: Sql, open_sink: OpenSink, monkeypatch: pytest.MonkeyPatch
):
    """Not for long: then they are to be tried again later, and the write is not disturbed."""
    monkeypatch.setattr("streamhouse_postgres_sink._sink._TURN_SECONDS", 0.05)
    sink = await open_sink(mode="insert")

    with psycopg.connect(sql.url) as other:
        other.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        write = asyncio.create_task(sink.write(*RECORDS[:3]))

        while sql.run("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
            await asyncio.sleep(0.01)

        with pytest.raises(RetriableError, match="is under way"):
            await sink.sink.resume([P1])

    assert await sink.sink.resume([P1]) == {}
    await write
    assert ids(sql) == [0, 1, 2]


async def test_a_new_epoch_does_not_meet_the_offsets_of_the_old_one(sql: Sql, open_sink: OpenSink):
    """They were reset, or mean something else; who is of the old epoch writes nothing more, and takes nothing back."""
    old = await open_sink(mode="insert", uid="u", epoch=1)
    await old.write(*RECORDS[:3])
    new = await open_sink(mode="insert", uid="u", epoch=2)
    assert new.at == 0
    assert sql.run(ROWS) == [("orders-id", 0, 2, None, 2)]

    with pytest.raises(Superseded):
        await old.write(*RECORDS[3:])

    for act in (old.resume(), old.sink.reset({ORDERS: 0})):
        with pytest.raises(RetriableError, match="a newer definition of connector test is at work on orders-0"):
            await act

    await new.write({"id": 99})
    assert ids(sql) == [0, 1, 2, 99]


async def test_connectors_and_topics_are_kept_apart(sql: Sql, postgres: Any):
    """By their ids: a topic that was made again is another one, whatever its name."""
    sinks = []
    config = PostgresConfig(url=SecretUrl(sql.url), table_name="orders", insert_mode="insert")

    for uid, topic in (("u", "one"), ("u", "two"), ("v", "one")):
        sink = PostgresSink(config)
        await sink.open(make_context(uid=uid, topic_ids={"orders": topic}))
        sinks.append(sink)
        assert await sink.resume([ORDERS]) == {}
        await sink.write(batch({"id": len(sinks)}))

    await sinks[0].write(batch({"id": 4}, first_offset=1))
    assert ids(sql) == [1, 2, 3, 4]

    for sink in sinks:
        await sink.close()


async def test_progress_without_rows_moves_the_row(sql: Sql, open_sink: OpenSink):
    """Forwards only; several partitions at once."""
    sink = await open_sink(mode="insert")
    await sink.sink.resume([P1])
    await sink.sink.skip({ORDERS: 7, P1: 3})
    await sink.sink.skip({ORDERS: 5, P1: 4})
    assert sql.run(ROWS) == [("orders-id", 0, 0, 7, 1), ("orders-id", 1, 0, 4, 1)]
    sink.at = 7
    await sink.write(*RECORDS[7:])
    assert ids(sql) == list(range(7, 20))


async def test_offsets_that_an_operator_altered_are_taken_over(sql: Sql, open_sink: OpenSink):
    """Set, or left to the broker; whoever had the partition before writes nothing more."""
    before = await open_sink(mode="insert", uid="u")
    await before.sink.resume([P1, P2])
    await before.write(*RECORDS[:5])
    altering = PostgresSink(before.sink.config)
    await altering.open(make_context(uid="u"))
    await altering.reset({ORDERS: 2, P1: None, TopicPartition("orders", 3): 9})
    await altering.reset({})
    await altering.close()

    for tp in (ORDERS, P1):
        with pytest.raises(Superseded):
            await before.sink.write(make_batch([b'{"id":99}'], partition=tp.partition, first_offset=5))

    await before.sink.write(make_batch([b'{"id":42}'], partition=2))
    assert await before.sink.resume([ORDERS, P1, P2, TopicPartition("orders", 3)]) == {
        ORDERS: 2,
        P2: 1,
        TopicPartition("orders", 3): 9,
    }
    assert ids(sql) == [0, 1, 2, 3, 4, 42]


async def test_a_restored_database_gets_its_rows_again(sql: Sql, open_sink: OpenSink):
    """The row is behind what was written since the backup: nothing is written until reading goes on from there."""
    sink = await open_sink(mode="insert")
    await sink.write(*RECORDS[:5])
    sql.run("CREATE TABLE saved AS TABLE orders")
    sql.run("CREATE TABLE saved_offsets AS TABLE streamhouse_offsets")
    await sink.write(*RECORDS[5:15])
    sql.run("TRUNCATE orders, streamhouse_offsets")
    sql.run("INSERT INTO orders TABLE saved; INSERT INTO streamhouse_offsets TABLE saved_offsets")

    with pytest.raises(Superseded):
        await sink.write(*RECORDS[15:])

    await sink.resume()
    assert sink.at == 5
    await sink.write(*RECORDS[5:])
    assert ids(sql) == list(range(20))


@pytest.mark.parametrize("loss", ["DELETE FROM streamhouse_offsets", "DROP TABLE streamhouse_offsets"])
async def test_a_row_that_is_gone_is_claimed_anew(sql: Sql, open_sink: OpenSink, loss: str):
    """Then the broker knows; with the whole table gone, that is made again."""
    sink = await open_sink(mode="insert")
    await sink.write(*RECORDS[:5])
    sql.run(loss)

    with pytest.raises(Superseded):
        await sink.write(*RECORDS[5:])

    assert await sink.sink.resume([ORDERS]) == {}
    await sink.write(*RECORDS[5:])
    assert ids(sql) == list(range(20))


async def test_the_table_of_offsets_may_be_gone_when_partitions_are_assigned(sql: Sql, open_sink: OpenSink):
    """It is made again, over the same connection; so it is for offsets that an operator alters."""
    sink = await open_sink(mode="insert")
    await sink.write(*RECORDS[:5])
    sql.run("DROP TABLE streamhouse_offsets")
    assert await sink.sink.resume([ORDERS]) == {}
    sql.run("DROP TABLE streamhouse_offsets")
    await sink.sink.reset({ORDERS: 7})
    assert await sink.sink.resume([ORDERS]) == {ORDERS: 7}


async def test_who_sleeps_in_the_middle_of_a_write_is_not_waited_for(
    sql: Sql, open_sink: OpenSink, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Its connection is ended by whoever claims the partition; when it wakes up it has written nothing."""
    monkeypatch.setattr("streamhouse_postgres_sink._ledger._CLAIM_PATIENCE", "100ms")
    zombie = await open_sink(mode="insert", uid="u", url=proxy.url)
    proxy.hold_in_copy()
    write = asyncio.create_task(zombie.write(*RECORDS))
    await proxy.held.wait()
    owner = await open_sink(mode="insert", uid="u")
    assert "blocker_terminated" in caplog.text
    await owner.write(*RECORDS[:10])
    proxy.let_go()

    with pytest.raises(RetriableError):
        await write

    with pytest.raises(Superseded):
        await zombie.write(*RECORDS)

    await owner.write(*RECORDS[10:])
    assert ids(sql) == list(range(20))


async def test_somebody_else_who_holds_a_row_is_left_alone(
    sql: Sql, open_sink: OpenSink, monkeypatch: pytest.MonkeyPatch
):
    """An administrator at a prompt: the claim is tried again later."""
    monkeypatch.setattr("streamhouse_postgres_sink._ledger._CLAIM_PATIENCE", "100ms")
    sink = await open_sink(mode="insert", uid="u")

    with psycopg.connect(sql.url) as other:
        other.execute("SELECT * FROM streamhouse_offsets FOR UPDATE")

        with pytest.raises(RetriableError, match="55P03"):
            await sink.resume()

        assert other.execute("SELECT 1").fetchone() == (1,)

    await sink.resume()
    await sink.write({"id": 1})
    assert ids(sql) == [1]


@pytest.mark.parametrize("partitions", [1, 12])
async def test_who_can_get_at_its_rows_no_more_claims_them_again(sql: Sql, open_sink: OpenSink, partitions: int):
    """Perhaps it is a connection of its own that holds them, which the server does not know to be lost."""
    sink = await open_sink(mode="insert", uid="u", timeout_ms=600)
    tps = [TopicPartition("orders", n) for n in range(partitions)]
    await sink.sink.resume(tps)
    parts = Batch.concat([make_batch([b"{}"], partition=tp.partition) for tp in tps])

    with psycopg.connect(sql.url, application_name="streamhouse-connect test") as lost:
        lost.execute("SELECT * FROM streamhouse_offsets FOR UPDATE")

        with pytest.raises(Superseded) as caught:
            await sink.sink.write(parts)

        assert caught.value.partitions == set(tps)

    await sink.sink.resume(tps)
    await sink.sink.write(parts)
    assert sql.run("SELECT count(*) FROM orders") == [(partitions,)]


async def test_several_tasks_may_begin_at_once(sql: Sql, open_sink: OpenSink):
    """One of them makes the table, and none fails for it."""
    sinks = await asyncio.gather(*(open_sink(mode="insert", uid=f"u{n}") for n in range(8)))
    await asyncio.gather(*(sink.write(*RECORDS) for sink in sinks))
    assert sql.run("SELECT count(*) FROM orders") == [(160,)]


async def test_of_tasks_that_claim_at_once_one_writes(sql: Sql, open_sink: OpenSink):
    """No two of them have the same generation."""
    sinks = [await open_sink(mode="insert", uid="u") for _ in range(5)]
    await asyncio.gather(*(sink.resume() for sink in sinks))
    results = await asyncio.gather(*(sink.write({"id": 1}) for sink in sinks), return_exceptions=True)
    assert [type(result) for result in results if result] == [Superseded] * 4
    assert ids(sql) == [1]
    assert sql.run("SELECT generation, next_offset FROM streamhouse_offsets") == [(10, 1)]


@pytest.mark.parametrize("count", [3, 12])
async def test_partitions_claimed_in_any_order_never_wait_for_each_other_in_a_circle(
    sql: Sql, open_sink: OpenSink, count: int
):
    """Claims and writes lock their rows in one order."""
    partitions = [TopicPartition("orders", n) for n in range(count)]
    sinks = [await open_sink(mode="insert", uid="u") for _ in range(3)]

    async def contend(sink: PostgresSink, step: int) -> None:
        for _ in range(15):
            mine = partitions[::step]
            held = await sink.resume(mine)
            parts = [make_batch([b"{}"], partition=tp.partition, first_offset=held.get(tp, 0)) for tp in mine]

            try:
                await sink.write(Batch.concat(parts))
            except Superseded:
                continue

    await asyncio.gather(*(contend(sink.sink, step) for sink, step in zip(sinks, (1, -1, 1), strict=True)))
    assert sql.run("SELECT count(*) FROM orders") == sql.run("SELECT sum(next_offset) FROM streamhouse_offsets")


async def test_a_user_who_may_not_make_the_table_is_told_what_to_run(sql: Sql, open_sink: OpenSink, user: str):
    """Never is less promised in silence; after these statements, as the message has them, it works."""
    sql.run("GRANT INSERT ON orders TO stranger")

    with pytest.raises(FatalError, match=re.escape("or set offsets.storage=broker")) as caught:
        await open_sink(url=user, mode="insert")

    assert sql.run("SELECT to_regclass('streamhouse_offsets')") == [(None,)]
    create, _, grant = str(caught.value).partition("; run ")[2].partition(", or set ")[0].partition("; ")
    sql.run(create)

    with pytest.raises(FatalError, match="lacks privileges on the table of offsets") as caught:
        await open_sink(url=user, mode="insert")

    assert grant in str(caught.value)
    sql.run(grant)
    await (await open_sink(url=user, mode="insert")).write({"id": 1})
    assert ids(sql) == [1]


async def test_less_is_promised_where_it_is_asked_for(sql: Sql, open_sink: OpenSink, user: str):
    """Then nothing is kept, nothing is needed, and nobody is fenced."""
    sql.run("GRANT INSERT ON orders TO stranger")
    sinks = [await open_sink(url=user, mode="insert", offsets="broker", uid="u") for _ in range(2)]

    for sink in sinks:
        await sink.sink.skip({ORDERS: 3})
        await sink.sink.reset({ORDERS: 3})
        await sink.write({"id": 1})

    assert sql.run("SELECT to_regclass('streamhouse_offsets')") == [(None,)]
    assert ids(sql) == [1, 1]


async def test_offsets_that_are_left_to_the_broker_are_not_come_back_to(sql: Sql, open_sink: OpenSink):
    """When it is the target's business again, that has to begin where the broker says; other connectors do not mind."""
    other = await open_sink(mode="insert", uid="v")
    await other.write(*RECORDS[:3])
    await (await open_sink(mode="insert", uid="u")).write(*RECORDS[:3])
    between = await open_sink(mode="insert", uid="u", offsets="broker")
    between.at = 3
    await between.write(*RECORDS[3:5])
    assert (await open_sink(mode="insert", uid="u")).at == 0
    await other.write(*RECORDS[3:])


@pytest.mark.parametrize(
    ("definition", "why"),
    [
        ("CREATE TABLE streamhouse_offsets (uid text)", "has no column topic_id, partition"),
        ("CREATE VIEW streamhouse_offsets AS SELECT 1 AS uid", "is no ordinary table"),
        ("CREATE TYPE streamhouse_offsets AS ENUM ()", "is a type"),
    ],
)
async def test_another_table_of_that_name_is_refused(sql: Sql, open_sink: OpenSink, definition: str, why: str):
    """It is somebody's, and stays as it is."""
    sql.run(definition)

    with pytest.raises(FatalError, match=f'"public"."streamhouse_offsets" {why}.*rename it'):
        await open_sink(mode="insert")

    await open_sink(mode="insert", offsets="broker")


async def test_a_foreign_table_weakens_the_promise(sql: Sql, open_sink: OpenSink):
    """Its rows are committed elsewhere."""
    sql.run(
        "CREATE FOREIGN DATA WRAPPER f; CREATE SERVER s FOREIGN DATA WRAPPER f; CREATE FOREIGN TABLE far (id int) SERVER s"
    )
    assert "is a foreign table" in ((await open_sink(mode="insert", table="far")).sink.weakened or "")
    assert (await open_sink(mode="insert", table="far", offsets="broker")).sink.weakened is None
    assert (await open_sink(mode="insert")).sink.weakened is None
    sql.run("DROP FOREIGN DATA WRAPPER f CASCADE")


@pytest.mark.parametrize(
    "name",
    ["x'; DROP TABLE orders; --", 'x"; DROP TABLE orders; --', "%s %(uid)s %", "\\", "{}", "new\nline", "ä" * 300],
)
async def test_names_are_data(sql: Sql, name: str):
    """Of the connector, its uid, its topics and their ids."""
    config = PostgresConfig(url=SecretUrl(sql.url), table_name="orders", insert_mode="insert")
    tp = TopicPartition(name, 0)

    for first_offset in (0, 1):
        sink = PostgresSink(config)
        await sink.open(make_context(connector=name, uid=name, topic_ids={name: name}))
        assert await sink.resume([tp]) == ({tp: first_offset} if first_offset else {})
        await sink.write(make_batch([b'{"id":1}'], topic=name, first_offset=first_offset))
        await sink.close()

    assert sql.run("SELECT uid, topic_id, connector, topic, next_offset FROM streamhouse_offsets") == [
        (name, name, name, name, 2)
    ]
    assert ids(sql) == [1, 1]
