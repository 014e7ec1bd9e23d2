"""Partitions that come and go while a task works on others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from rebalances import P0, P1, P2, covering, stage
from streamhouse_connect import (
    Batch,
    Batching,
    Committed,
    FatalError,
    RebalanceListener,
    RetriableError,
    Superseded,
    TopicPartition,
)
from streamhouse_connect.runtime import commits
from streamhouse_connect.runtime.progress import PartitionProgress
from streamhouse_connect.testing import make_batch

ROUTED, MIXED = Batching.PER_ROUTE, Batching.MIXED
BOTH = pytest.mark.parametrize("batching", [ROUTED, MIXED])


@BOTH
async def test_what_waits_of_a_revoked_partition_is_written_and_committed(batching: Batching) -> None:
    """However few records they are; whoever has the partition next goes on behind them."""
    async with stage(batching) as it:
        await it.assign(P0)
        await it.read((P0, 0, 3))
        await it.revoke(P0)
        assert it.sink.offsets(P0) == [0, 1, 2]
        assert it.consumer.commits[-1] == {P0: 3}
        assert it.sink.released == [{P0}]


async def test_other_partitions_go_on_filling_their_batches() -> None:
    """They are neither flushed nor committed for a revocation that does not concern them."""
    async with stage(ROUTED) as it:
        await it.assign(P0, P1)
        await it.read((P0, 0, 3), (P1, 0, 4))
        await it.revoke(P0)
        assert it.sink.offsets(P1) == []
        assert {tp for commit in it.consumer.commits for tp in commit} == {P0}
        await it.read((P1, 4, 10))
        await it.until(lambda: it.sink.offsets(P1) == list(range(10)))
        assert [len(records) for records in it.sink.begun] == [3, 10], "one full batch"


async def test_in_a_mixed_lane_what_is_behind_a_revoked_partition_goes_on_waiting() -> None:
    """Only what is in front of its last record is written along."""
    async with stage(MIXED, batch_size=5, in_flight=1) as it:
        await it.assign(P0, P1)
        await it.read((P0, 0, 4))
        await it.read((P1, 0, 4))
        await it.until(lambda: len(it.sink.written) == 5)
        await it.revoke(P0)
        assert it.sink.offsets(P0) == [0, 1, 2, 3]
        assert it.sink.offsets(P1) == [0]


@BOTH
async def test_a_write_that_hangs_does_not_hold_up_the_revocation_of_others(batching: Batching) -> None:
    """It goes on meanwhile, and is committed when it ends."""
    async with stage(batching, revoke_within=10.0) as it:
        it.sink.stuck = {P1}
        await it.assign(P0, P1)
        await it.read((P1, 0, 10))
        await it.until(lambda: it.sink.begun)
        await it.read((P0, 0, 3))
        await asyncio.wait_for(it.revoke(P0), 3.0)
        assert it.consumer.commits == [{P0: 3}]
        it.sink.free(P1)
        await it.until(lambda: it.consumer.commits[-1] == {P1: 10})


@BOTH
async def test_what_the_destination_does_not_take_in_time_is_let_go(batching: Batching) -> None:
    """At the deadline the partition is gone, whatever its write does; others' records in the same batch are delivered."""
    async with stage(batching) as it:
        it.sink.stuck = {P0}
        await it.assign(P0, P1)
        await it.read((P0, 0, 5), (P1, 0, 5))
        began = asyncio.get_running_loop().time()
        await it.revoke(P0)
        assert asyncio.get_running_loop().time() - began < 2.0
        assert it.sink.released == [{P0}]
        it.sink.free(P0)
        await it.read((P1, 5, 20))
        await it.until(lambda: it.consumer.stored.get(P1) is not None and it.consumer.stored[P1].offset >= 10)
        assert sorted(it.sink.offsets(P1))[:10] == list(range(10))
        assert P0 not in it.consumer.stored


async def test_a_consumer_without_brokers_is_a_trouble_until_they_answer() -> None:
    """Though nothing was to be written or committed; what else goes well meanwhile does not end it."""
    async with stage(ROUTED) as it:
        await it.assign(P0)
        it.consumer.trouble = RetriableError("the brokers do not answer")
        await it.read()
        assert it.observer.trouble is it.consumer.trouble
        await it.read((P0, 0, 10))
        await it.until(lambda: it.consumer.commits == [{P0: 10}])
        assert it.observer.trouble is it.consumer.trouble
        it.consumer.trouble = None
        await it.read()
        assert it.observer.trouble is None


