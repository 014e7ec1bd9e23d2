"""Many paths through one task: how many files there are of them, and that all goes on, in the memory that there is."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fakes import until
from repeats import seeded
from streamhouse_connect import Committed, ConnectorInfo, MemoryBroker, NewRecords, Registry, TopicPartition, Worker
from streamhouse_connect.runtime.memory import Throttle
from streamhouse_connect.runtime.progress import MAX_METADATA
from streamhouse_connect.runtime.sources import group_of

NOON = 1_770_724_800_000  # 2026-02-10T12:00:00Z
HOUR = 3_600_000
NEVER = 3_600_000
"""As batch.interval_ms."""


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    """A worker with the topic orders, of one partition."""
    broker = MemoryBroker()

    async with Worker(broker, registry=Registry(entry_points=False), shutdown_timeout=5.0) as worker:
        await broker.create_topic("orders")
        yield worker


async def create(worker: Worker, root: Path, **options: object) -> ConnectorInfo:
    """Make a file-sink of these options; an underscore stands for a dot."""
    config = {"file.path": str(root), **{key.replace("__", "."): value for key, value in options.items()}}
    return await worker.create({"name": "c", "connectorClass": "file-sink", "topics": ["orders"], "config": config})


async def produce_tenants(worker: Worker, tenants: Sequence[int]) -> None:
    """Append a record of each tenant, with its number."""
    values = [json.dumps({"tenant": f"t{tenant}", "number": number}).encode() for number, tenant in enumerate(tenants)]
    await worker.broker.append("orders", NewRecords(values=values))


def numbers(root: Path) -> Counter[int]:
    """Return the numbers of the records in all files, each of which is under its tenant's path."""
    found: Counter[int] = Counter()

    for path in root.rglob("*.json"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        assert {f"tenant={record['tenant']}" for record in records} == {path.parent.name}
        found.update(record["number"] for record in records)

    return found


@pytest.mark.parametrize("hours", [[12, 13, 12, 13], [13, 12, 13], [14, 13, 12, 13, 14]])
async def test_hours_that_come_in_turns_are_a_file_each(worker: Worker, tmp_path: Path, hours: list[int]) -> None:
    """Late records go to their own hour, and the current one goes on filling; over many polls."""
    for hour in hours:
        timestamps = [NOON + (hour - 12) * HOUR] * 5_000
        await worker.broker.append("orders", NewRecords(values=[b"{}"] * 5_000, timestamps=timestamps))

    await create(worker, tmp_path, partitioning="hourly", batch__size=100_000, batch__interval_ms=NEVER)
    await worker.drained("c", timeout=20)
    lines = {path.parent.name: len(path.read_text().splitlines()) for path in tmp_path.rglob("*.json")}

    assert len([*tmp_path.rglob("*.json")]) == len(set(hours))
    assert lines == {f"hour={hour}": 5_000 * times for hour, times in Counter(hours).items()}


async def test_paths_beyond_those_that_may_be_open_are_written_early(worker: Worker, tmp_path: Path) -> None:
    """Nothing is due by age or size: all but the open ones are written all the same, and reading goes on."""
    source = seeded()
    tenants = [*range(300), *(source.randrange(300) for _ in range(2_700))]
    await produce_tenants(worker, tenants)
    options = {"partitioning": "field", "partitioning__fields": "tenant", "batch__interval_ms": NEVER}
    await create(worker, tmp_path, partitioning__max__open=10, **options)
    most = max(Counter(tenants).values())
    await until(lambda: sum(numbers(tmp_path).values()) >= 3_000 - 10 * most)
    assert (await worker.get("c")).partitions[0].lag != 0
    await worker.drained("c", timeout=20)
    assert numbers(tmp_path) == Counter(range(3_000))


async def test_many_paths_stay_within_the_memory(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 500 paths with a record or two of each poll; what is held stays near buffer.memory, and all goes on."""
    source = seeded()
    bound, peak = 1 << 20, 0
    update = Throttle.update

    def noted(throttle: Throttle, held: Mapping[TopicPartition, int], *others: Any, **more: Any) -> object:
        nonlocal peak
        peak = max(peak, sum(held.values()))
        return update(throttle, held, *others, **more)

    monkeypatch.setattr(Throttle, "update", noted)
    await produce_tenants(worker, [source.randrange(500) for _ in range(4_000)])
    options = {"partitioning": "field", "partitioning__fields": "tenant", "batch__interval_ms": NEVER}
    await create(worker, tmp_path, buffer__memory=bound, partitioning__max__open=1_000, **options)
    await worker.drained("c", timeout=60)

    assert numbers(tmp_path) == Counter(range(4_000))
    assert bound // 2 < peak < bound * 5 // 4


async def test_commits_fit_however_many_paths_are_ahead(worker: Worker, tmp_path: Path) -> None:
    """Where the marks of 500 paths do not fit, what holds the offset back is written; nothing is due by age."""
    source = seeded()
    tenants = [source.randrange(500) for _ in range(10_000)]
    await produce_tenants(worker, tenants)
    options = {"partitioning": "field", "partitioning__fields": "tenant", "batch__interval_ms": NEVER}
    await create(worker, tmp_path, batch__size=12, partitioning__max__open=1_000, **options)
    committed: list[Committed] = []

    async def commit() -> bool:
        found = await worker.broker.committed(group_of("c"))
        committed.extend(found.values())
        return any(commit.offset > 5_000 for commit in found.values())

    async with asyncio.timeout(30):
        while not await commit():
            await asyncio.sleep(0.01)

    assert max(len(commit.metadata) for commit in committed) <= MAX_METADATA
    await worker.drained("c", timeout=20)
    assert numbers(tmp_path) == Counter(range(10_000))


async def test_the_wall_clock_is_told_to_weaken(worker: Worker, tmp_path: Path) -> None:
    """In the status, with the reason, once the connector runs; the time of the record does not."""
    info = await create(worker, tmp_path, partitioning="hourly", partitioning__timestamp="wallclock")
    await until_weakened(worker)
    info = await worker.get("c")
    assert info.guarantee is not None
    assert "partitioning.timestamp=wallclock" in info.guarantee.reason


async def until_weakened(worker: Worker) -> None:
    """Wait until the sink is open."""
    async with asyncio.timeout(10):
        while (found := (await worker.get("c")).guarantee) is None or found.level != "at-least-once":
            await asyncio.sleep(0.005)
