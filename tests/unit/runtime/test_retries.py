"""The wait between tries."""

from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.runtime.retries import Backoff


def test_the_wait_doubles_up_to_its_maximum() -> None:
    """Without jitter: 1, 2, 4, 8, and never more than the maximum."""
    backoff = Backoff(1.0, 8.0, lambda: 1.0)
    assert [backoff.delay(n) for n in range(6)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_the_destination_may_ask_for_more() -> None:
    """Retry-After is a lower bound."""
    assert Backoff(1.0, 8.0, lambda: 1.0).delay(0, at_least=60.0) == 60.0


@given(attempt=st.integers(0, 10**9), jitter=st.floats(0.0, 1.0, exclude_max=True))
def test_the_jitter_is_at_most_half(attempt: int, jitter: float) -> None:
    """Every wait lies between half of its size and all of it, after any number of tries."""
    full = Backoff(0.5, 30.0, lambda: 1.0).delay(attempt)
    assert full / 2 <= Backoff(0.5, 30.0, lambda: jitter).delay(attempt) <= full