async def test_a_commit_that_is_not_answered_is_a_trouble_until_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nothing has failed: brokers that hang may do so for long."""
    monkeypatch.setattr(commits, "_LATE_SECONDS", 0.01)

    async with stage(ROUTED) as it:
        answered, commit = asyncio.Event(), it.consumer.commit

        async def hang(offsets: Mapping[TopicPartition, Committed]) -> None:
            await answered.wait()
            await commit(offsets)

        monkeypatch.setattr(it.consumer, "commit", hang)
        await it.assign(P0)
        await it.read((P0, 0, 10))
        await it.until(lambda: it.observer.trouble)
        assert "a commit is not answered" in str(it.observer.trouble)
        answered.set()
        await it.until(lambda: it.observer.trouble is None)
        assert it.consumer.commits == [{P0: 10}]


@BOTH
async def test_a_revocation_whose_commit_fails_lets_go_all_the_same(batching: Batching) -> None:
    """The next one reads again what was not committed."""
    async with stage(batching) as it:
        await it.assign(P0, P1)
        await it.read((P0, 0, 3))
        it.consumer.refuse = RetriableError("the coordinator is gone")
        await it.revoke(P0)
        assert it.sink.released == [{P0}]
        await it.read((P1, 0, 10))
        await it.until(lambda: it.consumer.commits == [{P1: 10}])


@BOTH
async def test_nothing_of_a_lost_partition_is_committed(batching: Batching) -> None:
    """Not what was written before, nor what a write that goes on then makes durable."""
    async with stage(batching) as it:
        it.sink.stuck = {P0}
        await it.assign(P0, P1)
        await it.read((P0, 0, 5), (P1, 0, 5))
        await it.read((P0, 5, 10), (P1, 5, 10))
        await it.until(lambda: it.sink.begun)
        await it.lose(P0)
        it.sink.free(P0)
        await it.until(lambda: it.consumer.stored.get(P1) is not None and it.consumer.stored[P1].offset == 10)
        await it.stop()
        assert all(P0 not in commit for commit in it.consumer.commits)
        assert sorted(set(it.sink.offsets(P1))) == list(range(10))


@BOTH
async def test_a_partition_that_comes_again_owes_nothing_to_what_was_in_flight(batching: Batching) -> None:
    """It is read from where the other one has got to; a write of before that ends now moves nothing back."""
    async with stage(batching) as it:
        it.sink.stuck = {P0}
        await it.assign(P0, P1)
        await it.read((P0, 0, 5), (P1, 0, 5))
        await it.read((P0, 5, 10), (P1, 5, 10))
        await it.until(lambda: it.sink.begun)
        await it.lose(P0)
        it.consumer.stored[P0] = it.consumer.stored.get(P0) or Committed(40)
        await it.assign(P0)
        assert it.consumer.sought[-1] == (P0, 40)
        await it.read((P0, 40, 45))
        it.sink.free(P0)
        await it.until(lambda: P1 in it.consumer.stored)
        await it.stop()
        commits = [offset for commit in it.consumer.commits for tp, offset in commit.items() if tp == P0]
        assert min(commits) >= 40
        assert commits[-1] == 45
        assert PartitionProgress.processed_of(it.consumer.stored[P0]) == 5
        assert it.sink.offsets(P0)[-5:] == list(range(40, 45))


async def test_what_is_in_flight_for_nobody_holds_no_commit_back() -> None:
    """A batch of several partitions still hangs when one of them, which was lost, has come again."""
    async with stage(MIXED) as it:
        it.sink.stuck = {P2}
        await it.assign(P0, P1, P2)
        await it.read((P0, 0, 4), (P1, 0, 4), (P2, 0, 2))
        await it.until(lambda: it.sink.begun)
        await it.lose(P0)
        it.consumer.stored[P0] = Committed(40)
        await it.assign(P0)
        await it.read((P0, 40, 50))
        await it.until(lambda: it.consumer.stored[P0].offset == 50)
        assert P1 not in it.consumer.stored


@BOTH
async def test_a_partition_that_is_assigned_once_more_is_read_anew(batching: Batching) -> None:
    """What was buffered of it is not written besides."""
    async with stage(batching) as it:
        await it.assign(P0)
        await it.read((P0, 0, 3))
        await it.assign(P0)
        await it.read((P0, 0, 10))
        await it.until(lambda: P0 in it.consumer.stored)
        assert it.sink.offsets(P0) == list(range(10))


@BOTH
async def test_how_the_write_of_a_lost_partition_ends_is_nobodys_trouble(batching: Batching) -> None:
    """Cut off, a client library may raise anything."""
    async with stage(batching) as it:
        it.sink.stuck = {P0}
        it.sink.when_cut_off = ZeroDivisionError("cut off in the middle")
        await it.assign(P0, P1)
        await it.read((P0, 0, 10))
        await it.until(lambda: it.sink.begun)
        await it.lose(P0)
        await it.read((P1, 0, 10))
        await it.until(lambda: P1 in it.consumer.stored)


async def test_a_write_that_hangs_for_a_lost_partition_keeps_no_place() -> None:
    """With one write at a time: those of other partitions go on."""
    async with stage(ROUTED, in_flight=1) as it:
        it.sink.stuck = {P0}
        await it.assign(P0, P1)
        await it.read((P0, 0, 10), (P1, 0, 10))
        await it.until(lambda: it.sink.begun)
        await it.lose(P0)
        await it.until(lambda: it.sink.offsets(P1) == list(range(10)))


@BOTH
async def test_what_waits_to_be_offered_again_is_not_offered_once_it_is_lost(batching: Batching) -> None:
    """A destination that was down takes only what is still ours."""
    async with stage(batching) as it:
        await it.assign(P0, P1)
        it.sink.fail = [RetriableError("down")] * 1000
        await it.read((P0, 0, 10), (P1, 0, 10))
        await it.until(lambda: len(it.sink.begun) > 3)
        await it.lose(P0)
        it.sink.fail.clear()
        await it.until(lambda: it.sink.offsets(P1) == list(range(10)))
        await it.stop()
        assert it.sink.offsets(P0) == []
        assert it.observer.trouble is None


@BOTH
async def test_a_refused_commit_drops_what_is_buffered_and_nothing_else(batching: Batching) -> None:
    """The others are committed, the task goes on, and what is lost and comes again is read again."""
    async with stage(batching) as it:
        await it.assign(P0, P1)
        it.consumer.refuse = Superseded([P0])
        await it.read((P0, 0, 10), (P1, 0, 10))
        await it.until(lambda: it.consumer.stored.get(P1) is not None and it.consumer.stored[P1].offset == 10)
        assert P0 not in it.consumer.stored
        await it.lose(P0)
        await it.assign(P0)
        assert it.consumer.sought[-1] == (P0, None)
        await it.read((P0, 0, 10))
        await it.until(lambda: P0 in it.consumer.stored)
        assert not it.run.done()


async def test_what_is_polled_of_a_partition_whose_commit_was_refused_is_passed_over() -> None:
    """Until it is clear whose it is, it is paused."""
    async with stage(ROUTED) as it:
        await it.assign(P0, P1)
        it.consumer.refuse = Superseded([P0])
        await it.read((P0, 0, 10))
        await it.until(lambda: P0 in it.consumer.paused)
        await it.read((P0, 10, 20), (P1, 0, 10))
        await it.until(lambda: P1 in it.consumer.stored)
        assert it.sink.offsets(P0) == list(range(10))


@BOTH
async def test_a_partition_that_the_destination_says_is_anothers_is_taken_up_anew(batching: Batching) -> None:
    """From where the destination stands, as long as it is assigned to us; the others' records are written."""
    async with stage(batching) as it:
        await it.assign(P0, P1)
        it.sink.fail = [Superseded([P0])]
        await it.read((P0, 0, 10))
        await it.until(lambda: it.sink.resumed[-1] == {P0})
        assert it.consumer.sought[-1] == (P0, None)
        assert P0 not in it.consumer.paused
        await it.read((P0, 0, 10), (P1, 0, 10))
        await it.until(lambda: {P0, P1} == set(it.consumer.stored))
        assert it.sink.offsets(P0) == list(range(10))


