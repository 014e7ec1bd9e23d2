"""Exactly once over files while workers and tasks share the partitions: a model of all that moves them about."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groups import SharedMemoryBroker
from stores import SharedDefinitionStore, SharedMemory
from streamhouse_connect import NewRecords, Registry, Worker

PARTITIONS = 4
GROUP = "connect-c"

EVENTS = st.lists(
    st.sampled_from(
        ["join", "leave", "expel", "expel", "restart", "pause", "forget", "resize", "produce", "produce", "wait"]
    ),
    max_size=12,
)


@attrs.define(eq=False)
class Model:
    """The workers, what they share, and what is to be found in the end."""

    root: Path
    random: random.Random
    broker: SharedMemoryBroker = attrs.field(factory=SharedMemoryBroker)
    shared: SharedMemory = attrs.field(factory=SharedMemory)
    workers: list[Worker] = attrs.field(factory=list)
    produced: int = 0

    async def join(self) -> None:
        if len(self.workers) < 3:
            worker = Worker(
                self.broker,
                definitions=SharedDefinitionStore(self.shared),
                registry=Registry(entry_points=False),
                shutdown_timeout=2.0,
            )
            self.workers.append(await worker.__aenter__())

    async def leave(self) -> None:
        if len(self.workers) > 1:
            worker = self.workers.pop(self.random.randrange(len(self.workers)))
            await worker.__aexit__(None, None, None)

    async def expel(self) -> None:
        """Have the broker believe that a consumer is gone, which goes on all the same until it hears of it."""
        if members := self.broker.group(GROUP).members:
            self.broker.expel(GROUP, self.random.randrange(len(members)))

    async def restart(self) -> None:
        await self.random.choice(self.workers).restart("c")

    async def pause(self) -> None:
        await self.random.choice(self.workers).pause("c")
        await self.random.choice(self.workers).resume("c")

    async def forget(self) -> None:
        """Have the broker lose all offsets while nobody is in the group, as after a week."""
        await self.random.choice(self.workers).pause("c")

        if not self.broker.group(GROUP).members:
            await self.broker.delete_group(GROUP)

        await self.random.choice(self.workers).resume("c")

    async def resize(self) -> None:
        await self.random.choice(self.workers).update("c", self.body())

    async def produce(self) -> None:
        count = self.random.randint(1, 60)
        values = [b'{"n":%d}' % (self.produced + number) for number in range(count)]
        partitions = [self.random.randrange(PARTITIONS) for _ in values]
        hours = [self.random.randrange(2) * 3_600_000 for _ in values]
        await self.broker.append("orders", NewRecords(values=values, partitions=partitions, timestamps=hours))
        self.produced += count

    async def wait(self) -> None:
        await asyncio.sleep(self.random.random() * 0.05)

    def body(self) -> dict[str, Any]:
        return {
            "name": "c",
            "connectorClass": "file-sink",
            "topics": ["orders"],
            "config": {
                "file.path": str(self.root),
                "partitioning": "hourly",
                "tasks.max": self.random.randint(1, 2),
                "batch.size": self.random.randint(1, 30),
                "batch.interval_ms": self.random.choice([0, 1, 5, 50]),
                "retry.backoff.ms": 1,
            },
        }

    def found(self) -> Counter[int]:
        lines = [line for file in self.root.rglob("batch-*") for line in file.read_bytes().splitlines()]
        return Counter(json.loads(line)["n"] for line in lines)


@settings(max_examples=25, deadline=None)
@given(events=EVENTS, seed=st.integers(0, 2**32))
def test_every_record_is_in_exactly_one_file_whoever_wrote_it(events: list[str], seed: int) -> None:
    """Workers come and go, consumers are taken for dead, connectors are paused, changed, forgotten and restarted: each once."""

    async def story(model: Model) -> None:
        await model.broker.create_topic("orders", partitions=PARTITIONS)
        await model.join()
        await model.workers[0].create(model.body())
        await model.produce()

        for event in events:
            await getattr(model, event)()

        await model.workers[0].drained("c", timeout=20)
        commits = model.broker.group(GROUP).commits
        assert sum(commit.offset for commit in commits.values()) == model.produced

        for worker in model.workers:
            await worker.__aexit__(None, None, None)

        assert model.found() == Counter(range(model.produced))

    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamhouse_connect.runtime.commits._COMMIT_INTERVAL", 0.001)
        asyncio.run(story(Model(Path(root), random.Random(seed))))
