"""Several hosts in one URL: the first that can be written to is used, and looked for again when it is lost."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from services import Postgres
from services.ports import free_port
from streamhouse_connect import RetriableError

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY)"
MAJOR = pytest.mark.parametrize("postgres_server", [18], indirect=True)


@pytest.fixture
def standby(sql: Sql) -> Iterator[Sql]:
    """A server that can't be written to until it is promoted, with a table of its own."""
    with Postgres(18) as server:
        there = Sql(server.create_database("postgres_sink"), server)
        there.run(ORDERS)
        server.become_standby()
        yield there


@pytest.fixture(autouse=True)
def orders(sql: Sql) -> None:
    sql.run(ORDERS)


def url(*ports: int) -> str:
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"postgresql://postgres@{hosts}/postgres_sink"


@MAJOR
async def test_hosts_that_are_down_or_read_only_are_passed_over(sql: Sql, standby: Sql, open_sink: OpenSink):
    """Without a word about it in the URL."""
    sink = await open_sink(url=url(free_port(), standby.server.port, sql.server.port))
    await sink.write({"id": 1})
    assert sql.run("SELECT * FROM orders") == [(1,)]
    assert standby.run("SELECT * FROM orders") == []


@MAJOR
async def test_a_standby_is_waited_for_until_it_is_promoted(standby: Sql, open_sink: OpenSink):
    """When the server that was written to is lost, and again when there never was another."""
    hosts = url(free_port(), standby.server.port)

    with pytest.raises(RetriableError, match=r"can.t connect to PostgreSQL at 127\.0\.0\.1:.* read-only"):
        await open_sink(url=hosts)

    promote(standby)
    await (await open_sink(url=hosts)).write({"id": 1})
    assert standby.run("SELECT * FROM orders") == [(1,)]


@MAJOR
async def test_a_failover_is_followed(sql: Sql, standby: Sql, open_sink: OpenSink):
    """The next connection leads to the server that was promoted."""
    sink = await open_sink(url=url(sql.server.port, standby.server.port), offsets="broker")
    await sink.write({"id": 1})
    sql.server.kill()

    for _ in range(2):
        with pytest.raises(RetriableError):
            await sink.write({"id": 2})

    promote(standby)
    await sink.write({"id": 2})
    assert standby.run("SELECT * FROM orders") == [(2,)]


@MAJOR
async def test_a_single_server_that_has_become_a_standby_is_tried_again_later(standby: Sql, open_sink: OpenSink):
    """25006: it may be promoted again."""
    with pytest.raises(RetriableError, match="25006"):
        await open_sink(url=standby.url)


def promote(standby: Sql) -> None:
    with psycopg.connect(standby.url, autocommit=True) as connection:
        assert connection.execute("SELECT pg_promote()").fetchone() == (True,)