async def test_nothing_is_committed_of_what_the_destination_says_is_anothers() -> None:
    """Not even between its answer and the new beginning."""
    async with stage(MIXED) as it:
        await it.assign(P0, P1)
        it.sink.fail = [Superseded([P0])]
        await it.read((P0, 0, 5), (P1, 0, 5))
        await it.until(lambda: P1 in it.consumer.stored)
        assert P0 not in it.consumer.stored


@BOTH
async def test_a_destination_that_is_down_at_an_assignment_is_waited_for(batching: Batching) -> None:
    """The rebalance ends at once, the consumer is polled, other partitions are delivered; then the partition is taken up."""
    async with stage(batching) as it:
        await it.assign(P1)
        it.sink.fail_resume = RetriableError("the database starts up")
        await asyncio.wait_for(it.assign(P0), 1.0)
        assert P0 in it.consumer.paused
        polls = it.consumer.polls
        await it.read((P1, 0, 10))
        await it.until(lambda: P1 in it.consumer.stored and it.consumer.polls > polls + 3)
        assert str(it.observer.trouble) == "the database starts up"
        it.sink.fail_resume = None
        await it.until(lambda: P0 not in it.consumer.paused)
        await it.read((P0, 0, 10))
        await it.until(lambda: P0 in it.consumer.stored)
        assert it.observer.trouble is None


