"""Several workers on one broker and the same definitions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import attrs
import pytest

from fakes import Destination, body, until
from groups import SharedMemoryBroker
from stores import SharedDefinitionStore, SharedMemory
from streamhouse_connect import (
    ConflictError,
    ConnectorInfo,
    Definition,
    FatalError,
    NewRecords,
    NotFoundError,
    Registry,
    RetriableError,
    State,
    TargetState,
    TopicPartition,
    Worker,
)

PARTITIONS = 4


@attrs.define(eq=False)
class Cluster:
    """Workers that share everything but their registries and their views of the definitions."""

    broker: SharedMemoryBroker
    first: Worker
    second: Worker
    stores: tuple[SharedDefinitionStore, SharedDefinitionStore]
    destination: Destination

    async def produce(self, count: int) -> list[bytes]:
        """Append so many values, all different, spread over the partitions."""
        values = [b"%d" % n for n in range(count)]
        partitions = [n % PARTITIONS for n in range(count)]
        await self.broker.append("orders", NewRecords(values=values, partitions=partitions))
        return values

    async def seen(self, worker: Worker, state: State, tasks: int | None = None) -> ConnectorInfo:
        """Wait until a worker shows a state, and so many tasks."""
        async with asyncio.timeout(10):
            while True:
                info = await worker.get("c") if "c" in [each.name for each in await worker.connectors()] else None

                if info and info.state is state and tasks in (None, len(info.tasks)):
                    return info

                await asyncio.sleep(0.01)


@pytest.fixture
def destination() -> Destination:
    """A destination that takes everything."""
    return Destination()


@pytest.fixture
async def cluster(destination: Destination) -> AsyncIterator[Cluster]:
    """Two workers, and the topic orders."""
    broker, shared = SharedMemoryBroker(), SharedMemory()
    await broker.create_topic("orders", partitions=PARTITIONS)
    first, second = SharedDefinitionStore(shared), SharedDefinitionStore(shared)
    registry = destination.registry()

    async with (
        Worker(broker, definitions=first, registry=registry, worker_id="a", shutdown_timeout=2.0) as one,
        Worker(broker, definitions=second, registry=registry, worker_id="b", shutdown_timeout=2.0) as two,
    ):
        yield Cluster(broker, one, two, (first, second), destination)


async def test_a_connector_runs_on_every_worker(cluster: Cluster) -> None:
    """Each has its part of the partitions, and each shows the tasks of all."""
    values = await cluster.produce(1000)
    await cluster.first.create(body())
    await until(lambda: len(cluster.broker.group("connect-c").members) == 2)
    await cluster.second.drained("c", timeout=10)
    infos = [await cluster.seen(worker, State.RUNNING, tasks=2) for worker in (cluster.first, cluster.second)]

    for worker, info in zip("ab", infos, strict=True):
        assert [task.worker for task in info.tasks] == [worker, "b" if worker == "a" else "a"]
        assert info.processed == 1000
        assert [(each.committed, each.lag) for each in info.partitions] == [(250, 0)] * PARTITIONS

    async def shared_out() -> bool:
        parts = [len(task.partitions) for task in (await cluster.first.get("c")).tasks]
        return parts == [2, 2]

    async with asyncio.timeout(10):
        while not await shared_out():
            await asyncio.sleep(0.01)

    assert Counter(cluster.destination.values()) == Counter(values)


async def test_a_pause_reaches_every_worker(cluster: Cluster) -> None:
    """And so does going on; what is asked of one worker may be asked of another."""
    await cluster.first.create(body(tasks_max=2))
    await cluster.seen(cluster.second, State.RUNNING, tasks=4)
    info = await cluster.second.pause("c")
    assert (info.state, info.target) == (State.PAUSED, TargetState.PAUSED), "all have paused when it is answered"
    info = await cluster.seen(cluster.first, State.PAUSED, tasks=0)
    assert info.target is TargetState.PAUSED
    values = await cluster.produce(100)
    await cluster.first.resume("c")
    await cluster.second.drained("c", timeout=10)
    assert Counter(cluster.destination.values()) == Counter(values)


async def test_a_new_configuration_reaches_every_worker(cluster: Cluster) -> None:
    """Whoever was asked."""
    await cluster.first.create(body())
    await cluster.seen(cluster.second, State.RUNNING)
    info = await cluster.second.update("c", body(tasks_max=3))
    assert info.version == 2
    info = await cluster.seen(cluster.first, State.RUNNING, tasks=6)
    assert info.config == {"tasks.max": 3}


async def test_a_deleted_connector_is_gone_everywhere(cluster: Cluster) -> None:
    """With what it had committed: made again it starts anew."""
    await cluster.produce(100)
    await cluster.first.create(body())
    await cluster.first.drained("c", timeout=10)
    await cluster.second.delete("c")
    assert await cluster.second.connectors() == []

    async with asyncio.timeout(10):
        while await cluster.first.connectors():
            await asyncio.sleep(0.01)

    with pytest.raises(NotFoundError):
        await cluster.first.get("c")

    assert cluster.stores[0].shared.reports == {}
    await cluster.first.create(body())
    await cluster.first.drained("c", timeout=10)
    assert len(cluster.destination.records) == 200


async def test_a_worker_knows_at_once_what_another_has_made(cluster: Cluster) -> None:
    """Even if it has not come to run it yet."""
    await cluster.first.create(body())
    assert (await cluster.second.get("c")).name == "c"

    with pytest.raises(ConflictError) as caught:
        await cluster.second.create(body())

    assert caught.value.code == "connector_exists"


async def test_a_restart_restarts_the_tasks_of_every_worker(cluster: Cluster) -> None:
    """They may all have failed."""
    await cluster.first.create(body())
    await until(lambda: cluster.destination.opened == 2)
    await cluster.second.restart("c")
    await until(lambda: cluster.destination.opened == 4)


async def test_resume_gets_a_connector_going_that_has_failed_elsewhere(cluster: Cluster) -> None:
    """It is wanted to run, and another worker's task does not."""
    failures = iter([FatalError("no luck")])

    def opening() -> None:
        if error := next(failures, None):
            raise error

    cluster.destination.on_open = opening
    await cluster.first.create(body())
    info = await cluster.seen(cluster.second, State.DEGRADED, tasks=2)
    assert info.error == "no luck"
    healthy = next(task.worker for task in info.tasks if task.state is not State.FAILED)
    values = await cluster.produce(100)
    await (cluster.first if healthy == "a" else cluster.second).resume("c")
    await cluster.first.drained("c", timeout=10)
    await cluster.seen(cluster.second, State.RUNNING, tasks=2)
    assert Counter(cluster.destination.values()) == Counter(values)


