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


async def test_that_no_table_of_offsets_can_be_made_is_said_beforehand(sql: Sql, user: str):
    """With what is to be run; once it is, nothing is wrong. Nothing is made by looking."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY); GRANT ALL ON orders TO stranger")
    problems = await found(user)
    assert list(problems) == ["offsets.storage"]
    create, _, grant = problems["offsets.storage"].partition("; run ")[2].partition(", or set ")[0].partition("; ")
    assert await found(user, offsets_storage="broker") == {}
    assert sql.run("SELECT to_regclass('streamhouse_offsets')") == [(None,)]

    sql.run(create)
    assert grant in (await found(user))["offsets.storage"]
    sql.run(grant)
    assert await found(user) == {}


async def test_a_table_of_that_name_that_is_another_is_said_beforehand(sql: Sql):
    """For a single table, and for those of topics."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE streamhouse_offsets (uid text)")
    assert "rename it" in (await found(sql.url))["offsets.storage"]
    assert "rename it" in (await found(sql.url, table_name="{topic}"))["offsets.storage"]


async def test_a_schema_in_which_nothing_can_be_made_is_said_beforehand(sql: Sql, user: str):
    """It may be missing, or somebody else's, or invisible."""
    assert "schema nope" in (await found(sql.url, table_name="nope.orders", auto_create=True))["table.name"]
    assert "schema nope" in (await found(sql.url, table_name="nope.{topic}"))["table.name"]
    sql.run("CREATE SCHEMA sales; GRANT USAGE ON SCHEMA sales TO stranger")

    for name in ("sales.orders", "sales.{topic}"):
        problems = await found(user, table_name=name, auto_create=True)
        assert 'GRANT CREATE ON SCHEMA "sales"' in problems["auto.create"]
        assert 'CREATE TABLE IF NOT EXISTS "sales"."streamhouse_offsets"' in problems["offsets.storage"]

    sql.run("REVOKE USAGE ON SCHEMA sales FROM stranger")
    assert "42501" in (await found(user, table_name="sales.orders"))["connection.url"]


async def test_a_database_that_is_read_only_is_said_beforehand(sql: Sql):
    """By whatever made it so."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sql.run("ALTER DATABASE postgres_sink SET default_transaction_read_only = on")
    assert "can't be written to" in (await found(sql.url))["connection.url"]


@pytest.mark.parametrize(
    ("by", "remedy"),
    [
        ("(day)", "has to have the columns that it is partitioned by: add day to pk.fields"),
        ("(date_trunc('day', day))", "partitioned by an expression can't have one; correct insert.mode"),
        ("(id)", 'CREATE UNIQUE INDEX ON "public"."orders" ("id")'),
    ],
)
async def test_a_remedy_for_a_partitioned_table_is_one_that_works(sql: Sql, by: str, remedy: str):
    """PostgreSQL wants the partition key in every unique index."""
    sql.run(f"CREATE TABLE orders (id int, day timestamp) PARTITION BY RANGE {by}")
    problem = (await found(sql.url))["pk.fields"]
    assert remedy in problem

    if "CREATE" in remedy:
        sql.run(problem.partition(": ")[2].partition(", or ")[0])
        assert await found(sql.url) == {}


async def test_a_foreign_table_has_no_unique_index(sql: Sql):
    """And can't be given one."""
    sql.run("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w")
    sql.run("CREATE FOREIGN TABLE orders (id int) SERVER s")
    assert "a foreign table can't have one" in (await found(sql.url))["pk.fields"]
    assert await found(sql.url, insert_mode="insert") == {}
    sql.run("DROP FOREIGN DATA WRAPPER w CASCADE")
