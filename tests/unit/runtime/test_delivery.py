"""Delivery of one batch: what each error of a sink leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from streamhouse_connect import (
    Batch,
    FatalError,
    Held,
    Postponed,
    RejectedBatch,
    RejectedRecords,
    ReplayFrom,
    RetriableError,
    Sink,
    Superseded,
    TopicPartition,
)
from streamhouse_connect.runtime.delivery import Delivery
from streamhouse_connect.runtime.retries import Backoff
from streamhouse_connect.sinks import Batching
from streamhouse_connect.testing import make_batch


@attrs.frozen
class NoConfig:
    """No options."""


class ScriptedSink(Sink[NoConfig]):
    """Writes into a list, after a script of errors and refusals."""

    name = "scripted-sink"
    config_class = NoConfig

    def __init__(self, script: Callable[[Batch], int | Held | Postponed | ReplayFrom | None]) -> None:
        super().__init__(NoConfig())
        self.script = script
        self.written: list[bytes | None] = []
        self.writes = 0

    async def write(self, batch: Batch) -> int | Held | Postponed | ReplayFrom | None:
        self.writes += 1
        held = self.script(batch)

        if isinstance(held, Postponed):
            return held

        reach = held.next_offset if isinstance(held, Held) else held
        start = reach.offset if isinstance(reach, ReplayFrom) else reach or 0
        self.written += [v for v, o in zip(batch.values, batch.offsets, strict=True) if o >= start]
        return held


class RoutingSink(ScriptedSink):
    """The same, one route a batch."""

    batching = Batching.PER_ROUTE


@attrs.define
class Observer:
    """Notes what it is told."""

    durable_values: list[bytes | None] = attrs.field(factory=list)
    settled: int = 0
    ends: list[int | Held | ReplayFrom | None] = attrs.field(factory=list)
    retries: list[Exception] = attrs.field(factory=list)
    gone: set[TopicPartition] = attrs.field(factory=set)
    lost: set[TopicPartition] = attrs.field(factory=set)
    patient: bool = False

    def durable(self, part: Batch, *, settled: int, held: int | Held | ReplayFrom | None = None) -> None:
        self.durable_values += part.values
        self.settled += settled
        self.ends.append(held)

    def retrying(self, error: Exception | None) -> None:
        if error:
            self.retries.append(error)

    def superseded(self, partitions: Any) -> None:
        self.gone |= set(partitions)

    def dropped(self, part: Batch) -> set[TopicPartition]:
        return {span.tp for span in part.spans} & self.lost

    def takes_back(self, rest: Batch) -> bool:
        return self.patient


@attrs.define
class Graveyard:
    """Takes dead letters."""

    letters: list[tuple[bytes | None, str]] = attrs.field(factory=list)

    async def bury(self, batch: Batch, reasons: Mapping[int, str]) -> None:
        self.letters += [(batch.values[index], reason) for index, reason in reasons.items()]


async def no_sleep(_: float) -> None:
    """Go on at once."""


def delivery(sink: Sink[Any], graveyard: Graveyard | None = None) -> Delivery:
    """Make a delivery; a graveyard stands for errors.tolerance=all."""
    return Delivery(sink, graveyard.bury if graveyard else None, Backoff(1.0, 10.0, lambda: 0.5), no_sleep)


VALUES = [b"a", b"b", b"c", b"d", b"e"]


async def test_a_written_batch_is_durable() -> None:
    """A write that returns makes the whole batch durable."""
    sink, observer = ScriptedSink(lambda _: None), Observer()
    await delivery(sink).deliver(make_batch(VALUES), observer)
    assert observer.durable_values == VALUES
    assert observer.settled == 5


@pytest.mark.parametrize("error", [RetriableError("down"), ConnectionResetError("gone"), TimeoutError()])
async def test_a_passing_error_means_the_same_batch_again(error: Exception) -> None:
    """Retriable errors, and built-in connection errors and timeouts, lead to another try of the same batch."""
    answers: list[Exception | None] = [error, error, None]

    def script(_: Batch) -> None:
        answer = answers.pop(0)

        if answer:
            raise answer

    sink, observer = ScriptedSink(script), Observer()
    await delivery(sink).deliver(make_batch(VALUES), observer)
    assert sink.written == VALUES
    assert observer.retries == [error, error]


async def test_retry_after_is_waited_for() -> None:
    """A destination that says when to come back is not asked before."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    answers: list[Exception | None] = [RetriableError("busy", retry_after=77.0), None]

    def script(_: Batch) -> None:
        if answer := answers.pop(0):
            raise answer

    await Delivery(ScriptedSink(script), None, Backoff(1.0, 10.0, lambda: 0.5), sleep).deliver(
        make_batch(VALUES), Observer()
    )
    assert slept == [77.0]


