"""Which fields of a record go to which columns, and what becomes of those that are unknown or missing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import chain, combinations
from typing import Any

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from streamhouse_connect import FatalError, RejectedRecords
from streamhouse_connect.testing import make_batch

MODES = pytest.mark.parametrize("mode", ["insert", "upsert"])


@MODES
async def test_fields_are_left_out_and_renamed(sql: Sql, open_sink: OpenSink, mode: str):
    """What is left out is not counted as unknown."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, amount int, note text)")
    sink = await open_sink(mode=mode, fields_exclude=("secret", "note"), fields_rename=("no:id", "value:amount"))
    await sink.write({"no": 1, "value": 2, "secret": "x", "note": "y"}, {"no": 2, "value": 3, "other": "a\tb"})
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 2, None), (2, 3, None)]
    assert sink.counts["unknown_field"] == 1


@MODES
async def test_unknown_fields_may_reject_their_record(sql: Sql, open_sink: OpenSink, mode: str):
    """By name."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(mode=mode, unknown_fields="fail")

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({"id": 1}, {"id": 2, "b": 1, "a": 2})

    assert caught.value.reasons == {
        1: 'has the field a, b, for which "public"."orders" has no column (unknown.fields=fail)'
    }


@MODES
async def test_unknown_fields_may_go_to_one_column(sql: Sql, open_sink: OpenSink, mode: str):
    """With their values as they are; a record without any keeps the column as it is."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, rest jsonb DEFAULT '{}')")
    sink = await open_sink(mode=mode, unknown_fields="column:rest")
    unknown = {"a": "x\n\"\\y'", "b": [1, None, {"c": "\t"}], "rest": 7, 'q"; --': 10**30}
    await sink.write({"id": 1, **unknown}, {"id": 2})
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, unknown), (2, {})]
    assert sink.counts["unknown_field"] == 0

    if mode == "upsert":
        await sink.write({"id": 1}, {"id": 2, "z": None})
        assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, unknown), (2, {"z": None})]


async def test_the_column_of_unknown_fields_must_be_json(sql: Sql, open_sink: OpenSink):
    """And be there."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, rest text)")

    with pytest.raises(
        FatalError, match=r'column rest of "public"."orders" is of type text; unknown.fields needs jsonb'
    ):
        await open_sink(unknown_fields="column:rest")

    with pytest.raises(FatalError, match=r"has no column others; correct unknown.fields"):
        await open_sink(unknown_fields="column:others")


@pytest.mark.parametrize(
    ("missing", "inserted", "updated"),
    [
        ("keep", (7, "d", 8), (1, "x", 1)),
        ("default", (7, "d", 8), (7, "d", 8)),
        ("null", (None, None, 8), (None, None, 8)),
    ],
)
async def test_missing_fields_are_kept_or_default_or_null(
    sql: Sql, open_sink: OpenSink, missing: str, inserted: tuple[Any, ...], updated: tuple[Any, ...]
):
    """Null only where a column may be."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int DEFAULT 7, b text DEFAULT 'd', c int NOT NULL DEFAULT 8)")
    sql.run("INSERT INTO orders VALUES (1, 1, 'x', 1)")
    sink = await open_sink(missing_fields=missing)
    await sink.write({"id": 1}, {"id": 2})
    assert sql.run("SELECT a, b, c FROM orders ORDER BY id") == [updated, inserted]


@pytest.mark.parametrize("missing", ["default", "null"])
async def test_records_that_are_not_partial_are_not_merged(sql: Sql, open_sink: OpenSink, missing: str):
    """The last of a key counts alone, as if each had been written by itself."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, b int, c int NOT NULL DEFAULT 8)")
    sink = await open_sink(missing_fields=missing)
    await sink.write({"id": 1, "a": 1, "c": 1}, {"id": 1, "b": 2}, {"id": 2, "b": 1}, {"id": 2, "a": 2, "c": 2})
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, None, 2, 8), (2, 2, None, 2)]


@pytest.mark.parametrize("missing", ["default", "null"])
async def test_soft_deletes_stay_with_the_last_record(sql: Sql, open_sink: OpenSink, missing: str):
    """Of its key, and not of those before."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, b int, gone bool NOT NULL DEFAULT false)")
    options: dict[str, Any] = {"pk_mode": "record_key", "delete_enabled": True, "delete_soft_column": "gone"}
    sink = await open_sink(missing_fields=missing, **options)
    await sink.write_keyed((1, {"a": 1}), (1, {"b": 2}), (1, None))
    assert sql.run("SELECT * FROM orders") == [(1, None, 2, True)]


