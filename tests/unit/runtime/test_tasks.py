"""A connector with several tasks, on a broker whose consumers share the partitions."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from fakes import Destination, body, until
from groups import SharedMemoryBroker
from streamhouse_connect import FatalError, MemoryBroker, NewRecords, State, TargetState, TopicPartition, Worker

PARTITIONS = 4
TPS = tuple(TopicPartition("orders", partition) for partition in range(PARTITIONS))


@pytest.fixture
async def broker() -> SharedMemoryBroker:
    """A broker with the topic orders, of four partitions."""
    broker = SharedMemoryBroker()
    await broker.create_topic("orders", partitions=PARTITIONS)
    return broker


async def produce(broker: MemoryBroker, count: int) -> list[bytes]:
    """Append so many values, all different, spread over the partitions."""
    values = [b"%d" % n for n in range(count)]
    await broker.append("orders", NewRecords(values=values, partitions=[n % PARTITIONS for n in range(count)]))
    return values


async def test_tasks_share_the_partitions(broker: SharedMemoryBroker) -> None:
    """Each has its part of them, and together they deliver every record once."""
    destination = Destination()
    values = await produce(broker, 1000)

    async with Worker(broker, registry=destination.registry()) as worker:
        await worker.create(body(tasks_max=2))
        await until(lambda: len(broker.group("connect-c").holders) == PARTITIONS)
        await worker.drained("c", timeout=10)
        info = await worker.get("c")

    assert [(task.id, task.state) for task in info.tasks] == [(0, State.RUNNING), (1, State.RUNNING)]
    assert [len(task.partitions) for task in info.tasks] == [2, 2]
    assert sorted(tp for task in info.tasks for tp in task.partitions) == list(TPS)
    assert Counter(destination.values()) == Counter(values)
    assert info.processed == 1000
    assert [each.lag for each in info.partitions] == [0] * PARTITIONS


async def test_all_tasks_are_paused_and_go_on_together(broker: SharedMemoryBroker) -> None:
    """A pause is answered once none of them delivers."""
    destination = Destination()

    async with Worker(broker, registry=destination.registry()) as worker:
        await worker.create(body(tasks_max=3))
        info = await worker.pause("c")
        assert (info.state, info.target, info.tasks) == (State.PAUSED, TargetState.PAUSED, ())
        values = await produce(broker, 100)
        await worker.resume("c")
        await worker.drained("c", timeout=10)

    assert Counter(destination.values()) == Counter(values)


async def test_a_task_that_fails_leaves_the_others_at_work(broker: SharedMemoryBroker) -> None:
    """The connector is degraded, says why, and what the other tasks can deliver is delivered."""
    destination = Destination()
    runs = iter(range(2))

    def opening() -> None:
        if next(runs) == 0:
            raise FatalError("this one has no luck")

    destination.on_open = opening
    values = await produce(broker, 100)

    async with Worker(broker, registry=destination.registry()) as worker:
        await worker.create(body(tasks_max=2))
        await until(lambda: len(destination.records) == 100)
        info = await worker.get("c")

    assert info.state is State.DEGRADED
    assert info.error == "this one has no luck"
    assert Counter(task.state for task in info.tasks) == {State.FAILED: 1, State.RUNNING: 1}
    assert Counter(destination.values()) == Counter(values)


async def test_a_broker_that_gives_the_newest_consumer_all_has_one_task() -> None:
    """More of them would take the partitions away from each other."""
    destination = Destination()
    broker = MemoryBroker()

    async with Worker(broker, registry=destination.registry()) as worker:
        await broker.create_topic("orders", partitions=PARTITIONS)
        values = await produce(broker, 100)
        info = await worker.create(body(tasks_max=2))
        await worker.drained("c", timeout=10)
        assert len((await worker.get("c")).tasks) == 1

    assert Counter(destination.values()) == Counter(values)
    assert info.warnings == ("config.tasks.max has no effect: the consumers of this broker do not share partitions",)


async def test_a_topic_that_was_made_again_is_read_anew(broker: SharedMemoryBroker) -> None:
    """A broker may still hold what was committed in the one before: it counts for nothing, and the status says so."""
    destination = Destination()
    await produce(broker, 100)

    async with Worker(broker, registry=destination.registry()) as worker:
        await worker.create(body())
        await worker.drained("c", timeout=10)
        await worker.pause("c")
        await broker.delete_topic("orders")
        await broker.create_topic("orders", partitions=PARTITIONS)
        await produce(broker, 60)
        before = await worker.get("c")
        await worker.resume("c")
        await worker.drained("c", timeout=10)
        info = await worker.get("c")

    assert [(each.committed, each.lag) for each in before.partitions] == [(None, 15)] * PARTITIONS
    assert len(destination.records) == 160
    assert [(each.committed, each.processed) for each in info.partitions] == [(15, 15)] * PARTITIONS
    assert info.warnings == (
        "topic orders was deleted and made again: what was committed before counts for nothing, it is read anew",
    )


async def test_a_task_holds_no_more_than_its_share_of_the_workers_memory(broker: SharedMemoryBroker) -> None:
    """Whatever its connector may hold, and however large records are; give or take one of each partition."""
    destination = Destination()
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    destination.before_write = lambda: asyncio.wrap_future(asyncio.run_coroutine_threadsafe(gate.wait(), loop))
    partitions = [n % PARTITIONS for n in range(200)]
    await broker.append("orders", NewRecords(values=[b"x" * 50_000] * 200, partitions=partitions))
    share = 2 << 20

    async with Worker(broker, registry=destination.registry(), buffer_memory=share) as worker:
        await worker.create(body(batch_size=5))
        await until(lambda: broker.group("connect-c").members)
        (member,) = broker.group("connect-c").members
        await until(lambda: member.paused == set(TPS))
        assert share <= member.read_bytes <= share + PARTITIONS * 50_000
        gate.set()
        await worker.drained("c", timeout=20)

    assert len(destination.records) == 200
