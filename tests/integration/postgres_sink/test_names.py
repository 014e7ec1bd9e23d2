"""Hostile names are data, never SQL."""

from __future__ import annotations

import pytest
from psycopg.sql import Identifier

from integration.postgres_sink.conftest import OpenSink, Sql
from streamhouse_connect import RejectedRecords, SecretUrl, TopicPartition
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_postgres_sink import PostgresConfig, PostgresSink

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