async def test_a_worker_that_lacks_the_plugin_harms_nobody(destination: Destination) -> None:
    """There the connector is failed, and says what is missing; the others do the work."""
    broker, shared = SharedMemoryBroker(), SharedMemory()
    await broker.create_topic("orders", partitions=PARTITIONS)
    poor = Worker(
        broker, definitions=SharedDefinitionStore(shared), registry=Registry(entry_points=False), worker_id="poor"
    )

    async with Worker(broker, definitions=SharedDefinitionStore(shared), registry=destination.registry()) as rich, poor:
        cluster = Cluster(broker, rich, poor, (SharedDefinitionStore(shared),) * 2, destination)
        values = await cluster.produce(100)
        await rich.create(body())
        await rich.drained("c", timeout=10)
        info = await cluster.seen(poor, State.DEGRADED, tasks=2)
        expected = {"poor": State.FAILED, rich.id: State.RUNNING}

        while {task.worker: task.state for task in info.tasks} != expected:  # until it has heard so
            await asyncio.sleep(0.01)
            info = await cluster.seen(poor, State.DEGRADED, tasks=2)

        assert info.error is not None
        assert "fake-sink" in info.error

    assert Counter(destination.values()) == Counter(values)


async def test_of_two_changes_neither_is_lost(cluster: Cluster) -> None:
    """A pause does not put back what another worker has changed in the meantime."""
    await cluster.first.create(body())
    (stored,) = await cluster.stores[0].all()
    cluster.stores[0].before_replace.append(attrs.evolve(stored, config={"batch.size": 7}))
    info = await cluster.first.pause("c")
    assert (info.config, info.target, info.version) == ({"batch.size": 7}, TargetState.PAUSED, 3)


@pytest.mark.parametrize("change", ["update", "pause", "stop", "resume", "restart", "delete"])
async def test_who_has_seen_another_version_changes_nothing(cluster: Cluster, change: str) -> None:
    """A change may say which version it is meant for."""
    await cluster.first.create(body())
    await cluster.second.update("c", body(batch_size=7))
    arguments = [body()] if change == "update" else []

    with pytest.raises(ConflictError) as caught:
        await getattr(cluster.first, change)("c", *arguments, expected_version=1)

    assert caught.value.code == "version_changed"
    info = await cluster.second.get("c")
    assert (info.config, info.target, info.version) == ({"batch.size": 7}, TargetState.RUNNING, 2)
    await getattr(cluster.first, change)("c", *arguments, expected_version=2)


async def test_while_the_definitions_are_out_of_reach_work_and_answers_go_on(cluster: Cluster) -> None:
    """What is known is shown, marked stale with the reason; what would change it is refused with the reason."""
    await cluster.first.create(body())
    cluster.stores[0].out_of_reach = "no broker answers"

    for attempt in (cluster.first.pause("c"), cluster.first.delete("c"), cluster.first.create(body("d"))):
        with pytest.raises(RetriableError, match="no broker answers"):
            await attempt

    values = await cluster.produce(100)
    await cluster.first.drained("c", timeout=10)
    info = await cluster.first.get("c")
    assert (info.stale, info.target) == ("no broker answers", TargetState.RUNNING)
    cluster.stores[0].out_of_reach = None
    assert (await cluster.first.get("c")).stale is None
    assert Counter(cluster.destination.values()) == Counter(values)


