"""What operators make of a definition."""

from datetime import UTC, datetime

import attrs

from streamhouse_connect import TargetState
from streamhouse_connect.runtime.edits import aimed_at, restarted, resumed
from streamhouse_connect.testing.definitions import make_definition

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RUNNING = attrs.evolve(make_definition(), target=TargetState.RUNNING)


def test_another_target_is_a_change() -> None:
    """It is dated; nothing else changes."""
    assert aimed_at(RUNNING, TargetState.STOPPED, at=NOW) == attrs.evolve(
        RUNNING, target=TargetState.STOPPED, updated_at=NOW
    )


def test_the_same_target_is_none() -> None:
    """The definition is the very same, by which its change is known to be none."""
    assert aimed_at(RUNNING, TargetState.RUNNING, at=NOW) is RUNNING


def test_what_runs_well_is_left_alone() -> None:
    """To resume it changes nothing."""
    assert resumed(RUNNING, is_troubled=False, at=NOW) is RUNNING


def test_what_is_in_trouble_is_restarted() -> None:
    """To resume it is to restart it."""
    assert resumed(RUNNING, is_troubled=True, at=NOW) == restarted(RUNNING)


def test_what_stands_still_goes_on() -> None:
    """It is not restarted besides, whatever trouble it was in."""
    paused = make_definition()
    assert resumed(paused, is_troubled=True, at=NOW) == attrs.evolve(paused, target=TargetState.RUNNING, updated_at=NOW)


def test_a_restart_keeps_the_target() -> None:
    """A paused connector stays so."""
    assert restarted(make_definition()) == attrs.evolve(make_definition(), restarts=3)
