"""Memory: how a worker's is shared out, and which partitions are paused for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import TopicPartition
from streamhouse_connect.runtime.memory import PATIENCE_SECONDS, MemoryBudget, Throttle

TPS = [TopicPartition("orders", partition) for partition in range(4)]
BOUND = 1000


def update(
    throttle: Throttle, held: Mapping[TopicPartition, int], partitions: Collection[TopicPartition], *, now: float = 0.0
) -> tuple[set[TopicPartition], set[TopicPartition]]:
    """Return what is to be paused and resumed."""
    pause, resume = throttle.update(held, partitions, bound=BOUND, now=now)
    return set(pause), set(resume)


def test_running_tasks_share_the_budget() -> None:
    """Evenly, and as many as there are at the moment."""
    budget = MemoryBudget(BOUND)
    assert budget.share == BOUND

    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(budget.joined())

        assert budget.share == 250

    assert budget.share == BOUND


@pytest.mark.parametrize(
    ("states", "holds"),
    [([999], False), ([1000], True), ([1000, 750], True), ([1000, 749], False), ([1000, 749, 999], False)],
)
def test_nothing_is_read_while_the_memory_is_used_up(states: list[int], *, holds: bool) -> None:
    """Until a quarter of it is free; nothing is paused for that, as it would take long to resume."""
    throttle = Throttle()

    for state in states:
        assert update(throttle, {TPS[0]: state // 2, TPS[1]: state - state // 2}, TPS[:2]) == (set(), set())

    assert throttle.holds is holds


def test_everything_is_paused_when_that_takes_long() -> None:
    """So that there can be polls; partitions that come meanwhile are paused too, and all go on together."""
    throttle = Throttle()
    full = {TPS[0]: 500, TPS[1]: 500}
    update(throttle, full, TPS[:2])
    assert update(throttle, full, TPS[:2], now=PATIENCE_SECONDS - 0.1) == (set(), set())
    assert update(throttle, full, TPS[:2], now=PATIENCE_SECONDS) == (set(TPS[:2]), set())
    assert not throttle.holds
    assert update(throttle, full, TPS[:3], now=PATIENCE_SECONDS + 9) == ({TPS[2]}, set())
    assert update(throttle, {TPS[0]: 400, TPS[1]: 349}, TPS[:3], now=PATIENCE_SECONDS + 10) == (set(), set(TPS[:3]))
    update(throttle, full, TPS[:2], now=PATIENCE_SECONDS + 20)
    assert throttle.holds


def test_one_partition_may_use_it_all() -> None:
    """It has no others to make room for; but something of it has to be written."""
    throttle = Throttle()
    update(throttle, {TPS[0]: 999}, TPS[:1])
    assert not throttle.crowding
    assert update(throttle, {TPS[0]: 1000}, TPS[:1]) == (set(), set())
    assert throttle.crowding == {TPS[0]}


def test_something_has_to_be_written_of_what_is_more_than_its_share() -> None:
    """Once half of the memory is used, however evenly."""
    throttle = Throttle()
    update(throttle, dict.fromkeys(TPS[:2], 250), TPS)
    assert throttle.crowding == set(TPS[:2])
    update(throttle, dict.fromkeys(TPS[:2], 249), TPS)
    assert throttle.crowding == set(TPS[:2])
    assert not throttle.paused


def test_a_partition_that_holds_twice_its_share_is_paused_alone() -> None:
    """Once half of the memory is used; the others go on."""
    throttle = Throttle()
    assert update(throttle, {TPS[0]: 499}, TPS) == (set(), set())
    assert update(throttle, {TPS[0]: 500, TPS[1]: 200}, TPS) == ({TPS[0]}, set())
    assert throttle.crowding == {TPS[0]}


def test_it_goes_on_at_half_of_its_share() -> None:
    """Also while the others hold a lot."""
    throttle = Throttle()
    update(throttle, {TPS[0]: 500}, TPS)
    assert update(throttle, {TPS[0]: 126, TPS[1]: 200}, TPS) == (set(), set())
    assert update(throttle, {TPS[0]: 125, TPS[1]: 200, TPS[2]: 200}, TPS) == (set(), {TPS[0]})


def test_it_goes_on_when_there_is_room_again() -> None:
    """With less than a quarter used a share means nothing."""
    throttle = Throttle()
    update(throttle, {TPS[0]: 500}, TPS)
    assert update(throttle, {TPS[0]: 250}, TPS) == (set(), {TPS[0]})


def test_a_partition_that_is_gone_is_not_resumed() -> None:
    """And should it come again, it is not taken for paused."""
    throttle = Throttle()
    update(throttle, {TPS[0]: 750}, TPS[:2])
    throttle.forget(TPS[:1])
    assert update(throttle, {}, TPS[:2]) == (set(), set())
    assert update(throttle, {TPS[0]: 750}, TPS[:2]) == ({TPS[0]}, set())
    assert update(throttle, {}, []) == (set(), set())


@given(st.lists(st.lists(st.integers(0, 600), min_size=4, max_size=4), max_size=20))
def test_what_is_paused_is_what_was_said_to_be(states: list[list[int]]) -> None:
    """However memory comes and goes: pausing and resuming as told leads to what is paused, and never to all for ever."""
    throttle = Throttle()
    paused: set[TopicPartition] = set()

    for number, state in enumerate([*states, [0] * 4]):
        held = dict(zip(TPS, state, strict=True))
        pause, resume = update(throttle, held, TPS, now=number * 0.6)
        assert not pause & paused
        assert resume <= paused
        paused = (paused | pause) - resume
        assert paused == throttle.paused
        assert sum(state) < BOUND or throttle.holds or paused == set(TPS)

    assert not paused
