"""Hostile names are data, never SQL."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.sql import Identifier, Literal

from integration.postgres_sink.conftest import OpenSink, Row, Sql
from streamhouse_connect import RejectedRecords, SecretUrl, TopicPartition
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_postgres_sink import PostgresConfig, PostgresSink

MAX_BYTES = 63
HOSTILE = [
    'x"; DROP TABLE victims; --',
    "x'); DROP TABLE victims; --",
    "x\\'; DROP TABLE victims; --",
    "%s %(a)s %",
    "{} {0} {a}",
    "select",
    "user",
    "current_user",
    "ctid_",
    "a.b",
    "line 3, column x: 1",
    "new\nline\ttab",
    "ä" * 31 + "x",
    "streamhouse_stage",
    "streamhouse_seq",
    "$1",
    " ",
    "\\",
    "'",
    "\U0001f600\ufe0f",
    "streamhouse_new",
    "excluded",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("mode", ["insert", "upsert"])
async def test_schema_table_and_columns_may_have_any_name(sql: Sql, open_sink: OpenSink, mode: str, name: str):
    """Rows arrive, with partial ones and duplicates among them, and nobody else's table is touched."""
    quoted = Identifier(name).as_string(None)
    value = Identifier(f"{name[:20]}2").as_string(None)
    sql.run("CREATE TABLE victims (id int)")
    sql.run(f"CREATE SCHEMA {quoted}")
    sql.run(f"CREATE TABLE {quoted}.{quoted} ({quoted} int PRIMARY KEY, {value} text DEFAULT 'd')")
    sink = await open_sink(mode=mode, table=f"{quoted}.{quoted}", key=(name,))
    await sink.write({name: 1, f"{name[:20]}2": name}, {name: 2})

    if mode == "upsert":
        await sink.write({name: 1}, {name: 1, f"{name[:20]}2": name}, {name: "1"})

    assert sql.run(f"SELECT * FROM {quoted}.{quoted} ORDER BY 1") == [(1, name), (2, "d")]

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({name: 3}, {name: "secret"})

    assert list(caught.value.reasons) == [1]
    assert f'column "{name}"' in caught.value.reasons[1]
    assert sql.run("SELECT * FROM victims") == []


@pytest.mark.parametrize(
    "name", [name for name in HOSTILE if len(name.encode()) < MAX_BYTES and name.strip() and ":" not in name]
)
async def test_columns_of_every_use_may_have_any_name(sql: Sql, open_sink: OpenSink, name: str):
    """Of the key, the guard, soft deletes, what is known of a record, and what is not; in shapes that have to be folded.

    In options that take pairs the last colon counts, and blanks around names do not.
    """
    guard, soft, offset, rest, other = (f"{name}{n}" if n else name for n in range(1, 6))
    columns = {name + "0": "int", guard: "int", soft: "bool", offset: "bigint", rest: "jsonb", other: "text"}
    listed = ", ".join(f"{Identifier(column).as_string(None)} {type_}" for column, type_ in columns.items())
    sql.run("CREATE TABLE victims (id int)")
    sql.run(f"CREATE TABLE orders ({listed}, PRIMARY KEY ({Identifier(name + '0').as_string(None)}))")
    options: dict[str, Any] = {
        "key": (name + "0",),
        "pk_mode": "record_key",
        "delete_enabled": True,
        "delete_soft_column": soft,
        "guard_column": guard,
        "skip_unchanged": True,
        "metadata_columns": (f"offset:{offset}",),
        "unknown_fields": f"column:{rest}",
        "fields_exclude": (f"{name}9",),
    }
    sink = await open_sink(**options)
    await sink.write_keyed(
        ({name + "0": 1}, {guard: 2, other: name, f"{name}8": name, f"{name}9": 1}),
        ({name + "0": 1}, {guard: 1, other: "older"}),
        ({name + "0": 2}, {guard: 1}),
        ({name + "0": 2}, None),
        ({name + "0": "2"}, {guard: 3, other: name}),
        ({name + "0": 3}, {guard: 1}),
        ({name + "0": 3}, None),
    )
    assert sql.run("SELECT * FROM orders ORDER BY 1") == [
        (1, 2, False, 0, {f"{name}8": name}, name),
        (2, 3, False, 4, None, name),
        (3, 1, True, 5, None, None),
    ]
    assert sql.run("SELECT * FROM victims") == []


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("mode", ["update", "insert_ignore"])
async def test_every_mode_takes_any_name(sql: Sql, open_sink: OpenSink, mode: str, name: str):
    """Also where a row is locked, or passed over."""
    quoted = Identifier(name).as_string(None)
    sql.run("CREATE TABLE victims (id int)")
    sql.run(f"CREATE TABLE {quoted} ({quoted} text PRIMARY KEY, a text, b text)")
    sql.run(f"INSERT INTO {quoted} VALUES ({Literal(name).as_string(None)})")
    sink = await open_sink(mode=mode, table=quoted, key=(name,))
    await sink.write({name: name, "a": name}, {name: name, "b": name}, {name: "new"})
    rows: dict[str, list[Row]] = {
        "update": [(name, name, name)],
        "insert_ignore": [(name, None, None), ("new", None, None)],
    }
    assert set(sql.run(f"SELECT * FROM {quoted}")) == set(rows[mode])
    assert sql.run("SELECT * FROM victims") == []


