"""What a deleted connector leaves at the broker: nobody waits long for it to go, and nobody takes it for their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from fakes import Destination, body, until
from streamhouse_connect import MemoryBroker, NewRecords, RetriableError, SqliteDefinitionStore, TopicPartition, Worker
from streamhouse_connect.runtime import leftovers

GROUP = "connect-c"


class HeldBroker(MemoryBroker):
    """A broker whose groups can't be deleted as long as somebody is said to be in them."""

    is_held = True

    async def delete_group(self, group: str) -> None:
        if self.is_held:
            raise RetriableError(f"the group {group} has members")

        await super().delete_group(group)


@attrs.frozen
class Bench:
    worker: Worker
    broker: HeldBroker
    destination: Destination


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A worker that has deleted the connector c, which had delivered a record; its group is held."""
    monkeypatch.setattr(leftovers, "_PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(leftovers, "_LOOK_SECONDS", 0.005)
    monkeypatch.setattr(leftovers, "_LATER_SECONDS", 0.02)
    destination, broker = Destination(), HeldBroker()
    definitions = SqliteDefinitionStore(tmp_path)

    async with Worker(broker, definitions=definitions, registry=destination.registry()) as worker:
        await broker.create_topic("orders")
        await broker.append("orders", NewRecords(values=[b"a"]))
        await worker.create(body())
        await worker.drained("c", timeout=10)
        await worker.delete("c")
        yield Bench(worker, broker, destination)


async def test_a_connector_made_again_starts_anew_though_its_group_is_held(bench: Bench) -> None:
    """The commits of the former one do not count, neither as offsets nor as records processed."""
    assert (await bench.broker.committed(GROUP))[TopicPartition("orders", 0)].offset == 1
    made = await bench.worker.create({**body(), "initialState": "paused"})
    assert (made.processed, made.partitions[0].committed, made.partitions[0].lag) == (0, None, 1)
    await bench.worker.resume("c")
    await bench.worker.drained("c", timeout=10)
    assert bench.destination.values() == [b"a", b"a"]
    assert (await bench.worker.get("c")).processed == 1


async def test_a_connector_made_again_can_be_told_from_the_former_one(bench: Bench) -> None:
    """Though it is in the same version."""
    first = await bench.worker.create(body())
    await bench.worker.delete("c")
    second = await bench.worker.create(body())
    assert first.version == second.version == 1
    assert first.uid != second.uid
    assert first.created_at != second.created_at


async def test_what_is_left_is_forgotten_later(bench: Bench) -> None:
    """As soon as nobody holds it any more."""
    bench.broker.is_held = False

    async with asyncio.timeout(10):
        while await bench.broker.committed(GROUP):
            await asyncio.sleep(0.005)


async def test_the_commits_of_a_connector_made_again_are_let_be(bench: Bench) -> None:
    """What is forgotten later must not be another one's."""
    await bench.worker.create(body())
    await bench.worker.drained("c", timeout=10)
    bench.broker.is_held = False
    await until(lambda: not bench.worker._leftovers._tasks)
    assert await bench.broker.committed(GROUP)


async def test_who_can_not_be_made_to_let_go_is_told_of(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The commits stay, and do no harm."""
    monkeypatch.setattr(leftovers, "_TRIES", 2)
    await bench.worker.create(body("d"))
    await bench.worker.delete("d")
    await until(lambda: "offsets_left_behind connector=d" in caplog.text)
