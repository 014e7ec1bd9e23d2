"""What a file holds beyond the batch that met it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhouse_connect import SinkContext, Superseded, TopicPartition
from streamhouse_connect.excess import Excess, ExcessLog
from streamhouse_connect.files import FileConfig, FileSink
from streamhouse_connect.formatters.json import JsonConfig, JsonFormatter
from streamhouse_connect.partitioners import NonePartitioner, PlainConfig
from streamhouse_connect.testing import MemoryStateStore, make_batch, make_context

TP = TopicPartition("orders", 0)
OFFSETS = [2, 3, 7, 8, 9, 15, 16, 20, 30, 31, 40, 41]


@pytest.mark.parametrize(
    ("offsets", "covered", "shown"),
    [
        ([5, 12], 0, Excess(10, 20, 3)),
        ([10, 12], 0, Excess(10, 20, 3)),
        ([11, 12], 2, Excess(10, 20, 3)),
        ([11, 25, 26], 3, Excess(10, 27, 1)),
        ([25, 26, 27, 40, 50], 3, Excess(10, 28, 0)),
        ([20], 1, Excess(10, 21, 2)),
    ],
)
def test_records_are_known_by_their_offset_then_by_their_number(
    offsets: list[int], covered: int, shown: Excess
) -> None:
    """Those below the limit are durable, and so are the next few; what starts before meets the file itself."""
    excess = Excess(10, 20, 3)

    assert excess.covers(offsets) == covered
    assert excess.shown(offsets) == shown


async def test_it_is_kept_in_the_connectors_state() -> None:
    """Another run finds it; other paths, partitions and epochs do not."""
    context = make_context()
    log = ExcessLog(context)
    assert await log.get(TP, "orders") is None
    await log.set(TP, "orders", Excess(1, 2, 3))
    await log.set(TP, "orders/hour", Excess(4, 5, 6))
    again = ExcessLog(context)

    assert await again.get(TP, "orders") == Excess(1, 2, 3)
    assert await again.get(TP, "orders/hour") == Excess(4, 5, 6)
    assert await again.get(TP, "other") is None
    assert await again.get(TopicPartition("orders", 1), "orders") is None
    assert await ExcessLog(attrs.evolve(context, epoch=1)).get(TP, "orders") is None


async def test_it_can_be_removed() -> None:
    """Also for another run."""
    context = make_context()
    log = ExcessLog(context)
    await log.get(TP, "orders")
    await log.set(TP, "orders", Excess(1, 2, 3))
    await log.set(TP, "orders", None)

    assert await log.get(TP, "orders") is None
    assert await ExcessLog(context).get(TP, "orders") is None


async def test_a_task_that_lost_its_partition_is_told() -> None:
    """Somebody else has noted something since this one looked."""
    context = make_context()
    zombie, owner = ExcessLog(context), ExcessLog(context)
    await zombie.get(TP, "orders")
    await owner.get(TP, "orders")
    await owner.set(TP, "orders", Excess(1, 2, 3))

    with pytest.raises(Superseded) as caught:
        await zombie.set(TP, "orders", Excess(9, 9, 9))

    assert caught.value.partitions == {TP}
    assert await ExcessLog(context).get(TP, "orders") == Excess(1, 2, 3)


async def test_a_partition_that_comes_back_is_looked_up_again() -> None:
    """Its owner in between may have noted something."""
    context = make_context()
    log, other = ExcessLog(context), ExcessLog(context)
    await log.get(TP, "orders")
    await other.get(TP, "orders")
    await other.set(TP, "orders", Excess(1, 2, 3))
    log.forget([TP])

    assert await log.get(TP, "orders") == Excess(1, 2, 3)


class Run:
    """One task after the other writes one route of one partition, as the runtime would, into one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.committed = 0
        self.context: SinkContext = attrs.evolve(make_context(), state=MemoryStateStore())

    async def task(self, cuts: list[int], *, commits: bool) -> None:
        """Deliver batches of these sizes from the committed offset on; a crash before the last commit if it does not."""
        sink = FileSink(
            FileConfig(path=str(self.root)),
            formatter=JsonFormatter(JsonConfig()),
            partitioner=NonePartitioner(PlainConfig()),
        )
        await sink.open(self.context)
        position = self.committed

        for number, size in enumerate(cuts):
            offsets = [offset for offset in OFFSETS if offset >= position][:size]

            if not offsets:
                break

            batch = make_batch([b"%d" % offset for offset in offsets], offsets=offsets, path="orders")
            held = await sink.write(batch)
            position = offsets[-1] + 1 if held is None else held
            assert position > offsets[0]

            if commits or number < len(cuts) - 1:
                self.committed = position

        await sink.close()

    def records(self) -> list[int]:
        return sorted(int(line) for path in self.root.rglob("*.json") for line in path.read_bytes().splitlines())


CUTS = st.lists(st.integers(1, 8), min_size=1, max_size=4)


@settings(max_examples=150)
@given(st.lists(st.tuples(CUTS, st.booleans()), max_size=6))
def test_every_record_is_in_one_file_however_the_tasks_cut(tasks: list[tuple[list[int], bool]]) -> None:
    """Crashes before commits, and replays in other sizes, neither lose nor double a record."""

    async def story(run: Run) -> None:
        for cuts, commits in tasks:
            await run.task(cuts, commits=commits)

        await run.task([len(OFFSETS)] * len(OFFSETS), commits=True)

    with tempfile.TemporaryDirectory() as root:
        run = Run(Path(root))
        asyncio.run(story(run))

        assert run.records() == OFFSETS


async def test_a_shorter_replay_and_a_restart_within_it_double_nothing(tmp_path: Path) -> None:
    """The story in short: ten records in a file, a crash, four of them replayed and committed, a restart."""
    run: Any = Run(tmp_path)
    await run.task([10], commits=False)
    await run.task([4], commits=True)
    assert run.committed == OFFSETS[3] + 1
    await run.task([3], commits=True)
    await run.task([12, 12], commits=True)

    assert run.records() == OFFSETS