def reject_bad(batch: Batch) -> None:
    """Refuse every value that is upper case."""
    bad = {index: "upper case" for index, value in enumerate(batch.values) if value and value.isupper()}

    if bad:
        raise RejectedRecords(bad)


async def test_without_tolerance_what_is_before_the_rejected_record_is_delivered() -> None:
    """Tolerance none: the records before the first rejected one are durable, then the task fails at that record."""
    sink, observer = ScriptedSink(reject_bad), Observer()

    with pytest.raises(FatalError, match=r"orders, partition 0, offset 12: upper case"):
        await delivery(sink).deliver(make_batch([b"a", b"b", b"C", b"d", b"E"], first_offset=10), observer)

    assert sink.written == [b"a", b"b"]
    assert observer.settled == 2


async def test_with_tolerance_rejected_records_become_dead_letters_before_the_rest_is_written() -> None:
    """Tolerance all: every rejected record is a dead letter with its reason, every other one is written once."""
    sink, observer, graveyard = ScriptedSink(reject_bad), Observer(), Graveyard()
    await delivery(sink, graveyard).deliver(make_batch([b"A", b"b", b"C", b"d", b"E"]), observer)
    assert graveyard.letters == [(b"A", "upper case"), (b"C", "upper case"), (b"E", "upper case")]
    assert sink.written == [b"b", b"d"]
    assert observer.settled == 5
    assert observer.durable_values == [b"b", b"d"]


async def test_items_that_succeeded_one_by_one_are_not_written_again() -> None:
    """A sink that says the others are durable is not asked to write them a second time."""

    def script(batch: Batch) -> None:
        bad = {i: "no" for i, v in enumerate(batch.values) if v == b"c"}
        raise RejectedRecords(bad, others_durable=True)

    sink, observer, graveyard = ScriptedSink(script), Observer(), Graveyard()
    await delivery(sink, graveyard).deliver(make_batch(VALUES), observer)
    assert sink.writes == 1
    assert observer.durable_values == [b"a", b"b", b"d", b"e"]
    assert observer.settled == 5


async def test_an_unknown_culprit_is_found_by_halving() -> None:
    """RejectedBatch: halves are written until the one bad record stands alone; order is kept."""

    def script(batch: Batch) -> None:
        if b"d" in batch.values:
            message = "one of you"
            raise RejectedBatch(message)

    sink, observer, graveyard = ScriptedSink(script), Observer(), Graveyard()
    await delivery(sink, graveyard).deliver(make_batch(VALUES), observer)
    assert sink.written == [b"a", b"b", b"c", b"e"]
    assert graveyard.letters == [(b"d", "one of you")]
    assert observer.settled == 5


async def test_a_fatal_error_settles_nothing() -> None:
    """Nothing is durable that the sink has not confirmed."""

    def script(_: Batch) -> None:
        message = "no such table"
        raise FatalError(message)

    observer = Observer()

    with pytest.raises(FatalError, match="no such table"):
        await delivery(ScriptedSink(script)).deliver(make_batch(VALUES), observer)

    assert observer.settled == 0


async def test_an_object_that_holds_less_leaves_the_rest_to_a_new_one() -> None:
    """An earlier offset than the batch's end: what is below is durable, the rest is a batch of its own."""
    answers: list[int | None] = [13, None]
    sink, observer = RoutingSink(lambda _: answers.pop(0)), Observer()
    await delivery(sink).deliver(make_batch(VALUES, first_offset=10), observer)
    assert observer.durable_values == VALUES
    assert sink.written[-2:] == [b"d", b"e"]
    assert sink.writes == 2


async def test_what_a_write_leaves_may_wait_for_more() -> None:
    """If whoever gave the batch takes the rest back it is no business of the delivery any more."""
    sink, observer = RoutingSink(lambda _: 13), Observer(patient=True)
    await delivery(sink).deliver(make_batch(VALUES, first_offset=10), observer)
    assert observer.durable_values == VALUES[:3]
    assert (observer.settled, sink.writes) == (3, 1)


async def test_a_batch_that_is_postponed_is_not_durable() -> None:
    """It waits for more; or, where it can't, it is offered again."""
    sink, observer = RoutingSink(lambda _: Postponed()), Observer(patient=True)
    await delivery(sink).deliver(make_batch(VALUES), observer)
    assert (observer.durable_values, observer.settled, sink.writes) == ([], 0, 1)

    answers = [Postponed(), None]
    sink, observer = RoutingSink(lambda _: answers.pop(0)), Observer()
    await delivery(sink).deliver(make_batch(VALUES), observer)
    assert (observer.durable_values, observer.settled, sink.writes) == (VALUES, 5, 2)


