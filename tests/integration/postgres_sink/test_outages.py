"""A server that goes away, hangs or refuses: nothing is lost, nothing is half written, nobody waits for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from integration.postgres_sink.conftest import Opened, OpenSink, Sql
from streamhouse_connect import FatalError, RetriableError, Secret

SINKS = "application_name LIKE 'streamhouse%'"
WAITING = f"SELECT count(*) FROM pg_stat_activity WHERE {SINKS} AND wait_event_type = 'Lock'"
RECORDS = [{"id": n, "a": n} for n in range(1000)]
MODES = pytest.mark.parametrize("mode", ["insert", "upsert"])


@pytest.fixture(autouse=True)
def orders(sql: Sql) -> None:
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int)")


async def waiting(sql: Sql, write: asyncio.Task[None]) -> None:
    """Wait until the write waits for a lock."""
    while sql.run(WAITING) == [(0,)]:
        assert not write.done()
        await asyncio.sleep(0.01)


def written(sql: Sql) -> int:
    ((count,),) = sql.run("SELECT count(*) FROM orders")
    return int(count)


@MODES
async def test_a_server_that_was_restarted_is_met_again(sql: Sql, open_sink: OpenSink, mode: str):
    """A crash between two writes fails one of them; what was written before is there."""
    sink = await open_sink(mode=mode)
    await sink.write(*RECORDS[:500])
    sql.server.kill()

    with pytest.raises(RetriableError):
        await sink.write(*RECORDS[500:])

    with pytest.raises(RetriableError, match="can't connect"):
        await sink.write(*RECORDS[500:])

    sql.server.start()
    await sink.write(*RECORDS[500:])
    assert written(sql) == 1000


@MODES
async def test_a_server_that_crashes_during_a_write_has_written_nothing(sql: Sql, open_sink: OpenSink, mode: str):
    """And has all of it after the same write again."""
    sink = await open_sink(mode=mode)

    with closing(psycopg.connect(sql.url)) as other:
        other.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        write = asyncio.create_task(sink.write(*RECORDS))
        await waiting(sql, write)
        sql.server.kill()

    with pytest.raises(RetriableError):
        await write

    sql.server.start()
    assert written(sql) == 0
    await sink.write(*RECORDS)
    assert written(sql) == 1000


@MODES
async def test_a_backend_that_is_terminated_during_a_write_has_written_nothing(
    sql: Sql, open_sink: OpenSink, mode: str
):
    """An administrator may do that at any time."""
    sink = await open_sink(mode=mode)

    with psycopg.connect(sql.url) as other:
        other.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        write = asyncio.create_task(sink.write(*RECORDS))
        await waiting(sql, write)
        sql.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {SINKS}")

    with pytest.raises(RetriableError, match="57P01"):
        await write

    assert written(sql) == 0
    await sink.write(*RECORDS)
    assert written(sql) == 1000


async def test_a_backend_that_is_terminated_at_commit_has_written_nothing(sql: Sql, open_sink: OpenSink):
    """The answer to COMMIT never comes."""
    sql.run(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$"
    )
    sql.run(
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION f()"
    )
    sink = await open_sink()

    with psycopg.connect(sql.url) as other:
        other.execute("SELECT pg_advisory_lock(1)")
        write = asyncio.create_task(sink.write(*RECORDS))
        await waiting(sql, write)
        ((statement,),) = sql.run(f"SELECT query FROM pg_stat_activity WHERE {SINKS}")
        assert statement.endswith("COMMIT")
        sql.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {SINKS}")

    with pytest.raises(RetriableError):
        await write

    assert written(sql) == 0
    await sink.write(*RECORDS)
    assert written(sql) == 1000


@MODES
async def test_nothing_is_lost_while_connections_keep_breaking(sql: Sql, open_sink: OpenSink, mode: str):
    """Written again and again until it succeeds, every record is there in the end, once."""
    sink = await open_sink(mode=mode)
    breaks = 0

    async def deliver() -> None:
        for start in range(0, 1000, 50):
            while True:
                try:
                    await sink.write(*RECORDS[start : start + 50])
                except RetriableError:
                    continue

                break

    delivery = asyncio.create_task(deliver())

    while not delivery.done():
        breaks += len(sql.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {SINKS}"))
        await asyncio.sleep(0.03)

    await delivery
    assert breaks
    assert sql.run("SELECT count(*), sum(a) FROM orders") == [(1000, sum(range(1000)))]


@pytest.fixture
def frozen(sql: Sql) -> Iterator[None]:
    """The server is frozen whenever a test froze it, until here."""
    yield
    sql.server.wake()


async def test_a_server_that_hangs_is_left_and_met_again(sql: Sql, open_sink: OpenSink, frozen: None):
    """Frozen, it accepts connections and answers nothing: neither to a write nor to a newcomer."""
    sink = await open_sink(timeout_ms=800)
    sql.server.suspend()
    started = time.monotonic()

    for _ in range(2):
        with pytest.raises(RetriableError, match="did not answer within 800 ms"):
            await sink.write(*RECORDS)

    with pytest.raises(RetriableError, match="did not answer within 800 ms"):
        await open_sink(timeout_ms=800)

    assert time.monotonic() - started < 5
    sql.server.wake()
    await (await open_sink()).write(*RECORDS)
    assert written(sql) == 1000


async def test_a_write_to_a_server_that_hangs_can_be_cancelled(sql: Sql, open_sink: OpenSink, frozen: None):
    """At once: nobody waits for the server's consent."""
    sink = await open_sink()
    sql.server.suspend()
    write = asyncio.create_task(sink.write(*RECORDS))
    await asyncio.sleep(0.05)
    started = time.monotonic()
    write.cancel()

    with pytest.raises(asyncio.CancelledError):
        await write

    assert time.monotonic() - started < 1
    sql.server.wake()
    await sink.write(*RECORDS)
    assert written(sql) == 1000


