"""What each insert mode and each kind of key does to a table."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from streamhouse_connect import FatalError, RejectedBatch, RejectedRecords

KEYED = pytest.mark.parametrize("mode", ["upsert", "insert_ignore", "update"])


async def ended(sql: Sql) -> None:
    """Wait until the connections of sinks have ended, and have told what they did."""
    async with asyncio.timeout(10):
        while sql.run("SELECT FROM pg_stat_activity WHERE application_name LIKE 'streamhouse%'"):
            await asyncio.sleep(0.01)


async def test_rows_that_exist_are_ignored_and_counted(sql: Sql, open_sink: OpenSink):
    """Of two records with one key the first is written, whatever fields they have."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, b int DEFAULT 3)")
    sql.run("INSERT INTO orders VALUES (1, 1, 1)")
    sink = await open_sink(mode="insert_ignore")
    await sink.write(
        {"id": 1, "a": 2}, {"id": 2, "a": 2, "b": 2}, {"id": 2, "a": 9}, {"id": 3, "a": 3}, {"id": 3, "a": 9}
    )
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    assert sink.counts == {"row_ignored": 3}


async def test_without_a_key_every_unique_index_counts(sql: Sql, open_sink: OpenSink):
    """With one, only that of the key: another is a reason to reject."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int UNIQUE)")
    await (every := await open_sink(mode="insert_ignore", key=())).write(
        {"id": 1, "a": 1}, {"id": 2, "a": 1}, {"id": 1}
    )
    assert sql.run("SELECT * FROM orders") == [(1, 1)]
    assert every.counts == {"row_ignored": 2}
    one = await open_sink(mode="insert_ignore")

    with pytest.raises(RejectedBatch, match="23505 unique violation"):
        await one.write({"id": 1, "a": 2}, {"id": 2, "a": 1})


async def test_ignored_rows_of_defaults_are_counted_too(sql: Sql, open_sink: OpenSink):
    """A record without fields is a row of defaults."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY DEFAULT 5)")
    sink = await open_sink(mode="insert_ignore", key=())
    await sink.write({}, {}, {})
    assert sql.run("SELECT * FROM orders") == [(5,)]
    assert sink.counts == {"row_ignored": 2}


async def test_an_update_writes_only_rows_that_exist(sql: Sql, open_sink: OpenSink):
    """Each in the fields that the record has, be there columns that could not be null; the others are counted."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int NOT NULL, b int)")
    sql.run("INSERT INTO orders VALUES (1, 1, 1), (2, 2, 2)")
    sink = await open_sink(mode="update")
    await sink.write(
        {"id": 1, "b": 5}, {"id": 3, "a": 3}, {"id": 2, "a": 5}, {"id": 3, "b": 4}, {"id": 2}, {"id": 1, "b": 6}
    )
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 1, 6), (2, 5, 2)]
    assert sink.counts == {"row_missing": 2}


async def test_an_update_needs_no_unique_index(sql: Sql, open_sink: OpenSink):
    """All the rows with the key are updated."""
    sql.run("CREATE TABLE orders (id int, line int, a int)")
    sql.run("INSERT INTO orders VALUES (1, 1, 0), (1, 2, 0), (2, 1, 0)")
    sink = await open_sink(mode="update")
    await sink.write({"id": 1, "a": 1}, {"id": 1, "a": 2})
    assert sql.run("SELECT * FROM orders ORDER BY 1, 2") == [(1, 1, 2), (1, 2, 2), (2, 1, 0)]


@pytest.mark.parametrize("mode", ["upsert", "insert_ignore"])
async def test_a_key_without_a_unique_index_is_refused_with_the_statement_to_run(
    sql: Sql, open_sink: OpenSink, mode: str
):
    """Which then helps."""
    sql.run('CREATE TABLE orders (id int, "N" int, a int)')

    with pytest.raises(FatalError, match=r'CREATE UNIQUE INDEX ON "public"\."orders" \("id", "N"\)'):
        await open_sink(mode=mode, key=("id", "N"))

    sql.run('CREATE UNIQUE INDEX ON "public"."orders" ("id", "N")')
    await (await open_sink(mode=mode, key=("id", "N"))).write({"id": 1, "N": 1})
    assert sql.run("SELECT * FROM orders") == [(1, 1, None)]


@KEYED
async def test_an_updatable_view_and_a_partitioned_table_take_every_mode(sql: Sql, open_sink: OpenSink, mode: str):
    """The modes that COPY can't do, too."""
    sql.run("CREATE TABLE parted (id int PRIMARY KEY, a int) PARTITION BY RANGE (id)")
    sql.run("CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (10)")
    sql.run("INSERT INTO parted VALUES (1, 1)")
    sql.run("CREATE VIEW orders AS SELECT id, a FROM parted")
    expected = {"upsert": [(1, 5), (2, 6)], "insert_ignore": [(1, 1), (2, 6)], "update": [(1, 5)]}[mode]

    for table in ("orders", "parted"):
        await (await open_sink(mode=mode, table=table)).write({"id": 1, "a": 5}, {"id": 2, "a": 6})
        assert sql.run("SELECT * FROM parted ORDER BY id") == expected


