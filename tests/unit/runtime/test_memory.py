"""Memory: how a worker's is shared out, and which partitions are paused for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import TopicPartition
from streamhouse_connect.runtime.memory import MemoryBudget, Throttle

TPS = [TopicPartition("orders", partition) for partition in range(4)]
BOUND = 1000


def update(
    throttle: Throttle, held: Mapping[TopicPartition, int], partitions: Collection[TopicPartition], bound: int = BOUND
) -> tuple[set[TopicPartition], set[TopicPartition]]:
    """Return what is to be paused and resumed."""
    pause, resume = throttle.update(held, partitions, bound)
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


def test_one_partition_may_use_it_all() -> None:
    """A single partition is paused when the memory is used up, and resumed at half of it."""
    throttle = Throttle()
    (tp,) = TPS[:1]
    assert update(throttle, {tp: 999}, [tp]) == (set(), set())
    assert update(throttle, {tp: 1000}, [tp]) == ({tp}, set())
    assert update(throttle, {tp: 501}, [tp]) == (set(), set())
    assert update(throttle, {tp: 500}, [tp]) == (set(), {tp})


def test_a_partition_that_holds_too_much_is_paused_alone() -> None:
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


def test_everything_is_paused_when_the_memory_is_used_up() -> None:
    """Until a quarter of it is free; partitions that come meanwhile are paused too."""
    throttle = Throttle()
    update(throttle, {TPS[0]: 900}, TPS[:3])
    assert update(throttle, {TPS[0]: 900, TPS[1]: 100}, TPS[:3])[0] == set(TPS[1:3])
    assert update(throttle, {TPS[0]: 700, TPS[1]: 100}, TPS) == ({TPS[3]}, set())
    assert update(throttle, {TPS[0]: 700, TPS[1]: 40}, TPS) == (set(), set(TPS[1:]))
    assert throttle.paused == {TPS[0]}


def test_a_partition_that_is_gone_is_not_resumed() -> None:
    """And should it come again, it is not taken for paused."""
    throttle = Throttle()
    update(throttle, {TPS[0]: 1000}, TPS[:1])
    throttle.forget(TPS[:1])
    assert update(throttle, {}, TPS[:1]) == (set(), set())
    update(throttle, {TPS[0]: 1000}, TPS[:1])
    assert update(throttle, {}, []) == (set(), set())


@given(st.lists(st.lists(st.integers(0, 600), min_size=4, max_size=4), max_size=20))
def test_what_is_paused_is_what_was_said_to_be(states: list[list[int]]) -> None:
    """However memory comes and goes: pausing and resuming as told leads to what is paused, and never to all for ever."""
    throttle = Throttle()
    paused: set[TopicPartition] = set()

    for state in [*states, [0] * 4]:
        held = dict(zip(TPS, state, strict=True))
        pause, resume = update(throttle, held, TPS)
        assert not pause & paused
        assert resume <= paused
        paused = (paused | pause) - resume
        assert paused == throttle.paused
        assert sum(state) < BOUND or paused == set(TPS)

    assert not paused
