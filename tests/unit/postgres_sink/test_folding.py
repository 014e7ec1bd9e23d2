from __future__ import annotations

from streamhouse_postgres_sink._folding import firsts, folding


def folded(numbers: list[int], *tombstones: int, counting: list[int] | None = None, soft: bool = False):
    found = folding([(numbers, numbers if counting is None else counting)], tombstones=set(tombstones), is_soft=soft)
    return found.discarded, [list(run) for run in found.runs]


def test_records_of_several_shapes_become_one():
    """Field by field, in their order."""
    assert folded([1, 4, 7]) == ([1, 4, 7], [[1, 4, 7]])


def test_only_what_follows_the_last_tombstone_becomes_a_row():
    """The tombstones stay, for they delete the row that was there before."""
    assert folded([0, 1, 2, 3, 4], 1, 3) == ([0, 2, 4], [[4]])


def test_what_ends_with_a_tombstone_leaves_nothing():
    """But the tombstone."""
    assert folded([0, 1], 1) == ([0], [])
    assert folded([0, 1], 0, 1) == ([], [])


def test_a_soft_delete_is_a_field_like_others():
    """So long as there is a record to insert, if there is no row yet."""
    assert folded([0, 1, 2], 1, soft=True) == ([0, 1, 2], [[0, 1, 2]])


def test_a_soft_delete_alone_inserts_nothing():
    """It stays in the stage, to update the row that may be there."""
    assert folded([3, 5], 3, 5, soft=True) == ([], [])
    assert folded([1, 3], 3, counting=[3], soft=True) == ([1], [])


def test_what_is_too_old_is_discarded():
    """And its fields with it."""
    assert folded([0, 1, 2], counting=[0, 2]) == ([0, 1, 2], [[0, 2]])
    assert folded([0, 1], counting=[]) == ([0, 1], [])


def test_of_what_is_only_inserted_the_first_counts():
    """The others would be ignored."""
    found = firsts([([2, 3, 9], [2, 3, 9]), ([1, 4], [1, 4])])
    assert (found.discarded, found.runs) == ([3, 9, 4], [])


def test_of_records_that_are_not_partial_the_last_counts_alone():
    """With the tombstones behind it, if those are fields like others."""
    made = folding([([1, 4, 7], [1, 4, 7])], tombstones={7}, is_soft=True, is_partial=False)
    assert (made.discarded, [list(run) for run in made.runs]) == ([1, 4, 7], [[4, 7]])
    made = folding([([1, 4, 7], [1, 4, 7])], tombstones={1}, is_soft=False, is_partial=False)
    assert (made.discarded, [list(run) for run in made.runs]) == ([4, 7], [[7]])