@MODES
async def test_a_lock_that_somebody_holds_is_not_waited_for_for_ever(sql: Sql, open_sink: OpenSink, mode: str):
    """The server itself gives up in time, and its words are passed on."""
    sink = await open_sink(mode=mode, timeout_ms=600)

    with psycopg.connect(sql.url) as other:
        other.execute("LOCK TABLE orders IN EXCLUSIVE MODE")

        with pytest.raises(RetriableError, match="timeout"):
            await sink.write(*RECORDS)

    await sink.write(*RECORDS)
    assert written(sql) == 1000


async def test_closing_is_harmless_to_repeat(sql: Sql, open_sink: OpenSink):
    """Also after the connection was lost; afterwards nobody is connected."""
    sink = await open_sink()
    sql.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {SINKS}")
    await sink.sink.close()
    await sink.sink.close()

    while sql.run(f"SELECT count(*) FROM pg_stat_activity WHERE {SINKS}") != [(0,)]:  # backends end in their own time
        await asyncio.sleep(0.01)


@pytest.fixture
def passwords(sql: Sql) -> Iterator[None]:
    """The server asks `stranger` for a password."""
    rules = sql.server.directory / "data" / "pg_hba.conf"
    before = rules.read_text()
    sql.run("CREATE ROLE stranger LOGIN PASSWORD 'hunter2'")
    sql.run("GRANT ALL ON orders TO stranger; GRANT CREATE ON SCHEMA public TO stranger")
    rules.write_text(f"host all stranger all scram-sha-256\n{before}")
    sql.run("SELECT pg_reload_conf()")
    yield
    rules.write_text(before)
    sql.run("SELECT pg_reload_conf()")
    sql.run("DROP OWNED BY stranger; DROP ROLE stranger")


async def test_a_wrong_password_needs_somebody(sql: Sql, open_sink: OpenSink, passwords: None):
    """It is not told, and neither is the right one; none at all is as wrong."""
    await (await open_sink(url=sql.url.replace("postgres@", "stranger:hunter2@"))).write(*RECORDS)
    await (await open_sink(url=sql.url.replace("postgres@", "stranger@") + "?password=hunter2")).write(*RECORDS)

    nobody = sql.url.replace("postgres@", "stranger@")
    await (await open_sink(url=nobody, password=Secret("hunter2"))).write(*RECORDS)

    with pytest.raises(FatalError, match=r"correct the user in connection\.url, and the password") as wrong:
        await open_sink(url=nobody, password=Secret("hunter3"))

    assert "hunter" not in str(wrong.value)

    for credentials in ("stranger:hunter3@", "stranger@"):
        with pytest.raises(FatalError, match="correct the user in") as caught:
            await open_sink(url=sql.url.replace("postgres@", credentials))

        assert "hunter" not in str(caught.value)

    assert written(sql) == 1000


async def test_a_password_that_was_changed_fails_the_next_connection(sql: Sql, open_sink: OpenSink, passwords: None):
    """Not the one that is open."""
    sink = await open_sink(url=sql.url.replace("postgres@", "stranger:hunter2@"))
    sql.run("ALTER ROLE stranger PASSWORD 'other'")
    await sink.write(*RECORDS[:10])
    sql.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {SINKS}")

    with pytest.raises(RetriableError):
        await sink.write(*RECORDS)

    with pytest.raises(FatalError, match="correct the user in"):
        await sink.write(*RECORDS)


async def test_every_connection_has_its_limits_and_a_name(sql: Sql, open_sink: OpenSink):
    """Times after which the server gives up, and the connector's name for who looks at its connections."""
    sink = await open_sink(timeout_ms=12_345)
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "application_name")
    found = [await setting(sink, name) for name in names]
    assert found == ["12345ms"] * 3 + ["streamhouse-connect test"]
    named = await open_sink(url=f"{sql.url}?application_name=mine")
    assert await setting(named, "application_name") == "mine"


async def test_the_server_looks_whether_its_client_is_still_there(sql: Sql, open_sink: OpenSink):
    """So that the locks of a connection that was dropped do not outlive it."""
    assert await setting(await open_sink(), "client_connection_check_interval") == "5s"


async def test_what_is_committed_is_on_disk(sql: Sql, open_sink: OpenSink):
    """Even where the database prefers to answer earlier."""
    sql.run("ALTER DATABASE postgres_sink SET synchronous_commit = off")
    sink = await open_sink()
    assert await setting(sink, "synchronous_commit") == "on"


async def setting(sink: Opened, name: str) -> str:
    session = sink.sink._session
    assert session is not None
    row = await (await session._connection.execute("SELECT current_setting(%s)", [name])).fetchone()
    assert row is not None
    return str(row[0])