async def test_updates_alone_may_set_null(sql: Sql, open_sink: OpenSink):
    """Of rows that are there."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, b int)")
    sql.run("INSERT INTO orders VALUES (1, 1, 1)")
    sink = await open_sink(mode="update", missing_fields="null")
    await sink.write({"id": 1, "b": 2}, {"id": 2, "b": 2})
    assert sql.run("SELECT * FROM orders") == [(1, None, 2)]


@MODES
async def test_what_is_known_of_a_record_is_written(sql: Sql, open_sink: OpenSink, mode: str):
    """In columns of usual names, or of others."""
    sql.run(
        "CREATE TABLE orders (id int PRIMARY KEY, __connect_topic text, __connect_partition int, source bigint,"
        " __connect_timestamp timestamptz, __connect_ingested_at timestamptz)"
    )
    columns = ("topic", "partition", "offset:source", "timestamp", "ingested_at")
    sink = await open_sink(mode=mode, metadata_columns=columns)
    await sink.sink.write(make_batch([b'{"id":1}', b'{"id":2}'], timestamps=[1500, -1], first_offset=7))
    first, second = sql.run("SELECT * FROM orders ORDER BY id")
    assert first[:5] == (1, "orders", 0, 7, datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC))
    assert second[:5] == (2, "orders", 0, 8, None)
    assert first[5] == second[5]
    assert abs(first[5] - datetime.now(UTC)).total_seconds() < 60


async def test_columns_for_what_is_known_must_be_there(sql: Sql, open_sink: OpenSink):
    """The time of writing in one of times."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, at text)")

    with pytest.raises(FatalError, match=r"has no column __connect_offset; correct metadata.columns"):
        await open_sink(metadata_columns=("offset",))

    with pytest.raises(FatalError, match=r"is of type text; metadata.columns needs timestamptz"):
        await open_sink(metadata_columns=("ingested_at:at",))


async def test_an_offset_can_guard_a_row(sql: Sql, open_sink: OpenSink):
    """What is known of a record is as good as its own fields."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, o bigint)")
    sql.run("INSERT INTO orders VALUES (1, 1, 9)")
    sink = await open_sink(metadata_columns=("offset:o",), guard_column="o")
    await sink.write({"id": 1, "a": 2}, {"id": 2, "a": 2})
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 1, 9), (2, 2, 1)]


KNOWN: dict[str, tuple[str, Any]] = {
    "topic": ("text", "orders"),
    "partition": ("int", 0),
    "offset": ("bigint", 0),
    "timestamp": ("timestamptz", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
}


@MODES
@pytest.mark.parametrize("names", [c for n in range(1, 5) for c in combinations(KNOWN, n)], ids=",".join)
async def test_any_part_of_what_is_known_can_be_written(
    sql: Sql, open_sink: OpenSink, mode: str, names: tuple[str, ...]
):
    """Beside what the value has under the same name, which it does not win over; to columns that are added for it."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(mode=mode, metadata_columns=names, auto_evolve="add")
    value = {"id": 1, **{f"__connect_{name}": "mine" for name in names}}
    await sink.sink.write(make_batch([json.dumps(value).encode()], timestamps=[1000]))
    listed = ", ".join(
        f"__connect_{name}, pg_typeof(__connect_{name})::regtype = '{KNOWN[name][0]}'::regtype" for name in names
    )
    assert sql.run(f"SELECT {listed} FROM orders") == [
        tuple(chain.from_iterable((KNOWN[name][1], True) for name in names))
    ]


@MODES
async def test_renames_may_go_round_in_a_circle(sql: Sql, open_sink: OpenSink, mode: str):
    """Each field goes to its column, as if all at once; a field that lacks its partner gives its name up."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, b int)")
    sink = await open_sink(mode=mode, fields_rename=("a:b", "b:id", "id:a"))
    await sink.write({"id": 1, "a": 2, "b": 3}, {"b": 4, "a": 5}, {"b": 6, "id": 7})
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(3, 1, 2), (4, None, 5), (6, 7, None)]


@MODES
async def test_names_that_differ_by_case_are_columns_of_their_own(sql: Sql, open_sink: OpenSink, mode: str):
    """As in JSON; of a field that is there twice the last counts."""
    sql.run('CREATE TABLE orders (id int PRIMARY KEY, "A" int, a int, "Id" int)')
    sink = await open_sink(mode=mode)
    await sink.write(b'{"id":9,"A":1,"a":2,"Id":3,"ID":4,"id":1}')
    assert sql.run("SELECT * FROM orders") == [(1, 1, 2, 3)]
    assert sink.counts["unknown_field"] == 1
