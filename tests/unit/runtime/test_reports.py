"""What workers tell each other."""

from __future__ import annotations

import pytest

from streamhouse_connect import State, TopicPartition
from streamhouse_connect.runtime import reports
from streamhouse_connect.runtime.snapshots import Snapshot

TP = TopicPartition("orders", 3)


def test_what_is_told_is_understood() -> None:
    """All of it, task by task."""
    tasks = [
        Snapshot(
            State.FAILED,
            error="ä",
            trace="Traceback …",
            weakened="no locks",
            assigned=(TP,),
            missed={TP: 7},
            notes=("odd",),
        ),
        Snapshot(State.RUNNING),
    ]
    assert reports.decode(reports.encode(tasks)) == tasks


def test_equal_tasks_are_told_in_equal_words() -> None:
    """A report that says nothing new need not be sent."""
    one = {TopicPartition("a", 0): 1, TopicPartition("b", 0): 2}
    other = dict(reversed(one.items()))
    assert reports.encode([Snapshot(State.RUNNING, missed=one)]) == reports.encode(
        [Snapshot(State.RUNNING, missed=other)]
    )


@pytest.mark.parametrize("report", [b"", b"null", b"{}", b'[{"state":"dreaming"}]', b"\xff", b'[{"error":"x"}]'])
def test_a_report_in_other_words_says_nothing(report: bytes) -> None:
    """Workers of other versions may run next to this one."""
    assert reports.decode(report) == []


def test_what_later_versions_add_is_passed_over() -> None:
    """The rest is understood."""
    assert reports.decode(b'[{"state":"running","mood":"good"}]') == [Snapshot(State.RUNNING)]


def test_a_long_traceback_keeps_its_end() -> None:
    """That is where the error is."""
    (task,) = reports.decode(reports.encode([Snapshot(State.FAILED, trace="x" * 100_000 + "ValueError: oops")]))
    assert task.trace is not None
    assert len(task.trace) < 10_000
    assert task.trace.endswith("oops")
