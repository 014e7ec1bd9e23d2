"""What the tasks of a connector do as a whole."""

from __future__ import annotations

from streamhouse_connect import Committed, State, TopicPartition
from streamhouse_connect.runtime.snapshots import Snapshot, merge

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


def test_the_error_of_a_failed_task_is_the_connectors() -> None:
    """A task that only retries has less to say than one that has failed."""
    merged = merge(
        [
            Snapshot(State.RETRYING, error="the destination is down"),
            Snapshot(State.FAILED, error="poison", trace="…"),
            Snapshot(State.RUNNING),
        ]
    )
    assert (merged.state, merged.error, merged.trace) == (State.DEGRADED, "poison", "…")


def test_the_partitions_of_all_tasks_are_the_connectors() -> None:
    """Each task has its own."""
    merged = merge([Snapshot(State.RUNNING, assigned=(P1,)), Snapshot(State.RUNNING, assigned=(P0,))])
    assert merged.assigned == (P0, P1)


def test_of_a_partition_that_moved_who_has_it_now_knows_best() -> None:
    """Even where the commit went back, as after a restore of the destination."""
    before = Snapshot(State.RUNNING, committed={P0: Committed(9), P1: Committed(4)})
    now = Snapshot(State.RUNNING, assigned=(P0,), committed={P0: Committed(3), P1: Committed(2)})
    assert merge([before, now]).committed == {P0: Committed(3), P1: Committed(4)}
    assert merge([now, before]).committed == {P0: Committed(3), P1: Committed(4)}


def test_a_weakened_guarantee_of_one_task_is_the_connectors() -> None:
    """What one of them found out holds for the destination."""
    assert merge([Snapshot(State.RUNNING), Snapshot(State.RUNNING, weakened="no locks")]).weakened == "no locks"


def test_what_the_tasks_missed_adds_up() -> None:
    """A partition may have been read by one task after the other."""
    merged = merge([Snapshot(State.RUNNING, missed={P0: 2, P1: 1}), Snapshot(State.RUNNING, missed={P0: 3})])
    assert merged.missed == {P0: 5, P1: 1}
