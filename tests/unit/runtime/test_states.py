"""States and how they are reported."""

import pytest

from streamhouse_connect import State
from streamhouse_connect.runtime.states import combine


@pytest.mark.parametrize("state", list(State))
def test_the_metric_has_four_states(state: State) -> None:
    """Every state is reported as one of the four that the metric documents."""
    assert state.reported in ("running", "paused", "stopped", "failed")


@pytest.mark.parametrize("state", [State.STARTING, State.RETRYING, State.DEGRADED, State.STOPPING])
def test_states_on_the_way_count_as_running(state: State) -> None:
    """What is neither paused, stopped nor failed counts as running."""
    assert state.reported == "running"


@pytest.mark.parametrize("state", list(State))
def test_a_connector_is_what_all_its_tasks_are(state: State) -> None:
    """However many they are."""
    assert combine([state]) is state
    assert combine([state] * 3) is state


@pytest.mark.parametrize("other", [state for state in State if state is not State.FAILED])
def test_a_connector_of_which_some_tasks_have_failed_is_degraded(other: State) -> None:
    """Whatever the others do."""
    assert combine([other, State.FAILED]) is State.DEGRADED


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([State.RUNNING, State.RETRYING], State.RETRYING),
        ([State.RUNNING, State.STARTING], State.RUNNING),
        ([State.RUNNING, State.DEGRADED], State.DEGRADED),
        ([State.STOPPING, State.PAUSED], State.STOPPING),
        ([State.RUNNING, State.PAUSED], State.RUNNING),
        ([State.STARTING, State.STOPPED], State.STARTING),
    ],
)
def test_tasks_in_different_states_have_one_in_common(states: list[State], expected: State) -> None:
    """Trouble shows, and a connector is paused once all of its tasks are."""
    assert combine(states) is expected
    assert combine(states[::-1]) is expected
