"""Paths by fields of the value."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import ConfigError, RejectedRecords
from streamhouse_connect.config import load
from streamhouse_connect.partitioners import NO_PARTITION, FieldPartitioner
from streamhouse_connect.partitioners.field import FieldConfig
from streamhouse_connect.testing import make_batch

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)


def split(fields: Sequence[str], *values: object) -> dict[str, list[int]]:
    """Return the indexes of each path; bytes are a value as they are."""
    found = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    partitioner = FieldPartitioner(FieldConfig(fields=tuple(fields)))
    return {path: list(indexes) for path, indexes in partitioner.split(make_batch(found))}


def test_records_are_filed_by_the_values_of_their_fields() -> None:
    """In the order of the fields, as Hive files rows."""
    one, two, three = (
        {"tenant": "a", "region": "b"},
        {"region": "b", "tenant": "a", "x": 1},
        {"tenant": "a", "region": 3},
    )
    assert split(["tenant", "region"], one, three, two) == {"tenant=a/region=b": [0, 2], "tenant=a/region=3": [1]}


def test_a_value_that_is_missing_is_hives() -> None:
    """null, no such field, no object, no JSON: the format decides what of it may be written."""
    assert split(["t"], {"t": None}, {"u": 1}, [1], b"\xff\x00", {"t": "a"}) == {
        f"t={NO_PARTITION}": [0, 1, 2, 3],
        "t=a": [4],
    }


def test_a_batch_of_one_value_is_not_taken_apart() -> None:
    """It costs no list of indexes."""
    partitioner = FieldPartitioner(FieldConfig(fields=("t",)))
    assert partitioner.split(make_batch([b'{"t":1}'] * 3)) == [("t=1", range(3))]


def test_names_are_encoded_as_values_are() -> None:
    """A slash in the name of a field opens no directory."""
    assert split(["a/b=c"], {"a/b=c": "x"}) == {"a%2Fb%3Dc=x": [0]}


def test_all_records_without_a_path_are_rejected_at_once() -> None:
    """Arrays, objects, and what makes keys longer than S3 takes; with the field, and without what is in it."""
    secret = "s" * 1000

    with pytest.raises(RejectedRecords) as caught:
        split(["t", "u"], {"t": [1]}, {"t": "a"}, {"t": {}, "u": 2}, {"t": secret}, b'{"u":1e999}')

    assert caught.value.reasons.keys() == {0, 2, 3, 4}
    assert "'t'" in caught.value.reasons[0]
    assert "'u'" in caught.value.reasons[4]
    assert "1,031 bytes" in caught.value.reasons[3]
    assert secret not in caught.value.reasons[3]


def test_a_path_may_be_as_long_as_a_key_leaves_room() -> None:
    """In bytes, not in characters."""
    assert split(["t"], {"t": "x" * 247}) == {"t=" + "x" * 247: [0]}
    assert split(["t"], {"t": "東" * 82}) == {"t=" + "東" * 82: [0]}

    for value in ("x" * 248, "東" * 83, "/" * 83):
        with pytest.raises(RejectedRecords):
            split(["t"], {"t": value})


@given(rows=st.lists(st.tuples(SCALARS, SCALARS), min_size=1, max_size=8))
def test_records_share_a_path_if_and_only_if_they_agree_in_all_fields(rows: list[tuple[object, object]]) -> None:
    """Every record is filed once, and two values never share a path."""
    parts = split(["t", "u"], *[{"t": one, "u": other} for one, other in rows])
    found = {index: path for path, indexes in parts.items() for index in indexes}
    assert sorted(found) == [*range(len(rows))]
    assert all(path.count("/") == 1 and ".." not in path.split("/") for path in parts)
    keys = {index: json.dumps(row) for index, row in enumerate(rows)}
    assert all((found[i] == found[j]) == (keys[i] == keys[j]) for i in keys for j in keys)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", "is required by partitioning=field"),
        (", ,", "is required by partitioning=field"),
        ('a,b"c', "must not hold quotes"),
        ("a,b,a", "names 'a' a second time"),
        ("x" * 250, "at most"),
    ],
)
def test_a_list_that_makes_no_path_is_refused(fields: str, message: str) -> None:
    """Before anything is read."""
    with pytest.raises(ConfigError, match=message) as caught:
        load([FieldConfig], {"partitioning.fields": fields})

    assert [problem.field for problem in caught.value.problems] == ["config.partitioning.fields"]


def test_fields_are_required() -> None:
    """There is no default that would suit anybody."""
    with pytest.raises(ConfigError, match="tenant,region"):
        load([FieldConfig], {})
