from __future__ import annotations

import attrs
import pytest

from streamhouse_postgres_sink._deletes import mark_of, marked
from streamhouse_postgres_sink._rows import decode
from streamhouse_postgres_sink._types import Column, Kind

BOOLEAN = Column("gone", "boolean")
MOMENT = Column("gone", "timestamp with time zone", Kind.INSTANT)


def marks(column: Column, *, timestamp: int = 1_700_000_000_123) -> list[bytes]:
    mark = mark_of(column)
    assert mark
    decoded = attrs.evolve(decode([b'{"gone":"mine"}', b"{}"]), tombstones={1: timestamp})
    return [bytes(record["gone"]) for record in marked(decoded, column, mark).records]


def test_a_boolean_says_whether_a_row_is_deleted():
    """Whatever the record says itself."""
    assert marks(BOOLEAN) == [b"false", b"true"]


def test_a_timestamp_without_time_zone_does_as_well():
    """What is said of the zone is taken in when the value is read."""
    assert marks(Column("gone", "timestamp without time zone", Kind.TIMESTAMP)) == marks(MOMENT)


def test_a_timestamp_says_when():
    """By the tombstone's own time, so that writing it again changes nothing."""
    assert marks(MOMENT) == [b"null", b'"2023-11-14T22:13:20.123000+00:00"']


@pytest.mark.parametrize("timestamp", [-1, 10**17])
def test_a_time_that_is_not_known_is_now(timestamp: int):
    """PostgreSQL's."""
    assert marks(MOMENT, timestamp=timestamp)[1] == b"now"


@pytest.mark.parametrize("column", [Column("gone", "text"), attrs.evolve(MOMENT, is_array=True)])
def test_other_types_say_nothing(column: Column):
    """They are refused when the table is looked at."""
    assert mark_of(column) is None
