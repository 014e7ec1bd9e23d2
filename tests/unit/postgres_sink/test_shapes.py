from __future__ import annotations

from streamhouse_postgres_sink._rows import decode
from streamhouse_postgres_sink._shapes import Shapes
from streamhouse_postgres_sink._types import Column

COLUMNS = [
    Column("id", "int"),
    Column("a", "int"),
    Column("b", "int", has_default=True),
    Column("generated", "int", has_default=True, is_writable=False),
]


def groups(*records: str, update: bool) -> list[tuple[str, list[int]]]:
    shapes = Shapes(COLUMNS, key=["id"] if update else [], update=update)
    plan = shapes.plan(decode([record.encode() for record in records]).records)
    return [(" ".join(group.names), list(group.indexes)) for group in plan.groups]


def test_uniform_records_are_one_group():
    """Columns that none of them has are left alone."""
    assert groups('{"id":1,"a":1}', '{"id":2,"a":2}', update=True) == [("id a", [0, 1])]


def test_the_order_of_fields_makes_no_difference():
    """The columns are in the order of the table."""
    assert groups('{"id":1,"a":1}', '{"a":2,"id":2}', update=True) == [("id a", [0, 1])]


def test_records_with_different_fields_are_updated_apart():
    """What a record does not mention keeps its value."""
    records = ('{"id":1,"a":1}', '{"id":2,"b":1}', '{"id":3,"a":null}')
    assert groups(*records, update=True) == [("id a", [0, 2]), ("id b", [1])]


def test_only_defaults_tell_inserted_records_apart():
    """Where there is none, a missing field is NULL anyway."""
    records = ('{"id":1}', '{"id":2,"a":1}', '{"id":3,"b":1}', '{"b":1}')
    assert groups(*records, update=False) == [("id a", [0, 1]), ("id b", [2, 3])]


def test_a_group_says_whether_its_records_differ():
    """Only then has NULL to be filled in."""
    shapes = Shapes(COLUMNS, key=[], update=False)
    plan = shapes.plan(decode([b'{"id":1}', b'{"id":2,"a":1}', b'{"b":1}']).records)
    assert [group.is_ragged for group in plan.groups] == [True, False]


def test_fields_without_a_column_are_counted():
    """Those of columns that PostgreSQL fills by itself are no unknown fields, but are not written either."""
    shapes = Shapes(COLUMNS, key=[], update=False)
    assert shapes.plan(decode([b'{"x":1,"y":2,"generated":3}'] * 3).records).unknown == 6
    assert shapes.plan(decode([b'{"x":1}', b"{}", b'{"id":1,"y":2}']).records).unknown == 2
    assert groups('{"generated":3}', update=False) == [("", [0])]


def test_records_without_their_key_are_rejected():
    """All of them."""
    plan = Shapes(COLUMNS, key=["id", "a"], update=True).plan(decode([b'{"id":1}', b'{"id":1,"a":1}', b"{}"]).records)
    assert {index: reason.partition(" which")[0] for index, reason in plan.rejected.items()} == {
        0: "lacks the field a,",
        2: "lacks the field id, a,",
    }


def test_ever_new_fields_do_not_fill_the_memory():
    """What is remembered is bounded, and forgetting it changes nothing."""
    shapes = Shapes(COLUMNS, key=[], update=False)
    plan = shapes.plan(decode([b'{"id":1,"x%d":1}' % n for n in range(3000)]).records)
    assert plan.unknown == 3000
    assert len(shapes._known) <= 1024
    assert [list(group.indexes) for group in plan.groups] == [list(range(3000))]
