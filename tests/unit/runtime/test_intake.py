"""The intake: what becomes of records that have no value."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import attrs
import pytest

from streamhouse_connect import Batch, FatalError, RejectedRecords, Sink, TopicPartition
from streamhouse_connect.runtime.batching import Batcher, Limits
from streamhouse_connect.runtime.delivery import Delivery
from streamhouse_connect.runtime.intake import Intake
from streamhouse_connect.runtime.observer import TaskObserver
from streamhouse_connect.runtime.outbox import Outbox
from streamhouse_connect.runtime.progress import PartitionProgress
from streamhouse_connect.runtime.retries import Backoff
from streamhouse_connect.sinks import Batching, NullValues
from streamhouse_connect.testing import make_batch

TP = TopicPartition("orders", 0)


class RoutingSink(Sink[None]):
    """Rejects what says so when it is routed, and keeps the rest."""

    name = "routing-sink"

    def __init__(self, null_values: NullValues, batching: Batching) -> None:
        super().__init__(None)
        self.null_values = null_values
        self.batching = batching  # type: ignore[misc]  # a class's own, elsewhere
        self.written: list[bytes | None] = []
        self.rejects: set[int] = set()

    def route(self, batch: Batch) -> list[tuple[str, range]]:
        if self.rejects:
            raise RejectedRecords(dict.fromkeys(self.rejects, "it is not there"))

        if b"nowhere" in batch.values:
            raise RejectedRecords({batch.values.index(b"nowhere"): "it has no route"})

        return [("", range(len(batch)))]

    async def write(self, batch: Batch) -> None:
        self.written += batch.values


@attrs.define
class Observer(TaskObserver):
    """Counts what is passed over."""

    passed_over: int = 0

    def skipped(self, records: int) -> None:
        self.passed_over += records


class Run:
    """An intake with all that is around it."""

    def __init__(
        self, null_values: NullValues, *, batching: Batching = Batching.PER_ROUTE, tolerant: bool = False
    ) -> None:
        self.sink = RoutingSink(null_values, batching)
        self.letters: list[tuple[int, str]] = []
        self.observer = Observer()
        delivery = Delivery(self.sink, self._bury, Backoff(1, 1, lambda: 0.5), asyncio.sleep, tolerant=tolerant)
        self.outbox = Outbox(
            sink=self.sink,
            batcher=Batcher(Limits(1_000, 1 << 20, 0.0, 1, 1)),
            delivery=delivery,
            observer=self.observer,
            clock=lambda: 0.0,
            wake=asyncio.Event(),
        )
        self.outbox.start(TP, PartitionProgress(0))
        self._intake = Intake(self.sink, delivery, self.outbox, self.observer)

    async def take(self, *values: bytes | None) -> int:
        """Take records in, have them written, and return what may be committed."""
        await self._intake.take(make_batch(values))
        await self.outbox.flush([TP], 5.0)
        return self.committed

    @property
    def committed(self) -> int:
        progress = self.outbox.progress[TP]
        return progress.next_commit(self.outbox.batcher.lowest(TP), marked=False).offset

    async def _bury(self, batch: Batch, reasons: Mapping[int, str]) -> None:
        self.letters += [(batch.offsets[index], reason) for index, reason in reasons.items()]


EVERY_BATCHING = pytest.mark.parametrize("batching", Batching)
EVERY_TOLERANCE = pytest.mark.parametrize("tolerant", [False, True])


@EVERY_BATCHING
async def test_ignored_tombstones_move_the_offset(batching: Batching) -> None:
    """They are counted, and nothing else is done with them."""
    run = Run("ignore", batching=batching)

    assert await run.take(b"a", None, b"b", None) == 4
    assert (run.sink.written, run.observer.passed_over, run.letters) == ([b"a", b"b"], 2, [])


@EVERY_BATCHING
async def test_written_tombstones_are_records_like_others(batching: Batching) -> None:
    """They reach the sink in their place."""
    run = Run("write", batching=batching)

    assert await run.take(b"a", None, b"b") == 3
    assert (run.sink.written, run.observer.passed_over) == ([b"a", None, b"b"], 0)


@EVERY_BATCHING
@EVERY_TOLERANCE
async def test_tombstones_become_dead_letters_whatever_is_tolerated(batching: Batching, tolerant: bool) -> None:
    """The choice is about them alone: what else is rejected goes by errors.tolerance."""
    run = Run("dead-letter", batching=batching, tolerant=tolerant)

    assert await run.take(None, b"a", None) == 3
    assert run.sink.written == [b"a"]
    assert run.letters == [(0, "its value is missing (a tombstone)"), (2, "its value is missing (a tombstone)")]
    assert run.observer.passed_over == 0


@EVERY_BATCHING
@EVERY_TOLERANCE
async def test_a_tombstone_that_must_not_be_stops_the_task(batching: Batching, tolerant: bool) -> None:
    """What is before it is delivered, and the message says where it is and what to do."""
    run = Run("fail", batching=batching, tolerant=tolerant)

    with pytest.raises(FatalError, match=r"^orders, partition 0, offset 2: its value is missing .*null\.values=ignore"):
        await run.take(b"a", b"b", None, b"c", None)

    assert (run.sink.written, run.committed, run.letters) == ([b"a", b"b"], 2, [])


@EVERY_BATCHING
async def test_a_tombstone_at_the_front_stops_the_task_where_it_is(batching: Batching) -> None:
    """There is nothing before it to deliver."""
    run = Run("fail", batching=batching)

    with pytest.raises(FatalError, match="offset 0"):
        await run.take(None, b"a")

    assert (run.sink.written, run.committed) == ([], 0)


async def test_of_two_records_that_stop_the_task_the_first_counts() -> None:
    """Be it a tombstone, or one without a route."""
    with pytest.raises(FatalError, match="offset 1: it has no route"):
        await Run("fail").take(b"a", b"nowhere", None)

    with pytest.raises(FatalError, match="offset 1: its value is missing"):
        await Run("fail").take(b"a", None, b"nowhere")


async def test_a_sink_may_reject_one_record_at_a_time() -> None:
    """It is asked again until it takes the rest."""
    run = Run("ignore", tolerant=True)

    assert await run.take(b"nowhere", b"a", b"nowhere", b"nowhere", b"b") == 5
    assert run.sink.written == [b"a", b"b"]
    assert [offset for offset, _ in run.letters] == [0, 2, 3]


async def test_a_sink_may_reject_one_record_after_the_other_until_none_is_left() -> None:
    """Then there is nothing to ask about."""
    run = Run("ignore", tolerant=True)

    assert await run.take(b"nowhere", b"nowhere") == 2
    assert (run.sink.written, len(run.letters)) == ([], 2)


async def test_a_sink_that_rejects_none_of_its_records_fails() -> None:
    """Asking it again would not end."""
    run = Run("ignore", tolerant=True)
    run.sink.rejects = {7}

    with pytest.raises(FatalError, match=r"routing-sink rejected records \[7\] of a batch of 2"):
        await run.take(b"a", b"b")


async def test_a_dead_letter_before_a_failure_does_not_hide_it() -> None:
    """With tolerance for the one and none for the other."""
    run = Run("fail", tolerant=True)

    with pytest.raises(FatalError, match="offset 2: its value is missing"):
        await run.take(b"a", b"nowhere", None)

    assert (run.sink.written, run.letters) == ([b"a"], [(1, "it has no route")])
