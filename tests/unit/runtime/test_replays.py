"""Replays of one route: delivery, progress and the file sink together, without a runtime around them.

Commits may stand where files begin or end, never inside one: a file is only met by who starts where it does.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhouse_connect import Batch, Committed, Held, ReplayFrom, TopicPartition
from streamhouse_connect.files import FileConfig, FileSink
from streamhouse_connect.formatters.json import JsonConfig, JsonFormatter
from streamhouse_connect.partitioners import NonePartitioner, PlainConfig
from streamhouse_connect.runtime.delivery import Delivery
from streamhouse_connect.runtime.progress import PartitionProgress
from streamhouse_connect.runtime.retries import Backoff
from streamhouse_connect.testing import make_batch, make_context

TP = TopicPartition("orders", 0)


@attrs.define
class Observer:
    """Notes progress, as the outbox does."""

    progress: PartitionProgress
    held: int = 0

    def durable(self, part: Batch, *, settled: int, held: int | Held | ReplayFrom | None = None) -> None:
        if len(part):
            self.progress.delivered(part.path, part.offsets, held)

        if isinstance(held, int):
            self.held = held

    def retrying(self, error: Exception | None) -> None:
        assert error is None

    def superseded(self, partitions: Collection[TopicPartition]) -> None:
        raise AssertionError(partitions)

    def dropped(self, part: Batch) -> Collection[TopicPartition]:
        assert part.spans
        return ()

    def takes_back(self, rest: Batch) -> bool:
        return False


@attrs.define
class Route:
    """One route of a topic, and the directory that tasks deliver it to, one after the other."""

    root: Path
    offsets: list[int]
    poison: frozenset[int] = frozenset()
    committed: Committed = attrs.field(factory=lambda: Committed(0))
    dead: set[int] = attrs.field(factory=set)

    async def task(self, cuts: list[int], *, commits: int | None = None) -> None:
        """Deliver batches of these sizes from where the last task has committed; of the commits only the first are made."""
        sink = FileSink(
            FileConfig(path=str(self.root)),
            formatter=JsonFormatter(JsonConfig()),
            partitioner=NonePartitioner(PlainConfig()),
        )
        await sink.open(make_context())
        progress = PartitionProgress.restored(self.committed.offset, self.committed, topic_id="orders-id", uid="u")
        position = max(progress.position, progress.mark("orders"))

        for number, size in enumerate(cuts):
            offsets = [offset for offset in self.offsets if offset >= position][:size]

            if not offsets:
                break

            batch = make_batch([self.value(offset) for offset in offsets], offsets=offsets, path="orders")
            observer = Observer(progress)
            await Delivery(sink, self.bury, Backoff(1.0, 1.0, lambda: 0.5), asyncio.sleep).deliver(batch, observer)
            progress.position = position = max(offsets[-1] + 1, observer.held)
            commit = progress.next_commit(None, marked=True)

            if commits is None or number < commits:
                self.committed = commit
                progress.has_committed(commit)

        await sink.close()

    async def bury(self, batch: Batch, reasons: Mapping[int, str]) -> None:
        self.dead |= {batch.offsets[index] for index in reasons}

    def value(self, offset: int) -> bytes:
        return b"{" if offset in self.poison else b"%d" % offset

    def records(self) -> list[int]:
        return sorted(int(line) for path in self.root.rglob("*.json") for line in path.read_bytes().splitlines())

    def files(self) -> int:
        return sum(1 for _ in self.root.rglob("*.json"))


async def test_files_that_a_shorter_replay_meets_are_met_again_by_the_next(tmp_path: Path) -> None:
    """Two files, nothing committed; a replay in tens gets into the second one; another begins where the first one does."""
    route = Route(tmp_path, list(range(60)))
    await route.task([30, 30], commits=0)
    await route.task([10, 10, 10, 10], commits=1)
    assert route.committed.offset == 0
    await route.task([10] * 10)

    assert route.records() == list(range(60))
    assert route.files() == 2
    assert route.committed.offset == 60
    assert PartitionProgress.processed_of(route.committed) == 60


async def test_a_commit_stands_where_a_file_ends(tmp_path: Path) -> None:
    """Once as many records were shown as the first file holds, its end is known, and committed."""
    route = Route(tmp_path, list(range(60)))
    await route.task([30, 30], commits=0)
    await route.task([10, 10, 10, 10])
    assert route.committed.offset == 30
    assert PartitionProgress.processed_of(route.committed) == 30
    await route.task([7] * 10)

    assert route.records() == list(range(60))
    assert route.files() == 2
    assert PartitionProgress.processed_of(route.committed) == 60


async def test_poison_is_not_counted_as_a_record_of_a_file(tmp_path: Path) -> None:
    """A file of 29 records, since the other one was a dead letter: a replay in tens takes no other record for it."""
    route = Route(tmp_path, list(range(40)), frozenset([15]))
    await route.task([30], commits=0)
    await route.task([10] * 10)

    assert route.records() == [offset for offset in range(40) if offset != 15]
    assert route.files() == 2
    assert route.committed.offset == 40
    assert PartitionProgress.processed_of(route.committed) == 39


OFFSETS = st.sets(st.integers(0, 60), min_size=1).map(sorted)
TASKS = st.lists(
    st.tuples(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.none() | st.integers(0, 5)), max_size=6
)


@settings(max_examples=150)
@given(offsets=OFFSETS, poison=st.frozensets(st.integers(0, 60), max_size=15), tasks=TASKS)
def test_every_record_is_in_one_file_however_the_tasks_cut(
    offsets: list[int], poison: frozenset[int], tasks: list[tuple[list[int], int | None]]
) -> None:
    """Crashes before any commit, and replays in other sizes, neither lose nor double nor miscount a record."""

    async def story(route: Route) -> None:
        for cuts, commits in tasks:
            await route.task(cuts, commits=commits)

        await route.task([len(offsets)] * len(offsets))

    with tempfile.TemporaryDirectory() as root:
        route = Route(Path(root), offsets, poison)
        asyncio.run(story(route))
        good = [offset for offset in offsets if offset not in poison]

        assert route.records() == good
        assert route.dead == poison.intersection(offsets)
        assert route.committed.offset == offsets[-1] + 1
        assert PartitionProgress.processed_of(route.committed) == len(good)