@pytest.mark.parametrize(
    ("options", "granted"),
    [
        ({"mode": "update"}, "UPDATE, SELECT"),
        ({"mode": "insert_ignore"}, "INSERT, SELECT"),
        ({"mode": "insert_ignore", "key": ()}, "INSERT"),
        ({"mode": "insert"}, "INSERT"),
    ],
)
async def test_a_mode_asks_for_no_more_privileges_than_it_needs(
    sql: Sql, open_sink: OpenSink, user: str, options: dict[str, Any], granted: str
):
    """And names what is missing."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int); INSERT INTO orders VALUES (1, 1)")

    with pytest.raises(FatalError, match=f"GRANT {granted} ON"):
        await open_sink(url=user, offsets="broker", **options)

    sql.run(f"GRANT {granted} ON orders TO stranger")
    sink = await open_sink(url=user, offsets="broker", **options)
    await sink.write({"id": 1 if options["mode"] == "update" else 2, "a": 5})
    assert sql.run("SELECT count(*) FROM orders WHERE a = 5") == [(1,)]


async def test_the_key_may_be_the_records_own(sql: Sql, open_sink: OpenSink):
    """An object's fields, which win over those of the value; in every mode."""
    sql.run("CREATE TABLE orders (id int, region text, a int, PRIMARY KEY (id, region))")
    sink = await open_sink(pk_mode="record_key", key=("id", "region"))
    await sink.write_keyed(
        ({"id": 1, "region": "a\tb"}, {"a": 1, "id": 7}),
        ({"region": "a\tb", "id": "1", "more": 1}, {"a": 2}),
    )
    await (await open_sink(mode="insert", pk_mode="record_key")).write_keyed((b"2", {"a": 3, "region": ""}))
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, "a\tb", 2), (2, "", 3)]


@pytest.mark.parametrize(
    ("type_", "key", "stored"),
    [
        ("int", b"7", 7),
        ("text", b"7", "7"),
        ("text", b'"seven"', "seven"),
        ("text", b'say \\n\t"x" ', 'say \\n\t"x" '),
        ("text", b"'; DROP TABLE orders; --", "'; DROP TABLE orders; --"),
        ("boolean", b"true", True),
    ],
)
async def test_a_key_of_one_field_may_be_any_scalar_or_text(
    sql: Sql, open_sink: OpenSink, type_: str, key: bytes, stored: object
):
    """As the column reads it."""
    sql.run(f"CREATE TABLE orders (id {type_} PRIMARY KEY, a int)")
    sink = await open_sink(pk_mode="record_key")
    await sink.write_keyed((key, {"a": 1}), (key, {"a": 2}))
    assert sql.run("SELECT * FROM orders") == [(stored, 2)]


async def test_records_without_a_usable_key_are_rejected_by_name(sql: Sql, open_sink: OpenSink):
    """The others can be written."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int)")
    sink = await open_sink(pk_mode="record_key")

    with pytest.raises(RejectedRecords) as caught:
        await sink.write_keyed((1, {}), (None, {}), ({"x": 1}, {}), (b"\xff", {}))

    assert list(caught.value.reasons) == [1, 2, 3]

    with pytest.raises(RejectedRecords) as caught:
        await sink.write_keyed((1, {}), (b"seven", {}))

    assert caught.value.reasons == {
        1: 'PostgreSQL refuses it: 22P02 invalid text representation, column "id" of type integer'
    }


@pytest.mark.parametrize("mode", ["upsert", "insert_ignore", "insert"])
async def test_the_position_in_the_topic_may_be_the_key(sql: Sql, open_sink: OpenSink, mode: str):
    """So that a record that is written again is met again, without offsets in the database too."""
    columns = "__connect_topic text, __connect_partition int, __connect_offset bigint"
    key = "PRIMARY KEY (__connect_topic, __connect_partition, __connect_offset)"
    sql.run(f"CREATE TABLE orders ({columns}, a int{'' if mode == 'insert' else ', ' + key})")
    sink = await open_sink(mode=mode, pk_mode="kafka", key=(), offsets="broker")
    await sink.write({"a": 1}, {"a": 2})

    if mode != "insert":
        sink.at = 0
        await sink.write({"a": 1}, {"a": 2}, {"a": 3})

    expected = [("orders", 0, n, n + 1) for n in range(2 if mode == "insert" else 3)]
    assert sql.run("SELECT * FROM orders ORDER BY a") == expected


async def test_columns_that_are_missing_are_named_with_the_option(sql: Sql, open_sink: OpenSink):
    """All of them."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")

    with pytest.raises(FatalError) as caught:
        await open_sink(
            pk_mode="record_key",
            key=("key",),
            guard_column="at",
            delete_enabled=True,
            delete_soft_column="gone",
        )

    for option, column in {"pk.fields": "key", "upsert.guard.column": "at", "delete.soft.column": "gone"}.items():
        assert f"has no column {column}; correct {option}" in str(caught.value)


