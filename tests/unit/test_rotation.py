"""Files of a wanted size: what is cut, what waits, what is formatted again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import Batch, TopicPartition
from streamhouse_connect.rotation import Rotation
from streamhouse_connect.testing import make_batch

TP = TopicPartition("orders", 0)


class Format:
    """Makes so many bytes of a byte, and a frame around them."""

    def __init__(self, ratio: float, *, frame: int = 0) -> None:
        self.ratio = ratio
        self.frame = frame
        self.files = 0

    def __call__(self, batch: Batch) -> memoryview:
        self.files += 1
        return memoryview(bytes(self.frame + round(self.ratio * sum(len(value or b"") for value in batch.values))))


def records(*sizes: int, first_offset: int = 0) -> Batch:
    """Make records of these sizes."""
    return make_batch([bytes(size) for size in sizes], first_offset=first_offset, path="p")


def fitted(rotation: Rotation, batch: Batch, format_: Format) -> tuple[int, int] | None:
    """Return how many records are in the file, and its size; None: the batch has to wait."""
    found = rotation.fit(batch, format_)
    return None if found is None else (len(found[0]), len(found[1]))


def test_a_byte_makes_a_byte_as_long_as_nothing_is_known() -> None:
    """With something to spare."""
    assert Rotation(1000).batch_bytes(TP, "p") == 1030


def test_a_file_of_the_size_is_taken_as_it_is() -> None:
    """Give or take a tenth; it is formatted once."""
    for size in (900, 1000, 1100):
        format_ = Format(1.0)
        assert fitted(Rotation(1000), records(*[size // 10] * 10), format_) == (10, size)
        assert format_.files == 1


def test_what_is_too_small_though_cut_by_size_waits_for_more() -> None:
    """What it has shown says how much more."""
    rotation, format_ = Rotation(1000), Format(0.1)

    assert fitted(rotation, records(*[103] * 10), format_) is None
    assert rotation.batch_bytes(TP, "p") == 10_300
    assert fitted(rotation, records(*[103] * 100), format_) == (100, 1030)


def test_what_is_too_small_since_it_was_cut_for_another_reason_is_written() -> None:
    """It is old, or memory is short, or the connector stops; it says nothing of the files to come."""
    rotation = Rotation(1000)

    assert fitted(rotation, records(100), Format(2.5)) == (1, 250)
    assert rotation.batch_bytes(TP, "p") == 1030


def test_a_batch_is_not_too_small_twice() -> None:
    """Should it come again as it was, it is written."""
    rotation, format_ = Rotation(1000), Format(0.89)

    assert fitted(rotation, records(*[100] * 10), format_) is None
    assert fitted(rotation, records(*[100] * 10), format_) == (10, 890)


def test_what_is_too_large_is_made_shorter() -> None:
    """In few steps, the frame of the format notwithstanding."""
    format_ = Format(3.0, frame=300)
    count, size = fitted(Rotation(1000), records(*[10] * 100), format_) or (0, 0)

    assert 900 <= size <= 1100
    assert size == 300 + 30 * count
    assert format_.files <= 4


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ([50_000], 1),
        ([50_000, 10, 10], 1),
        ([100, 50_000], 1),
        ([950, 50_000], 1),
        ([10, 10, 50_000, 10], 2),
    ],
)
def test_a_record_that_is_too_large_is_in_a_file_all_the_same(sizes: list[int], count: int) -> None:
    """What is before it is a file of its own, be it small."""
    assert fitted(Rotation(1000), records(*sizes), Format(1.0)) == (count, sum(sizes[:count]))


def test_a_route_learns_from_its_own_files_only() -> None:
    """What others show is where a new one begins; it does not change what a batch was cut by."""
    rotation = Rotation(1000)
    assert rotation.batch_bytes(TP, "q") == 1030
    fitted(rotation, records(*[103] * 100), Format(0.1))

    assert rotation.batch_bytes(TP, "p") == 10_300
    assert rotation.batch_bytes(TP, "q") == 1030
    assert rotation.batch_bytes(TP, "new") == 10_300
    assert rotation.batch_bytes(TopicPartition("orders", 1), "p") == 10_300
    assert rotation.batch_bytes(TopicPartition("other", 0), "p") == 1030


def test_many_routes_are_forgotten_in_the_end() -> None:
    """Paths by the hour come and go for years."""
    rotation = Rotation(1000)
    fitted(rotation, records(*[103] * 100), Format(0.1))

    for number in range(10_000):
        rotation.batch_bytes(TopicPartition("other", 0), str(number))

    fitted(rotation, records(*[103] * 50), Format(0.2))
    assert rotation.batch_bytes(TP, "p") == 5150


@given(
    sizes=st.lists(st.one_of(st.integers(0, 50), st.integers(0, 5_000)), min_size=1, max_size=200),
    ratio=st.floats(0.01, 5.0),
    frame=st.integers(0, 500),
    grow=st.booleans(),
)
def test_every_record_is_written_in_the_end(sizes: list[int], ratio: float, frame: int, *, grow: bool) -> None:
    """Whatever the sizes: a batch waits at most once as it is, and each file takes one record at least."""
    rotation, format_ = Rotation(1000), Format(ratio, frame=frame)
    waiting = records(*sizes)
    taken, steps = 1 if grow else len(sizes), 0

    while len(waiting):
        steps += 1
        found = rotation.fit(waiting[:taken], format_)

        if found is None:
            assert rotation.batch_bytes(TP, "p") * 0.9 > waiting[:taken].nbytes
            taken += int(grow)
        else:
            assert len(found[0]) >= 1
            assert len(found[1]) <= 1100 or len(found[0]) == 1 or frame + ratio * len(found[0].values[0] or b"") > 900
            waiting = waiting[len(found[0]) :]
            taken = 1 if grow else len(sizes)

        assert steps <= 3 * len(sizes) + 3
