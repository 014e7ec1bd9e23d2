"""What PostgreSQL can't do for a mode is said before there is a connector, and when the sink is opened."""

from __future__ import annotations

from typing import Any

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from integration.postgres_sink.test_checking import found
from streamhouse_connect import FatalError

TRIGGERS = """
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'INSERT' THEN INSERT INTO base VALUES (NEW.id, NEW.a * 10);
  ELSE UPDATE base SET a = NEW.a * 100 WHERE id = NEW.id; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER t INSTEAD OF INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION f()
"""
VIEW = "CREATE TABLE base (id int, a int); CREATE VIEW orders AS SELECT id, a FROM base;"
SUMS = "CREATE TABLE base (id int, a int); CREATE VIEW orders AS SELECT id, sum(a) AS a FROM base GROUP BY id"
WIDE = "".join(f", c{number} int" for number in range(1599))
"""With which no stage has room for its own."""
RULE = (
    "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE base (id int);"
    "CREATE RULE r AS ON INSERT TO orders DO INSTEAD INSERT INTO base VALUES (NEW.id)"
)


@pytest.mark.parametrize("mode", ["upsert", "insert_ignore"])
async def test_a_view_without_a_unique_index_below_is_refused(sql: Sql, open_sink: OpenSink, mode: Any):
    """Until there is one."""
    sql.run(VIEW)
    said = 'the table below "public"."orders" has no unique index on exactly "id"'
    assert said in (await found(sql.url, insert_mode=mode))["pk.fields"]

    with pytest.raises(FatalError, match=said):
        await open_sink(mode=mode)

    sql.run("CREATE UNIQUE INDEX ON base (id)")
    assert await found(sql.url, insert_mode=mode) == {}
    await (await open_sink(mode=mode)).write({"id": 1, "a": 1})
    assert sql.run("SELECT * FROM base") == [(1, 1)]


async def test_a_view_that_triggers_write_to_takes_inserts_and_updates(sql: Sql, open_sink: OpenSink):
    """An upsert it can't, even if the table below has an index."""
    sql.run(VIEW + "CREATE UNIQUE INDEX ON base (id);" + TRIGGERS)
    await (await open_sink(mode="insert", key=())).write({"id": 1, "a": 1}, {"id": 2, "a": 2})
    await (await open_sink(mode="insert_ignore", key=())).write({"id": 3, "a": 3})
    await (await open_sink(mode="update")).write({"id": 1, "a": 5}, {"id": 9, "a": 5})
    assert sql.run("SELECT * FROM base ORDER BY id") == [(1, 500), (2, 20), (3, 30)]
    assert "with triggers INSTEAD OF, insert.mode has to be insert or update" in (await found(sql.url))["pk.fields"]


@pytest.mark.parametrize(
    ("definition", "options", "said"),
    [
        (SUMS, {}, "insert.mode: 0A000 feature not supported: FOR NO KEY UPDATE is not allowed with GROUP BY clause"),
        (SUMS, {"insert_mode": "insert"}, 'insert.mode: 55000 object not in prerequisite state: cannot insert into view "'),
        (RULE, {}, "insert.mode: 0A000 feature not supported: INSERT with ON CONFLICT clause cannot be used with table that"),
        ("CREATE TABLE orders (id int PRIMARY KEY, at json)", {"guard_column": "at"}, "upsert.guard.column: 42883 undefined"),
        (f"CREATE TABLE orders (id int PRIMARY KEY{WIDE})", {}, "insert.mode: 54011 too many columns: tables can have at"),
        ("CREATE TABLE orders (id point)", {"insert_mode": "update"}, "pk.fields: 42883 undefined function: operator does"),
    ],
    ids=["sums", "inserted-sums", "rule", "json", "wide", "point"],
)  # fmt: skip
async def test_what_a_table_does_not_take_is_said_in_words(
    sql: Sql, open_sink: OpenSink, definition: str, options: dict[str, Any], said: str
):
    """PostgreSQL's own, under the option to correct."""
    sql.run(definition)
    ((option, problem),) = (await found(sql.url, **options)).items()
    assert said in f"{option}: {problem.partition('refuses it: ')[2]}"

    with pytest.raises(FatalError, match=f"correct {option} or table.name"):
        await open_sink(mode=options.get("insert_mode", "upsert"), guard_column=options.get("guard_column"))


async def test_a_key_without_overlaps_is_no_key_to_update_by(sql: Sql):
    """Though its index is called unique, as of version 18."""
    if sql.server.major < 18:
        pytest.skip("PostgreSQL 18 brought WITHOUT OVERLAPS")

    sql.run("CREATE TABLE orders (id int4range, at daterange, PRIMARY KEY (id, at WITHOUT OVERLAPS))")
    assert "has no unique index on exactly" in (await found(sql.url, pk_fields=("id", "at")))["pk.fields"]


@pytest.mark.parametrize("mode", ["insert", "upsert"])
async def test_columns_of_a_view_that_are_computed_are_left_alone(sql: Sql, open_sink: OpenSink, mode: str):
    """As are those that PostgreSQL fills in the table below."""
    sql.run(
        "CREATE TABLE base (id int PRIMARY KEY, a int, n int GENERATED ALWAYS AS IDENTITY,"
        " twice int GENERATED ALWAYS AS (a * 2) STORED)"
    )
    sql.run("CREATE VIEW orders AS SELECT id, a, n, twice AS two, a + 1 AS more FROM base")
    sink = await open_sink(mode=mode)
    await sink.write({"id": 1, "a": 1, "n": 9, "two": 9, "more": 9}, {"id": 2, "more": 9})
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 1, 1, 2, 2), (2, None, 2, None, None)]
    assert "GENERATED ALWAYS or computed" in (await found(sql.url, pk_fields=("more",)))["pk.fields"]


async def test_privileges_on_the_columns_of_the_records_are_enough(sql: Sql, open_sink: OpenSink, user: str):
    """Those on others are not asked for."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, secret int DEFAULT 7, a int)")
    sql.run("GRANT INSERT (id, a), UPDATE (a), SELECT (id, a) ON orders TO stranger")
    sink = await open_sink(url=user, offsets="broker")
    await sink.write({"id": 1, "a": 1})
    await sink.write({"id": 1, "a": 2})
    assert sql.run("SELECT * FROM orders") == [(1, 7, 2)]