async def test_a_partition_that_was_not_taken_up_can_be_lost() -> None:
    """Then nothing is to be waited for any more."""
    async with stage(ROUTED) as it:
        it.sink.fail_resume = RetriableError("down")
        await it.assign(P0, P1)
        await it.until(lambda: it.observer.trouble)
        await it.lose(P0, P1)
        assert it.observer.trouble is None
        it.sink.fail_resume = None
        await asyncio.sleep(0.05)
        assert it.consumer.sought == []


async def test_a_topic_that_is_deleted_just_then_is_no_failure() -> None:
    """The consumer will take its partitions away."""
    async with stage(ROUTED) as it:
        await it.broker.delete_topic("orders")
        await it.assign(P0)
        await it.lose(P0)
        await it.broker.create_topic("orders", partitions=3)
        await it.assign(P0)
        await it.read((P0, 0, 10))
        await it.until(lambda: P0 in it.consumer.stored)


async def test_an_assignment_that_can_never_be_taken_up_fails_the_task() -> None:
    """As offset.reset=error has it."""
    async with stage(ROUTED) as it:
        it.sink.fail_resume = FatalError("the table is another connector's")
        await it.assign(P0)

        with pytest.raises(FatalError, match="another connector's"):
            await it.run


async def test_what_is_lost_while_a_commit_is_prepared_is_not_committed() -> None:
    """The sink may take its time to note progress without records."""
    async with stage(ROUTED) as it:
        gate = asyncio.Event()
        it.sink.before_skip = gate.wait
        await it.assign(P0, P1)

        async def only_an_end(_: RebalanceListener) -> list[Batch]:
            return [covering(P0, 0, 7), covering(P1, 0, 7)]

        await it.play(only_an_end)
        await it.until(lambda: it.sink.skipped)
        await it.lose(P0)
        gate.set()
        await it.until(lambda: it.consumer.commits)
        await it.stop()
        assert it.consumer.commits == [{P1: 7}]


@pytest.mark.parametrize("is_cut_off", [False, True])
async def test_a_stop_lets_a_revocation_end(is_cut_off: bool) -> None:
    """What it flushes is committed, and no write is cut off, whatever a cancelled poll means to the consumer."""
    async with stage(ROUTED, revoke_within=10.0) as it:
        it.consumer.is_cut_off = is_cut_off
        it.sink.stuck = {P0}
        await it.assign(P0)
        await it.read((P0, 0, 3))
        revoking = it.begin(lambda listener: listener.revoked([P0]))
        await it.until(lambda: it.sink.begun)
        stopping = asyncio.create_task(it.stop(5.0))
        await asyncio.sleep(0.05)
        it.sink.free(P0)
        await stopping
        assert revoking.done()
        assert it.consumer.commits == [{P0: 3}]
        assert it.sink.released == [{P0}]


async def test_a_stop_does_not_wait_longer_for_a_revocation_than_it_may() -> None:
    """The shorter of the two deadlines holds."""
    async with stage(ROUTED, revoke_within=30.0) as it:
        it.sink.stuck = {P0}
        await it.assign(P0)
        await it.read((P0, 0, 3))
        it.begin(lambda listener: listener.revoked([P0]))
        await it.until(lambda: it.sink.begun)
        await asyncio.wait_for(it.stop(0.4), 5.0)
        assert it.consumer.commits == []


async def test_a_partition_paused_for_its_memory_is_read_when_it_comes_again() -> None:
    """A pause ends with the assignment."""
    async with stage(ROUTED, buffer_memory=1 << 20) as it:
        it.sink.stuck = {P0}
        await it.assign(P0)

        async def much(_: RebalanceListener) -> list[Batch]:
            return [make_batch([b"x" * 100_000] * 20)]

        await it.play(much)
        await it.until(lambda: P0 in it.consumer.paused)
        await it.lose(P0)
        it.sink.free(P0)
        await it.assign(P0)
        assert P0 not in it.consumer.paused


async def test_a_failing_task_commits_what_is_durable_of_its_partitions() -> None:
    """And the error is the task's."""
    async with stage(ROUTED) as it:
        await it.assign(P0, P2)
        await it.read((P0, 0, 10))
        await it.until(lambda: P0 in it.consumer.stored)
        it.sink.fail = [FatalError("no such table")]
        await it.read((P2, 0, 10))

        with pytest.raises(FatalError, match="no such table"):
            await it.run

        assert P2 not in it.consumer.stored
