"""Batches: columns, spans, and what is left of them when they are taken apart and joined."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import Batch, PlainColumns, Record, Span, TopicPartition
from streamhouse_connect.testing import make_batch


def test_iteration_gives_records() -> None:
    """A plugin author may go through a batch record by record."""
    batch = make_batch(
        [b"a", None], keys=[b"k", None], timestamps=[1, -1], headers=[(("h", b"x"),), ()], first_offset=5
    )
    tp = TopicPartition("orders", 0)
    assert list(batch) == [Record(tp, 5, 1, b"k", b"a", (("h", b"x"),)), Record(tp, 6, -1, None, None, ())]
    assert batch[-1] == list(batch)[-1]


def test_a_column_is_computed_once_and_only_when_asked_for() -> None:
    """A broker may hold its own form of the records until somebody needs a column."""
    calls = []

    def values() -> list[bytes | None]:
        calls.append("values")
        return [b"a"]

    def never() -> list[bytes | None]:
        raise AssertionError

    span = Span(TopicPartition("t", 0), 0, 1, 0, 1)
    columns = PlainColumns(values=values, keys=never, offsets=[0], timestamps=[0], headers=[()])
    batch = Batch(columns, spans=(span,), nbytes=1)
    assert (batch.values, batch.values, calls) == ([b"a"], [b"a"], ["values"])


def test_a_slice_covers_up_to_the_next_record_outside_it() -> None:
    """Gaps belong to the part before them."""
    batch = make_batch([b"a", b"b", b"c"], offsets=[2, 5, 9])
    assert [(s.first_offset, s.next_offset) for s in batch[0:1].spans] == [(2, 5)]
    assert [(s.first_offset, s.next_offset) for s in batch[1:3].spans] == [(5, 10)]


def test_a_selection_goes_on_covering_what_it_was_taken_from() -> None:
    """Records that were filtered out are covered: progress goes beyond them."""
    selected = make_batch([b"a", b"b", b"c"], first_offset=10).select([1], path="p")
    assert (list(selected.values), list(selected.offsets), selected.path) == ([b"b"], [11], "p")
    assert selected.spans == (Span(TopicPartition("orders", 0), 0, 1, 10, 13),)


def test_joined_batches_of_one_partition_are_one_span() -> None:
    """Neighbours merge, other partitions stay apart."""
    joined = Batch.concat([make_batch([b"a"]), make_batch([b"b"], first_offset=1), make_batch([b"c"], partition=1)])
    assert [(s.tp.partition, s.start, s.stop, s.next_offset) for s in joined.spans] == [(0, 0, 2, 2), (1, 2, 3, 1)]


def test_a_batch_is_not_sliced_with_a_step() -> None:
    """Offsets have to stay contiguous."""
    with pytest.raises(ValueError, match="select"):
        make_batch([b"a", b"b"])[::2]


@given(data=st.data(), count=st.integers(1, 50))
def test_parts_joined_are_the_whole(data: st.DataObject, count: int) -> None:
    """However a batch is cut, its parts give it back, columns and coverage."""
    batch = make_batch([b"%d" % n for n in range(count)], first_offset=100)
    cuts = sorted({0, count, *data.draw(st.lists(st.integers(0, count), max_size=5))})
    parts = [batch[a:b] for a, b in itertools.pairwise(cuts)]
    joined = Batch.concat(parts)
    assert list(joined) == list(batch)
    assert joined.spans == batch.spans


def test_a_slice_of_a_joined_batch_leaves_the_columns_that_nobody_asked_for() -> None:
    """Parts are sliced where they lie: neither joining nor cutting extracts a column."""

    def never() -> list[bytes | None]:
        raise AssertionError

    def part(first: int) -> Batch:
        tp = TopicPartition("t", 0)
        columns = PlainColumns(
            values=[b"%d" % first], keys=never, offsets=[first], timestamps=[first], headers=lambda: [(), ()]
        )
        return Batch(columns, spans=(Span(tp, 0, 1, first, first + 1),), nbytes=1)

    joined = Batch.concat([part(0), part(1), part(2)])
    assert (joined[1:3].values, joined[1:2].offsets, joined[3:].values) == ([b"1", b"2"], [1], ())