async def test_the_rest_of_a_batch_with_dead_letters_does_not_wait() -> None:
    """The batch is reported as a whole, so all of it is written first."""
    answers: list[int | Postponed | None] = [Postponed(), 11, None]

    def script(batch: Batch) -> int | Postponed | None:
        reject_bad(batch)
        return answers.pop(0)

    sink, observer = RoutingSink(script), Observer(patient=True)
    await delivery(sink, Graveyard()).deliver(make_batch([b"a", b"B", b"c"], first_offset=10), observer)
    assert observer.durable_values == [b"a", b"c"]
    assert observer.settled == 3


async def test_an_object_that_holds_more_is_reported_with_its_end() -> None:
    """A later offset than the batch's end is passed on, so that the runtime drops what is below it."""
    observer = Observer()
    await delivery(RoutingSink(lambda _: 20)).deliver(make_batch(VALUES, first_offset=10), observer)
    assert observer.ends == [20]


async def test_where_a_replay_would_have_to_begin_is_reported() -> None:
    """The batch is durable as a whole; what may be committed of it is for others to say."""
    observer = Observer()
    await delivery(RoutingSink(lambda _: ReplayFrom(4))).deliver(make_batch(VALUES, first_offset=10), observer)
    assert observer.settled == 5
    assert observer.ends == [ReplayFrom(4)]


async def test_an_answer_that_counts_more_records_is_told() -> None:
    """What is beyond the batch is counted with it; where it ends inside the batch, it says no more than an offset."""
    observer = Observer()
    await delivery(RoutingSink(lambda _: Held(40, more=9))).deliver(make_batch(VALUES, first_offset=10), observer)
    answers: list[Held | None] = [Held(12, more=0), None]
    await delivery(RoutingSink(lambda _: answers.pop(0))).deliver(make_batch(VALUES, first_offset=10), observer)
    assert observer.ends == [Held(40, more=9), 12, None]


async def test_what_the_last_part_of_the_rest_was_answered_counts_after_a_rejection() -> None:
    """The rest of a batch with dead letters may reach over the end of one object into the next."""
    answers: list[int | ReplayFrom] = [12, ReplayFrom(12)]

    def script(batch: Batch) -> int | ReplayFrom:
        reject_bad(batch)
        return answers.pop(0)

    observer = Observer()
    await delivery(RoutingSink(script), Graveyard()).deliver(make_batch([b"a", b"B", b"c"], first_offset=10), observer)
    assert observer.durable_values == [b"a", b"c"]
    assert observer.ends == [ReplayFrom(12)]


async def test_an_end_beyond_the_batch_is_passed_on_after_a_rejection() -> None:
    """The rest of a batch with dead letters may meet a longer object too."""

    def script(batch: Batch) -> int | None:
        reject_bad(batch)
        return 20

    observer = Observer()
    await delivery(RoutingSink(script), Graveyard()).deliver(make_batch([b"A", b"b"], first_offset=10), observer)
    assert observer.ends == [20]
    assert observer.settled == 2


async def test_an_answer_that_makes_no_progress_is_an_error() -> None:
    """A sink that says it holds nothing of the batch would be asked for ever."""
    with pytest.raises(FatalError, match="not beyond 10"):
        await delivery(RoutingSink(lambda _: 10)).deliver(make_batch(VALUES, first_offset=10), Observer())


async def test_a_rejection_that_names_no_record_of_the_batch_is_an_error() -> None:
    """A sink's mistake must not lose a record."""

    def script(_: Batch) -> None:
        raise RejectedRecords({7: "?"})

    with pytest.raises(FatalError, match=r"rejected records \[7\] of a batch of 5"):
        await delivery(ScriptedSink(script), Graveyard()).deliver(make_batch(VALUES), Observer())


async def test_the_others_partitions_are_written_when_some_are_superseded() -> None:
    """Superseded: the part without those partitions is written again."""
    batch = Batch.concat([make_batch([b"a"], partition=0), make_batch([b"b"], partition=1)])
    lost = TopicPartition("orders", 0)

    def script(part: Batch) -> None:
        if any(span.tp == lost for span in part.spans):
            raise Superseded([lost])

    sink, observer = ScriptedSink(script), Observer()
    await delivery(sink).deliver(batch, observer)
    assert sink.written == [b"b"]
    assert observer.gone == {lost}


async def test_what_is_not_ours_any_more_is_not_offered_again() -> None:
    """A partition that was lost while a batch waited to be written again is left out of it."""
    batch = Batch.concat([make_batch([b"a"], partition=0), make_batch([b"b"], partition=1)])
    observer = Observer()
    failures = [RetriableError("down")]

    def script(_: Batch) -> None:
        if failures:
            observer.lost.add(TopicPartition("orders", 0))
            raise failures.pop()

    sink = ScriptedSink(script)
    await delivery(sink).deliver(batch, observer)
    assert sink.written == [b"b"]
    assert observer.durable_values == [b"b"]
