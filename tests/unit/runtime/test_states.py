"""States and how they are reported."""

import pytest

from streamhouse_connect import State


@pytest.mark.parametrize("state", list(State))
def test_the_metric_has_four_states(state: State) -> None:
    """Every state is reported as one of the four that the metric documents."""
    assert state.reported in ("running", "paused", "stopped", "failed")


@pytest.mark.parametrize("state", [State.STARTING, State.RETRYING, State.DEGRADED, State.STOPPING])
def test_states_on_the_way_count_as_running(state: State) -> None:
    """What is neither paused, stopped nor failed counts as running."""
    assert state.reported == "running"
