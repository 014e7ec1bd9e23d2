from __future__ import annotations

import json

import attrs
import msgspec
import pytest

from streamhouse_postgres_sink._catalogue import Table
from streamhouse_postgres_sink._evolution import add_columns, additions, create_table, widen
from streamhouse_postgres_sink._names import TableName
from streamhouse_postgres_sink._rows import Fields
from streamhouse_postgres_sink._types import Column

HOSTILE = 'x"; DROP TABLE t; --'
ORDERS = TableName("sales", "orders")


def fields(record: dict[str, object]) -> Fields:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in record.items()}


def added(*records: dict[str, object], known: tuple[str, ...] = (), room: int = 100, **types: str):
    return additions(enumerate(map(fields, records)), known=known, types=types, room=room)


def widened(
    *records: dict[str, object], inserts: bool = True, not_null: tuple[str, ...] = (), **types: str
) -> str | None:
    table = Table(
        name=ORDERS,
        kind="table",
        columns=tuple(Column(name, type_) for name, type_ in types.items()),
        unique=frozenset(),
        lacking=(),
        has_row_security=False,
        can_stage=True,
        can_delete=True,
        not_null=frozenset(not_null),
        never_null=frozenset({"pk"}),
    )
    statement = widen(table, [fields(record) for record in records], key=["id"], inserts=inserts)
    return statement.as_string(None) if statement else None


def test_fields_without_a_column_get_one_in_their_order():
    """Of a type that holds the values of all records; nulls alone need none."""
    found = added({"id": 1, "b": None, "a": "x"}, {"c": 1.5, "b": None, "a": []}, {"c": 2}, known=("id",))
    assert list(found.columns.items()) == [("a", "jsonb"), ("c", "numeric")]
    assert not found.rejected


def test_declared_types_win():
    """Over what the values suggest."""
    assert added({"at": "2026-01-01"}, {"at": 1}, at="timestamptz").columns == {"at": "timestamptz"}


def test_records_that_need_more_columns_than_there_may_be_are_rejected():
    """And leave room for the others."""
    found = added({"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}, {"b": 1}, {"d": None}, room=2)
    assert found.columns == {"a": "bigint", "b": "bigint"}
    assert found.rejected == {1: "has 1 fields without a column, and the table has room for 0 (max.columns)"}
    assert "room for 0" in added({"a": 1}, room=-3).rejected[0]


@pytest.mark.parametrize("name", ["x" * 64, "a\x00", "", "ctid", "xmin"])
def test_a_field_that_no_column_can_be_called_after_rejects_its_record(name: str):
    """It would fail for ever otherwise."""
    found = added({"a": 1, name: 1}, {"b": 1})
    assert list(found.rejected) == [0]
    assert found.columns == {"b": "bigint"}


def test_a_table_is_made_with_its_key_first():
    """If somebody else has not made it."""
    made = create_table(ORDERS, {"a": "text", "id": "bigint"}, key=["id"])
    assert made.as_string(None) == (
        'CREATE TABLE IF NOT EXISTS "sales"."orders" ("id" bigint, "a" text, PRIMARY KEY ("id"))'
    )
    assert create_table(ORDERS, {}, key=[]).as_string(None) == 'CREATE TABLE IF NOT EXISTS "sales"."orders" ()'


def test_columns_are_added_if_they_are_missing():
    """In one statement."""
    assert add_columns(ORDERS, {"a": "text", "b": "bigint"}).as_string(None) == (
        'ALTER TABLE "sales"."orders" ADD COLUMN IF NOT EXISTS "a" text, ADD COLUMN IF NOT EXISTS "b" bigint'
    )


def test_names_are_never_sql():
    """However hostile, they stay between quotes."""
    name = TableName(HOSTILE, HOSTILE)
    quoted = '"x""; DROP TABLE t; --"'

    for statement in (create_table(name, {HOSTILE: "text"}, key=[HOSTILE]), add_columns(name, {HOSTILE: "text"})):
        assert "DROP TABLE t" not in statement.as_string(None).replace(quoted, "")

    assert "DROP TABLE t" not in (
        widened({HOSTILE: 10**6}, inserts=True, not_null=(), **{HOSTILE: "smallint"}) or ""
    ).replace(quoted, "")


@pytest.mark.parametrize(
    ("type_", "value", "wider"),
    [
        ("smallint", 40_000, "integer"),
        ("smallint", 2**40, "bigint"),
        ("integer", "-3000000000", "bigint"),
        ("integer", 2**70, "numeric"),
        ("bigint", 1.5, "numeric"),
        ("character varying(3)", "äöüß", "text"),
        ("character varying(3)", 12345, "text"),
    ],
)
def test_a_column_becomes_as_wide_as_its_values(type_: str, value: object, wider: str):
    """Whatever stands beside them."""
    expected = f'ALTER TABLE "sales"."orders" ALTER COLUMN "a" TYPE {wider}'
    assert widened({"a": 1}, {"a": None}, {}, {"a": value}, a=type_) == expected


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("smallint", 32_767),
        ("bigint", 5),
        ("integer", "many"),
        ("integer", True),
        ("integer", []),
        ("character varying(3)", "äöü"),
        ("character varying", "long"),
        ("numeric(3,1)", 12345),
        ("text", "x"),
        ("character(3)", "long"),
        ("character varying(3)", "\ud800long"),
    ],
)
def test_nothing_is_changed_for_what_fits_and_for_poison(type_: str, value: object):
    """No type would take poison, but text, which is no number any more."""
    assert widened({"a": value}, a=type_) is None


def test_not_null_is_dropped_where_records_have_none():
    """But never of a key, nor where a default or the row itself has a value."""
    drop = 'ALTER TABLE "sales"."orders" ALTER COLUMN "a" DROP NOT NULL'
    assert widened({"a": None}, a="text", not_null=("a",)) == drop
    assert widened({}, a="text", not_null=("a",)) == drop
    assert widened({}, a="text", not_null=("a",), inserts=False) is None
    assert widened({"a": 1}, a="text", not_null=("a",)) is None
    assert widened({"a": None}, a="text") is None
    assert widened({"id": None, "pk": None}, id="int", pk="int", not_null=("id", "pk")) is None


def test_a_default_stands_for_a_field_that_is_missing():
    """So that NOT NULL may stay."""
    column = attrs.evolve(Column("a", "text"), has_default=True)
    table = Table(
        name=ORDERS,
        kind="table",
        columns=(column,),
        unique=frozenset(),
        lacking=(),
        has_row_security=False,
        can_stage=True,
        can_delete=True,
        not_null=frozenset({"a"}),
    )
    assert widen(table, [fields({})], key=[], inserts=True) is None
    assert widen(table, [fields({"a": None})], key=[], inserts=True) is not None
