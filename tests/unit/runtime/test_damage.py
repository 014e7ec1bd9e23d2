"""A definition that can't be read: its connector is shown as failed, and harms no other."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fakes import Destination, body, until
from streamhouse_connect import ConflictError, MemoryBroker, NewRecords, SqliteDefinitionStore, State, Worker


async def test_one_definition_that_can_not_be_read_stops_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its connector is shown as failed with the reason; all that can be done about it here is to delete it."""
    destination = Destination()
    definitions = SqliteDefinitionStore(tmp_path)

    async with Worker(MemoryBroker(), definitions=definitions, registry=destination.registry()) as worker:
        await worker.broker.create_topic("orders")
        await worker.create(body("sound"))
        await worker.create(body("torn", fake_password="hunter2"))

    with closing(sqlite3.connect(definitions.path, isolation_level=None)) as connection:
        connection.execute("UPDATE definitions SET definition = substr(definition, 1, 80) WHERE name = 'torn'")

    async with Worker(MemoryBroker(), definitions=definitions, registry=destination.registry()) as worker:
        await worker.broker.create_topic("orders")
        await worker.broker.append("orders", NewRecords(values=[b"a"]))
        await until(lambda: destination.values() == [b"a"])
        sound, torn = await worker.connectors()
        assert (sound.name, sound.state) == ("sound", State.RUNNING)
        assert (torn.name, torn.state) == ("torn", State.FAILED)
        assert torn.error is not None
        assert "definition of connector 'torn' is damaged" in torn.error
        assert await worker.get("torn") == torn
        states = {
            s.labels["connector"]: s.labels["state"]
            for s in worker.metrics.samples()
            if s.value and "state" in s.labels
        }
        assert states == {"sound": "running", "torn": "failed"}

        for refused in (worker.create(body("torn")), worker.pause("torn"), worker.update("torn", body("torn"))):
            with pytest.raises(ConflictError) as caught:
                await refused

            assert caught.value.code == "definition_damaged"

        await worker.delete("torn")
        assert [info.name for info in await worker.connectors()] == ["sound"]
        assert (await worker.create(body("torn"))).state is not State.FAILED

    assert "definition_damaged connector=torn error=" in caplog.text
    assert "hunter2" not in caplog.text
