"""Brokers that go away or hang: writes say so in time, everything that reads goes on, and all of it comes back by itself."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from fakes import until
from integration.definitions.conftest import Group
from services import Kafka, Service
from streamhouse_connect import RetriableError
from streamhouse_connect.testing.definitions import make_definition


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "hanging"])
async def test_brokers_out_of_reach(lonely_group: Group, is_killed: bool) -> None:
    """A write fails within seconds with the reason; what is known is told, as stale; when they are back, all is as before."""
    group = lonely_group

    async with group.store() as store, group.store() as other:
        created = await store.create(make_definition("a"))
        await store.put_state("uid-1", "schema", b"1", expected=None)
        await other.report("other", "c", b"1")
        await until(lambda: store._session.reader._reports.of("c", now=time.monotonic()))
        changes = other.changes()

        if is_killed:
            group.server.kill()
        else:
            group.server.suspend()

        await until(lambda: store.stale)
        started = time.monotonic()

        with pytest.raises(RetriableError, match="refused" if is_killed else "do not answer in time"):
            await store.create(make_definition("b"))

        assert time.monotonic() - started < 7
        assert await store.all() == [created]
        assert await store.get_state("uid-1", "schema") == (b"1", 1)
        assert await store.reports("c") == {"other": b"1"}
        assert "group-configs" in str(store.stale)

        if is_killed:
            group.server.start()
        else:
            group.server.wake()

        await until(lambda: not store.stale and not other.stale, within=30)
        second = await store.create(make_definition("c"))
        assert await anext(changes) >= {"c"}
        assert await other.all() == await store.all() == [created, second]


async def test_who_waits_behind_a_failed_write_fails_with_it(lonely_group: Group) -> None:
    """Several writes during an outage fail after the time of one."""
    async with lonely_group.store() as store:
        lonely_group.server.kill()
        started = time.monotonic()
        writes = [store.put_state("uid", str(number), b"", expected=None) for number in range(5)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {RetriableError}
        assert time.monotonic() - started < 8


async def test_closing_does_not_wait_for_brokers(lonely_group: Group) -> None:
    """A worker can be stopped during an outage."""
    store = lonely_group.store()
    await store.open()
    await store.report("worker", "c", b"1")
    lonely_group.server.kill()
    await until(lambda: store.stale)
    started = time.monotonic()
    await store.close()

    assert time.monotonic() - started < 5


async def test_definitions_outlive_a_broker(start_service: Callable[[Service], None]) -> None:
    """They are on several brokers if there are several; while one is down, all goes on."""
    settings = {"transaction.state.log.replication.factor": 2, "offsets.topic.replication.factor": 2}
    first = Kafka(settings)
    start_service(first)
    second = Kafka(settings, joins=first)
    start_service(second)
    group = Group("group", first)

    async with group.store() as store:
        topics = first.admin().list_topics(timeout=10).topics
        created = await store.create(make_definition("a"))
        second.kill()

        assert [len(topics[name].partitions[0].replicas) for name in (group.configs, group.status)] == [2, 2]
        assert await store.all() == [created]
        await until(lambda: store.stale is None, within=20)

        for _ in range(6):  # of 5 s each
            with suppress(RetriableError):
                await store.replace(created)
                break

        assert [definition.version for definition in await store.all()] == [2]
