"""What is told of a task in the log: what changes, and no flood."""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs
import pytest

from streamhouse_connect import State
from streamhouse_connect.runtime.journal import Journal, tell
from streamhouse_connect.testing.factories import make_batch


@attrs.define
class Clock:
    """A clock that is set by hand, and what is to be done later."""

    now: float = 0.0
    due: list[Callable[[], None]] = attrs.field(factory=list)

    def read(self) -> float:
        return self.now

    def later(self, _: float, act: Callable[[], None]) -> None:
        self.due.append(act)

    def pass_by(self, seconds: float) -> None:
        """Let time go by; what was to be done by then is done."""
        self.now += seconds
        due, self.due = self.due, []

        for act in due:
            act()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(clock: Clock, caplog: pytest.LogCaptureFixture) -> Journal:
    """The journal of task 0 of c."""
    caplog.set_level(logging.INFO)
    return Journal("c", 0, clock.read, clock.later)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was told since the last call, without what is the same in all."""
    told = [record.getMessage().replace(" connector=c task=0", "") for record in caplog.records]
    caplog.clear()
    return told


def note(journal: Journal, *states: State | tuple[State, str]) -> None:
    """Note states, some with an error."""
    for state in states:
        if isinstance(state, tuple):
            journal.became(*state, None)
        else:
            journal.became(state, None, None)


def bury(journal: Journal, *, first: int, records: int) -> None:
    """Make so many dead letters of a batch at offset 10, from its record number `first` on."""
    batch = make_batch([b"x"] * (first + records), partition=1, first_offset=10)
    journal.made_dead_letters(batch, first, f"reason {first}", records=records)


def test_every_change_is_told_once(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """From its start to its end; what goes by is not told."""
    note(journal, State.STARTING, State.STARTING, State.RUNNING, State.RUNNING, State.STOPPING, State.PAUSED)
    note(journal, State.STARTING, State.RUNNING, State.STOPPING, State.STOPPED)
    assert events(caplog) == [
        "task_starting",
        "task_running",
        "task_paused",
        "task_starting",
        "task_running",
        "task_stopped",
    ]


def test_trouble_is_told_when_it_is_another(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """Not at every try, nor for the id of another request; that it is over is news again."""
    note(journal, State.RUNNING, (State.RETRYING, "down, request 1a"), (State.RETRYING, "down, request 2b"))
    note(journal, (State.RETRYING, "full"), (State.RETRYING, "down, request 3c"), (State.FAILED, "full"))
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "WARNING", "ERROR"]
    assert events(caplog) == [
        "task_running",
        "task_retrying error=down, request 1a",
        "task_retrying error=full",
        "task_failed error=full",
    ]
    note(journal, State.RUNNING)
    assert events(caplog) == ["task_recovered"]


def test_trouble_that_comes_and_goes_is_told_once_a_minute(
    journal: Journal, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is told every time that it is over; but when it lasts, it is."""
    note(journal, State.RUNNING)

    for _ in range(50):
        note(journal, (State.RETRYING, "busy"), State.RUNNING)

    assert events(caplog) == ["task_running", "task_retrying error=busy", "task_recovered"]
    note(journal, (State.RETRYING, "busy"))
    clock.pass_by(61)
    note(journal, (State.RETRYING, "busy"), State.RUNNING)
    assert events(caplog) == ["task_retrying error=busy", "task_recovered"]


def test_a_failure_is_told_every_time(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """It is never the last thing told of a failed task that it has recovered."""
    note(journal, (State.FAILED, "bad record"), State.RUNNING, (State.FAILED, "bad record"))
    assert events(caplog) == ["task_failed error=bad record", "task_recovered", "task_failed error=bad record"]


def test_trouble_ends_with_a_pause(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """What goes on then has not recovered yet, but starts."""
    note(journal, (State.FAILED, "no"), (State.PAUSED, "no"), State.STARTING, State.RUNNING)
    assert events(caplog) == ["task_failed error=no", "task_paused", "task_starting", "task_running"]


def test_a_traceback_is_for_those_who_look_for_it(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """It is told at DEBUG."""
    journal.became(State.FAILED, "KeyError: 'a'", "Traceback …\nKeyError: 'a'")
    assert events(caplog) == ["task_failed error=KeyError: 'a'"]

    with caplog.at_level(logging.DEBUG):
        journal.became(State.FAILED, "KeyError: 'b'", "Traceback …\nKeyError: 'b'")

    assert str((caplog.records[-1].exc_info or [None, None])[1]) == "Traceback …\nKeyError: 'b'"
    assert events(caplog) == ["task_failed error=KeyError: 'b'", "task_trace"]


def test_many_dead_letters_are_told_as_a_sum(journal: Journal, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The first at once, with where it is and why; those of the next seconds together."""
    bury(journal, first=3, records=2)
    bury(journal, first=0, records=5)
    bury(journal, first=1, records=7)

    assert events(caplog) == ["dead_letters records=2 topic=orders partition=1 offset=13 reason=reason 3"]
    clock.pass_by(10)
    assert events(caplog) == ["dead_letters records=12 topic=orders partition=1 offset=10 reason=reason 0"]
    clock.pass_by(10)
    assert events(caplog) == []


def test_no_dead_letter_is_forgotten_by_a_pause(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """The sum is told before it."""
    for _ in range(3):
        bury(journal, first=0, records=1)

    note(journal, State.PAUSED)
    assert [event[:22] for event in events(caplog)] == [
        "dead_letters records=1",
        "dead_letters records=2",
        "task_paused",
    ]


def test_an_event_is_one_line_of_some_length(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a destination's error holds, and however many topics there are."""
    caplog.set_level(logging.INFO)
    tell("c", "x", {"topics": tuple("abcdefghijklm"), "none": None, "error": "a\nERROR forged " + "b" * 5000})
    message = caplog.records[0].getMessage()
    assert message.startswith("x connector=c topics=a,b,c,d,e,f,g,h,i,j,… error=a ERROR forged bbb")
    assert len(message) < 1200
