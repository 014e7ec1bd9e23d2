"""Brokers that go away while nothing is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fakes import Destination, body, until
from services import Kafka, Service
from streamhouse_connect import ConnectorInfo, KafkaBroker, NewRecords, State, Worker


async def reach(worker: Worker, state: State, *, within: float) -> ConnectorInfo:
    """Wait until the connector `c` is in a state."""
    async with asyncio.timeout(within):
        while (info := await worker.get("c")).state is not state:
            await asyncio.sleep(0.1)

    return info


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "hanging"])
async def test_an_idle_connector_tells_that_its_brokers_do_not_answer(
    start_service: Callable[[Service], None], is_killed: bool
) -> None:
    """Within seconds, with the reason; and when they answer again it runs by itself."""
    server = Kafka()
    start_service(server)
    destination = Destination()

    async with Worker(KafkaBroker(server.bootstrap), registry=destination.registry()) as worker:
        await worker.broker.create_topic("orders")
        await worker.create(body())
        await worker.broker.append("orders", NewRecords(values=[b"a"]))
        await worker.drained("c", timeout=30)
        await reach(worker, State.RUNNING, within=10)

        if is_killed:
            server.kill()
        else:
            server.suspend()

        info = await reach(worker, State.RETRYING, within=20)
        assert "the brokers do not answer since" in str(info.error)

        if is_killed:
            server.start()
        else:
            server.wake()

        info = await reach(worker, State.RUNNING, within=30)
        assert info.error is None
        await worker.broker.append("orders", NewRecords(values=[b"b"]))
        await until(lambda: destination.values() == [b"a", b"b"], within=30)