async def test_while_the_broker_does_not_answer_what_was_known_is_shown(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Partitions, offsets and lag are those of the last answer."""
    await cluster.produce(100)
    await cluster.first.create(body())
    await cluster.first.drained("c", timeout=10)
    before = await cluster.first.get("c")

    async def unreachable(*_: object) -> object:
        raise RetriableError("cannot reach broker-1")

    monkeypatch.setattr(cluster.broker, "watermarks", unreachable)
    now = await cluster.first.get("c")
    assert now.stale == "cannot reach broker-1"
    assert now.partitions == before.partitions
    assert now.processed == 100


async def test_a_worker_that_leaves_is_seen_to_be_gone_and_its_work_taken_over(destination: Destination) -> None:
    """Nothing is lost, and nothing delivered twice."""
    broker, shared = SharedMemoryBroker(), SharedMemory()
    await broker.create_topic("orders", partitions=PARTITIONS)

    async with Worker(broker, definitions=SharedDefinitionStore(shared), registry=destination.registry()) as stays:
        leaves = Worker(broker, definitions=SharedDefinitionStore(shared), registry=destination.registry())
        cluster = Cluster(broker, stays, leaves, (SharedDefinitionStore(shared),) * 2, destination)

        async with leaves:
            await stays.create(body())
            await cluster.seen(stays, State.RUNNING, tasks=2)
            await cluster.produce(1000)

        info = await cluster.seen(stays, State.RUNNING, tasks=1)
        assert info.tasks[0].worker == stays.id
        await stays.drained("c", timeout=10)

    assert len(destination.records) == 1000
    assert Counter(destination.values()) == Counter({b"%d" % n: 1 for n in range(1000)})


def processed(*workers: Worker) -> float:
    """Return what the metrics of these workers say that was delivered."""
    samples = [sample for worker in workers for sample in worker.metrics.samples()]
    return sum(sample.value for sample in samples if sample.name == "connector_records_processed")


async def test_the_metric_of_a_worker_counts_what_it_has_delivered_itself(cluster: Cluster) -> None:
    """So that the sum over all workers is what was delivered."""
    await cluster.first.create(body())
    await until(lambda: len(set(cluster.broker.group("connect-c").holders.values())) == 2)
    await cluster.produce(1000)
    await cluster.first.drained("c", timeout=10)
    await until(lambda: processed(cluster.first, cluster.second) == 1000)


async def test_the_metric_does_not_fall_when_partitions_leave_a_worker() -> None:
    """Nor is anything counted twice: who takes them over begins where the other has ended."""
    broker, shared, destination = SharedMemoryBroker(), SharedMemory(), Destination()
    await broker.create_topic("orders", partitions=PARTITIONS)

    def worker() -> Worker:
        return Worker(broker, definitions=SharedDefinitionStore(shared), registry=destination.registry())

    async with worker() as stays:
        await stays.create(body())
        cluster = Cluster(broker, stays, stays, (SharedDefinitionStore(shared),) * 2, destination)
        await cluster.produce(1000)
        await stays.drained("c", timeout=10)
        await until(lambda: processed(stays) == 1000)

        async with worker() as comes:
            await until(lambda: len(set(broker.group("connect-c").holders.values())) == 2)
            assert (processed(stays), processed(comes)) == (1000, 0)
            await cluster.produce(1000)
            await stays.drained("c", timeout=10)
            await until(lambda: processed(stays, comes) == 2000)
            assert processed(stays) == 1500

        await cluster.seen(stays, State.RUNNING, tasks=1)
        await cluster.produce(1000)
        await stays.drained("c", timeout=10)
        await until(lambda: processed(stays) == 2500)


async def test_missed_records_are_shown_by_every_worker(cluster: Cluster) -> None:
    """Whoever missed them."""
    await cluster.first.create(body())
    await cluster.seen(cluster.second, State.RUNNING, tasks=2)
    tp = TopicPartition("orders", 1)
    holder = cluster.broker.group("connect-c").holders[tp]
    await holder._listener.missed(tp, 3, 10)

    async with asyncio.timeout(10):
        while [each.missed for each in (await cluster.first.get("c")).partitions] != [0, 7, 0, 0] or [
            each.missed for each in (await cluster.second.get("c")).partitions
        ] != [0, 7, 0, 0]:
            await asyncio.sleep(0.01)


async def test_a_change_that_was_not_noticed_is_found(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker looks for itself every few seconds, and an accident at that does not end it."""
    monkeypatch.setattr("streamhouse_connect.runtime.peers._REVIEW_SECONDS", 0.01)
    store = SharedDefinitionStore(cluster.stores[0].shared)
    everything = store.all
    accidents = iter([RuntimeError("an accident")])

    async def all_or_accident() -> list[Definition]:
        if error := next(accidents, None):
            raise error

        return await everything()

    async with Worker(cluster.broker, definitions=store, registry=cluster.destination.registry()) as third:
        monkeypatch.setattr(store, "all", all_or_accident)
        store.shared.listeners.clear()
        await cluster.first.create(body())

        async with asyncio.timeout(10):
            while not await third.connectors():
                await asyncio.sleep(0.01)
