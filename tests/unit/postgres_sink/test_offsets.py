from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamhouse_connect import Batch, Superseded, TopicPartition
from streamhouse_connect.testing import make_batch
from streamhouse_postgres_sink._offsets import Move, Moved, Offsets, Row, compare

A0, A1, B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)
IDS = {"a": "z-id", "b": "b-id"}


def made(**rows: Row) -> Offsets:
    offsets = Offsets(IDS)
    offsets.learn({{"A0": A0, "A1": A1, "B0": B0}[name]: row for name, row in rows.items()})
    return offsets


def part(tp: TopicPartition, offsets: Sequence[int]) -> Batch:
    return make_batch([b"{}"] * len(offsets), topic=tp.topic, partition=tp.partition, offsets=offsets)


def move(tp: TopicPartition, before: Row, next_offset: int = 20) -> Move:
    return Move(tp, IDS[tp.topic], before, next_offset)


def test_rows_move_to_the_end_of_what_is_covered_in_the_order_of_their_keys():
    """Whatever the order in the batch, and however often a partition comes in it."""
    offsets = made(A0=Row(1, 5), A1=Row(2, None), B0=Row(3, 0))
    batch = Batch.concat([part(A1, [7]), part(A0, [5, 6]), part(B0, [0]), part(A0, [9])])
    assert offsets.moves(batch) == [
        Move(B0, "b-id", Row(3, 0), 1),
        Move(A0, "z-id", Row(1, 5), 10),
        Move(A1, "z-id", Row(2, None), 8),
    ]


def test_filtered_records_at_the_end_are_covered():
    """They are nothing to come back for."""
    batch = part(A0, [5, 6, 7]).select([0])
    assert made(A0=Row(1, 5)).moves(batch) == [Move(A0, "z-id", Row(1, 5), 8)]


def test_nothing_is_written_of_a_partition_that_is_not_claimed():
    """It was released while the batch waited."""
    offsets = made(A0=Row(1, 5), A1=Row(1, 5))
    offsets.forget([A1, B0])

    with pytest.raises(Superseded) as caught:
        offsets.moves(Batch.concat([part(A0, [5]), part(A1, [5])]))

    assert caught.value.partitions == {A1}


def test_a_committed_move_is_remembered():
    """Unless the partition was released, or claimed anew, meanwhile."""
    offsets = made(A0=Row(1, 5), A1=Row(1, 5), B0=Row(1, 5))
    moves = offsets.moves(Batch.concat([part(A0, [5]), part(A1, [5]), part(B0, [5])]))
    offsets.forget([A1])
    offsets.learn({B0: Row(2, 5)})
    offsets.moved(moves)
    assert offsets.moves(part(A0, [6]))[0].before == Row(1, 6)
    assert offsets.moves(part(B0, [5]))[0].before == Row(2, 5)

    with pytest.raises(Superseded):
        offsets.moves(part(A1, [6]))


@pytest.mark.parametrize(
    ("next_offset", "missing"),
    [
        (None, [0, 1, 2, 3, 4]),
        (5, [0, 1, 2, 3, 4]),
        (6, [1, 2, 3, 4]),
        (7, [1, 3, 4]),
        (8, [1, 3, 4]),
        (9, [1, 4]),
        (99, [1]),
    ],
)
def test_what_the_database_holds_is_not_missing(next_offset: int | None, missing: list[int]):
    """In each of a partition's spans; other partitions do not mind."""
    batch = Batch.concat([part(A0, [5]), part(B0, [5]), part(A0, [6, 8]), part(A0, [9])])
    assert list(made(A0=Row(1, next_offset), B0=Row(1, 0)).missing(batch)) == missing


def test_rows_are_skipped_forwards_only():
    """And only our own."""
    offsets = made(A0=Row(1, 5), A1=Row(1, None))
    assert offsets.skips({A0: 5, A1: 0, B0: 7}) == [Move(A1, "z-id", Row(1, None), 0)]
    assert offsets.skips({A0: 6}) == [Move(A0, "z-id", Row(1, 5), 6)]
    assert not offsets.skips({A0: 4})


def test_rows_as_they_were_may_be_moved():
    """Also those that say nothing yet."""
    moves = [move(A0, Row(1, 5)), move(B0, Row(4, None))]
    compare(moves, {("z-id", 0): Row(1, 5), ("b-id", 0): Row(4, None)})


@pytest.mark.parametrize("row", [None, Row(2, 5), Row(2, 6), Row(1, 4), Row(1, None), Row(0, 9)])
def test_a_row_of_another_generation_or_behind_is_not_ours(row: Row | None):
    """Another task's, a restored database's, or gone; it is named, and no other."""
    moves = [move(A0, Row(1, 5)), move(A1, Row(1, 5)), move(B0, Row(1, 5))]
    rows = {("z-id", 0): Row(1, 5), ("b-id", 0): Row(1, 20), **({("z-id", 1): row} if row else {})}

    with pytest.raises(Superseded) as caught:
        compare(moves, rows)

    assert caught.value.partitions == {A1}


@pytest.mark.parametrize("before", [5, None])
def test_an_own_row_further_on_was_moved_by_a_commit_whose_answer_was_lost(before: int | None):
    """What it wrote is known then."""
    with pytest.raises(Moved) as caught:
        compare([move(A0, Row(1, before)), move(B0, Row(1, 5))], {("z-id", 0): Row(1, 7), ("b-id", 0): Row(1, 5)})

    assert caught.value.rows == {A0: Row(1, 7)}
