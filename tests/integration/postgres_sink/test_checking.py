"""What is said of a configuration before there is a connector."""

from __future__ import annotations

from typing import Any

import pytest

from integration.postgres_sink.conftest import Sql
from streamhouse_connect import SecretUrl
from streamhouse_postgres_sink import PostgresConfig, PostgresSink


async def found(url: str, **options: Any) -> dict[str, str]:
    values = {"table_name": "orders", "pk_fields": ("id",), **options}
    problems = await PostgresSink(PostgresConfig(url=SecretUrl(url), **values)).check()
    return {problem.field: problem.message for problem in problems}


async def test_a_table_that_fits_is_fine_and_left_alone(sql: Sql):
    """No table of offsets is made, and no connection stays."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    assert await found(sql.url) == {}
    assert sql.run(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ) == [("orders",)]
    assert sql.run("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'streamhouse%'") == [(0,)]


async def test_an_upsert_without_a_unique_index_is_answered_with_the_statement_to_run(sql: Sql):
    """Under the option that could be corrected instead."""
    sql.run("CREATE TABLE orders (id int, at int)")
    problems = await found(sql.url, guard_column="updated_at")
    assert 'CREATE UNIQUE INDEX ON "public"."orders" ("id")' in problems["pk.fields"]
    assert "has no column updated_at" in problems["upsert.guard.column"]
    assert await found(sql.url, insert_mode="insert") == {}


@pytest.mark.parametrize(
    ("options", "option"),
    [({"table_name": "missing"}, "table.name"), ({"url": "postgresql://postgres@127.0.0.1:1/none"}, "connection.url")],
)
async def test_what_is_not_there_is_named(sql: Sql, options: dict[str, Any], option: str):
    """A table, or a server."""
    assert list(await found(**{"url": sql.url, **options})) == [option]


async def test_missing_privileges_are_named(sql: Sql, user: str):
    """With the statement that grants them."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    problems = await found(user, pk_mode="record_key", delete_enabled=True)
    assert "GRANT INSERT, UPDATE, SELECT, DELETE ON" in problems["connection.url"]


async def test_a_table_that_will_be_made_is_not_missed(sql: Sql):
    """Nor are those of topics, which are not known yet; one that is there has to fit all the same."""
    assert await found(sql.url, auto_create=True) == {}
    assert await found(sql.url, table_name="{topic}") == {}
    sql.run("CREATE VIEW orders AS SELECT 1 AS id")
    assert list(await found(sql.url, auto_evolve="add", unknown_fields="evolve")) == ["auto.evolve"]
