from __future__ import annotations

import pytest

from streamhouse_connect import SecretUrl
from streamhouse_postgres_sink import PostgresConfig


def problems(**options: object) -> list[str]:
    values = {"url": SecretUrl("postgresql://h/d"), "table_name": "orders", "pk_fields": ("id",), **options}
    return [str(problem) for problem in PostgresConfig(**values).problems()]  # type: ignore[arg-type]  # wrong on purpose


def config(**options: object) -> PostgresConfig:
    values = {"url": SecretUrl("postgresql://h/d"), "table_name": "orders", **options}
    return PostgresConfig(**values)  # type: ignore[arg-type]  # as above


def test_unknown_fields_go_where_evolution_says():
    """Unless it is said otherwise."""
    assert not config().adds_columns
    assert config(auto_evolve="add").adds_columns
    assert config(auto_evolve="widen").adds_columns
    assert not config(auto_evolve="widen", unknown_fields="ignore").adds_columns
    assert config(unknown_fields="column:rest").unknown_column == "rest"


def test_pairs_are_read_with_their_last_colon():
    """A field may have others."""
    assert config(fields_rename=("a:b:c", "x : y")).renames == {"a:b": "c", "x": "y"}
    assert config(metadata_columns=("topic", "offset:o")).metadata == {"topic": "__connect_topic", "offset": "o"}
    assert config(columns_types="a:numeric(38, 18), b:text[]").declared_types == {"a": "numeric(38, 18)", "b": "text[]"}


@pytest.mark.parametrize(
    "type_",
    [
        "numeric(38,18)",
        "double precision",
        "timestamp(3) with time zone",
        "character varying(20)",
        "sales.status",
        "INT[][]",
    ],
)
def test_types_are_named_as_in_sql(type_: str):
    """With what belongs to them."""
    assert not problems(columns_types=f"a:{type_}")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"table_name": "a b"}, "table.name is not the name"),
        ({"table_name": "sales.Streamhouse_Offsets"}, "table.name streamhouse_offsets is where offsets are kept"),
        ({"table_name": "{topic}.a"}, "table.name has {topic} in a schema"),
        ({"unknown_fields": "drop"}, "unknown.fields must be ignore, fail, evolve or column:NAME, not 'drop'"),
        ({"unknown_fields": "column:"}, "unknown.fields holds an empty name"),
        ({"unknown_fields": "evolve"}, "unknown.fields evolve needs auto.evolve"),
        ({"unknown_fields": "fail", "auto_evolve": "add"}, "auto.evolve add has no effect with unknown.fields=fail"),
        ({"fields_rename": ("a",)}, "fields.rename 'a' must be a pair: name:column"),
        ({"fields_rename": ("a:",)}, "fields.rename 'a:' must be a pair"),
        ({"fields_rename": ("a:b", "c:b")}, "fields.rename fills column b twice"),
        ({"fields_rename": ("a:b", "a:c")}, "fields.rename names a twice"),
        ({"fields_rename": ("a:" + "x" * 64,)}, "fields.rename holds a name of 64 bytes"),
        ({"metadata_columns": ("key",)}, "metadata.columns knows no key; there are topic, partition"),
        ({"metadata_columns": ("topic:id",)}, "metadata.columns id has another use"),
        ({"metadata_columns": ("topic:t",), "unknown_fields": "column:t"}, "metadata.columns t has another use"),
        ({"columns_types": "a"}, "columns.types 'a' must be a pair: name:type"),
        ({"columns_types": "a:text; DROP TABLE t"}, "columns.types 'text; DROP TABLE t' is not the name of a type"),
        ({"columns_types": "a:text DEFAULT 1"}, "columns.types 'text DEFAULT 1' is not the name of a type"),
        ({"fields_include": ("a",)}, "pk.fields id is written by no field"),
        ({"fields_exclude": ("id",)}, "pk.fields id is written by no field"),
        ({"fields_rename": ("id:key",)}, "pk.fields id is written by no field"),
        ({"guard_column": "at", "fields_exclude": ("at",)}, "upsert.guard.column at is written by no field"),
        ({"guard_column": "at", "fields_include": ("id",)}, "upsert.guard.column at is written by no field"),
        ({"guard_column": "at", "fields_rename": ("at:time",)}, "upsert.guard.column at is written by no field"),
        ({"insert_mode": "update", "missing_fields": "default"}, "missing.fields default needs another insert.mode"),
        ({"skip_unchanged": True, "metadata_columns": ("ingested_at",)}, "upsert.skip_unchanged has no effect"),
    ],
)
def test_what_cannot_be_is_a_problem(options: dict[str, object], problem: str):
    """Under the key as the user wrote it."""
    (found,) = problems(**options)
    assert found.startswith(problem)


def test_a_key_may_come_from_a_field_of_another_name():
    """All other options name columns."""
    assert not problems(fields_rename=("order_id:id",), fields_include=("order_id",))
    assert not problems(pk_mode="record_key", fields_include=("a",))
    assert not problems(pk_mode="kafka", pk_fields=(), metadata_columns=("topic", "offset"))
    assert not problems(fields_include=("id",), metadata_columns=("offset:o",), guard_column="o")
    assert not problems(fields_rename=("time:at",), fields_exclude=("at",), guard_column="at")
