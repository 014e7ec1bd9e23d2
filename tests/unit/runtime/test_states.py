"""States and how a connector's follows from its tasks'."""

import pytest

from streamhouse_connect import State
from streamhouse_connect.runtime.states import combine


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], State.STOPPED),
        ([State.RUNNING], State.RUNNING),
        ([State.FAILED, State.FAILED], State.FAILED),
        ([State.FAILED, State.RUNNING], State.DEGRADED),
        ([State.RETRYING, State.RUNNING], State.RETRYING),
        ([State.STARTING, State.RUNNING], State.STARTING),
        ([State.PAUSED, State.PAUSED], State.PAUSED),
    ],
)
def test_a_connector_is_what_its_tasks_are(states: list[State], expected: State) -> None:
    """The state that an operator has to know about wins."""
    assert combine(states) is expected


@pytest.mark.parametrize("state", list(State))
def test_the_metric_has_four_states(state: State) -> None:
    """Every state is reported as one of the four that the metric documents."""
    assert state.reported in ("running", "paused", "stopped", "failed")


@pytest.mark.parametrize("state", [State.STARTING, State.RETRYING, State.DEGRADED, State.STOPPING])
def test_states_on_the_way_count_as_running(state: State) -> None:
    """What is neither paused, stopped nor failed counts as running."""
    assert state.reported == "running"