STORED: dict[str, Any] = {
    "j": {"a": [1]},
    "p": "(1,2)",
    "box": "((2,2),(1,1))",
    "n": "1.0",
    "t": "x",
    "big": "y" * 9000,
}


@pytest.mark.parametrize("mode", ["upsert", "update"])
async def test_rows_that_would_stay_the_same_are_not_written(sql: Sql, open_sink: OpenSink, mode: str):
    """No new version of a row: whatever the types, without an equality, or with one that means the area."""
    sql.run(
        "CREATE TABLE orders (id int PRIMARY KEY, j json, p point, box box, n numeric, t text, big text, nothing int)"
    )
    await (await open_sink()).write(*({"id": n, **STORED} for n in range(3)))
    sink = await open_sink(mode=mode, skip_unchanged=True)
    before = sql.run("SELECT xmin::text, ctid::text FROM orders ORDER BY id")
    await sink.write(*({"id": n, **STORED, "nothing": None} for n in range(3)))
    assert sql.run("SELECT xmin::text, ctid::text FROM orders ORDER BY id") == before
    await sink.write({"id": 0, **STORED, "n": "1.00"}, {"id": 1, **STORED, "nothing": 0}, {"id": 2, "t": "x"})
    assert sql.run("SELECT n::text, nothing FROM orders ORDER BY id") == [("1.00", None), ("1.0", 0), ("1.0", None)]
    assert sql.run("SELECT xmin::text, ctid::text FROM orders WHERE id = 2") == before[2:]
    await sink.write({"id": 2, "box": "((3,3),(2,2))"})
    assert sql.run("SELECT box::text FROM orders WHERE id = 2") == [("(3,3),(2,2)",)]


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("mode", ["upsert", "update"])
async def test_a_replay_leaves_no_dead_tuples(sql: Sql, open_sink: OpenSink, mode: str, skips: bool):
    """By PostgreSQL's own count, be the records of several shapes, and of types that have no equality; else it does."""
    sql.run(
        "CREATE TABLE orders (id int PRIMARY KEY, j json, p point, f float8, n numeric, x text[], d date)"
        " WITH (autovacuum_enabled = false)"
    )
    shapes: list[dict[str, Any]] = [
        {"j": {"a": [1.0]}, "p": "(1,2)", "f": -0.0, "n": "1.0"},
        {"f": "NaN", "x": ["a", None], "d": "infinity"},
    ]
    records = [{"id": n, **shapes[n % 2]} for n in range(100)]
    await (first := await open_sink()).write(*records)
    await first.sink.close()
    sink = await open_sink(mode=mode, skip_unchanged=skips)

    for _ in range(3):
        await sink.write(*records, *records[:10])

    await sink.sink.close()
    await ended(sql)
    assert sql.run("SELECT n_dead_tup > 0 FROM pg_stat_user_tables WHERE relname = 'orders'") == [(not skips,)]


@KEYED
async def test_writers_of_the_same_keys_in_opposite_orders_never_wait_for_each_other_in_a_circle(
    sql: Sql, open_sink: OpenSink, mode: str
):
    """New rows of one shape, and existing ones of any."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, b int)")
    up, down = await open_sink(mode=mode), await open_sink(mode=mode)
    plain = [{"id": n, "a": n} for n in range(300)]
    mixed = [{"id": n, "a": n} if n % 3 else {"id": n, "b": n} for n in range(300)]

    for n in range(20):
        await asyncio.gather(up.write(*plain), down.write(*reversed(plain)))
        await asyncio.gather(up.write(*mixed), down.write(*({**r, "b": 1} if r["id"] % 2 else r for r in mixed[::-1])))

        if n == 0 and mode == "update":
            sql.run("INSERT INTO orders SELECT generate_series(0, 299)")

    assert sql.run("SELECT count(*) FROM orders") == [(300,)]