@pytest.mark.parametrize("name", [*HOSTILE, "null", "\\N", "\\.", '"', "{}"])
async def test_keys_may_be_anything(sql: Sql, open_sink: OpenSink, name: str):
    """Text as it is, or JSON; what is written by a key is deleted by it, and nothing else."""
    sql.run("CREATE TABLE victims (id int)")
    sql.run("CREATE TABLE orders (id text PRIMARY KEY, a int)")
    sink = await open_sink(pk_mode="record_key", delete_enabled=True)
    await sink.write_keyed(({"id": name}, {"a": 1}), ("other", {"a": 2}))
    assert sql.run("SELECT * FROM orders ORDER BY a") == [(name, 1), ("other", 2)]
    await sink.write_keyed(({"id": name}, {"a": 3}), ({"id": name}, None))
    assert sql.run("SELECT * FROM orders") == [("other", 2)]
    assert sql.run("SELECT * FROM victims") == []


@pytest.mark.parametrize("name", ["x" * 64, "\x00", "", "ö" * 32, "\ud800", "ctid", "tableoid"])
async def test_a_field_that_no_column_can_be_called_after_rejects_its_record(sql: Sql, open_sink: OpenSink, name: str):
    """Where it would get one; the others are written, into columns that are not cut off."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(auto_evolve="add")

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({"id": 1}, {"id": 2, name: 1})

    assert list(caught.value.reasons) == [1]
    assert sql.run("SELECT * FROM orders") == []
    await sink.write({"id": 1, "x" * 63: 1})
    assert sql.run("SELECT * FROM orders") == [(1, 1)]


@pytest.mark.parametrize("name", [*HOSTILE, "{topic}", "%(topic)s"])
async def test_topics_may_have_any_name(sql: Sql, open_sink: OpenSink, name: str):
    """Each has its table, and its name stands in the rows."""
    sql.run("CREATE TABLE victims (id int)")
    topics: dict[str, list[dict[str, object]]] = {name: [{"id": 1}, {"id": 2, "a": name}], f"{name[:20]}2": [{"id": 3}]}
    sink = await open_sink(table="{topic}", topics=tuple(topics), auto_create=True, metadata_columns=("topic:t",))
    await sink.write_topics(topics)

    for topic, records in topics.items():
        quoted = Identifier(topic).as_string(None)
        assert sql.run(f"SELECT id, t FROM {quoted} ORDER BY id") == [(record["id"], topic) for record in records]

    assert sql.run("SELECT * FROM victims") == []


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 64, "\x00", "", '"', "ö" * 1000])
async def test_fields_may_have_any_name(sql: Sql, open_sink: OpenSink, name: str):
    """One that is no column's is unknown, and nothing else."""
    sql.run("CREATE TABLE victims (id int)")
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink()
    await sink.write({"id": 1, name: name}, {"id": 2, name: {name: name}})
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1,), (2,)]
    assert sink.counts == {"unknown_field": 2}


@pytest.mark.parametrize("value", [*HOSTILE, "\\.", "\\N", "\n\\.\n", "null"])
async def test_values_may_be_anything(sql: Sql, open_sink: OpenSink, value: str):
    """Also as a key, and in a column that has a name to match."""
    sql.run("CREATE TABLE victims (id int)")
    sql.run("CREATE TABLE orders (id text PRIMARY KEY, j jsonb, a text[])")
    sink = await open_sink()
    await sink.write({"id": value, "j": value, "a": [value]}, {"id": "other", "j": {value: value}})
    assert sql.run("SELECT * FROM orders ORDER BY j DESC") == [
        ("other", {value: value}, None),
        (value, value, [value]),
    ]
    assert sql.run("SELECT * FROM victims") == []


@pytest.mark.parametrize("name", [n for n in HOSTILE if "\n" not in n])
async def test_topic_connector_and_uid_may_have_any_name(sql: Sql, name: str):
    """They are values in the table of offsets, and a part of the name of the connection."""
    sql.run("CREATE TABLE victims (id int)")
    sql.run("CREATE TABLE orders (id int)")
    config = PostgresConfig(url=SecretUrl(sql.url), table_name="orders", insert_mode="insert")
    sink = PostgresSink(config)
    await sink.open(make_context(connector=name, uid=name, topic_ids={name: name}))
    tp = TopicPartition(name, 0)
    assert await sink.resume([tp]) == {}
    await sink.write(make_batch([b'{"id":1}'], topic=name))
    assert await sink.resume([tp]) == {tp: 1}
    assert sql.run("SELECT uid, topic_id, connector, topic, next_offset FROM streamhouse_offsets") == [
        (name, name, name, name, 1)
    ]
    assert sql.run("SELECT * FROM victims") == []
    await sink.close()
