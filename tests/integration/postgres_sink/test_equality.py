"""Keys that PostgreSQL takes for one though they are spelt differently: no statement meets one twice (SQLSTATE 21000)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from streamhouse_connect import FatalError, RejectedBatch

MODES = pytest.mark.parametrize("mode", ["upsert", "insert_ignore"])

CASELESS = "".join(
    f"CREATE FUNCTION c{name}(text, text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT lower($1) {operator} lower($2)';"
    f"CREATE OPERATOR {operator}# (LEFTARG = text, RIGHTARG = text, FUNCTION = c{name});"
    for name, operator in {"lt": "<", "le": "<=", "eq": "=", "ge": ">=", "gt": ">"}.items()
) + (
    "CREATE FUNCTION compared(text, text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT bttextcmp(lower($1), lower($2))';"
    "CREATE OPERATOR CLASS caseless FOR TYPE text USING btree AS OPERATOR 1 <#, OPERATOR 2 <=#, OPERATOR 3 =#,"
    " OPERATOR 4 >=#, OPERATOR 5 >#, FUNCTION 1 compared(text, text);"
    "CREATE TABLE orders (id text, a int); CREATE UNIQUE INDEX ON orders (id caseless);"
)
"""An index that takes more for equal than its column does, as one with a collation of its own may."""


@MODES
async def test_an_index_with_another_equality_is_none_to_upsert_by(sql: Sql, open_sink: OpenSink, mode: Any):
    """One of the column's own equality is, and a row that the other index refuses is a poison record."""
    sql.run(CASELESS)

    with pytest.raises(FatalError, match=r'CREATE UNIQUE INDEX ON "public"\."orders" \("id"\)') as caught:
        await open_sink(mode=mode)

    sql.run(str(caught.value).partition(": ")[2].partition(", or ")[0])
    sink = await open_sink(mode=mode)
    await sink.write({"id": "a", "a": 1}, {"id": "b", "a": 1}, {"id": "a", "a": 2})
    assert sql.run("SELECT * FROM orders ORDER BY id") == [("a", 2 if mode == "upsert" else 1), ("b", 1)]

    with pytest.raises(RejectedBatch, match='23505 unique violation, constraint "orders_id_idx"'):
        await sink.write({"id": "c", "a": 1}, {"id": "C", "a": 2}, {"id": "d", "a": 1})

    await sink.write({"id": "c", "a": 1}, {"id": "d", "a": 1})
    assert sql.run("SELECT count(*) FROM orders") == [(4,)]


@pytest.mark.parametrize("index", ['id COLLATE "C"', "id text_pattern_ops", 'id COLLATE "POSIX" varchar_ops'])
async def test_an_index_that_only_sorts_otherwise_will_do(sql: Sql, open_sink: OpenSink, index: str):
    """To it the same keys are equal."""
    sql.run(f"CREATE TABLE orders (id text, a int); CREATE UNIQUE INDEX ON orders ({index})")
    sink = await open_sink()
    await sink.write({"id": "a", "a": 1}, {"id": "A", "a": 1}, {"id": "a", "a": 2})
    assert sql.run('SELECT * FROM orders ORDER BY id COLLATE "C"') == [("A", 1), ("a", 2)]


@MODES
@pytest.mark.parametrize(
    ("type_", "keys"),
    [
        ("double precision", [0.0, -0.0, "-0", "0e5"]),
        ("real", ["NaN", "nan", b"NaN"]),
        ("interval", ["1 day", "24 hours", "PT24H", 86_400]),
        ("char(5)", ["a", "a ", "a    "]),
        ("timestamptz", ["2026-01-01T00:00:00Z", "2026-01-01T09:00:00+09:00", 1767225600]),
        ("timetz", ["12:00:00+00", "12:00:00Z", "12:00:00-00:00"]),
        ("numeric[]", [[1, 2], [1.0, "2.00"], "{1,2}"]),
        ("jsonb", [[1, {"b": 1}], [1.0, {"b": 1.00}]]),
        ("inet", ["10.0.0.1", "10.0.0.1/32"]),
        ("int4range", ["[1,3)", "[1,2]", "(0,3)"]),
        ("bit varying", ["101", "B101"]),
    ],
)
async def test_equal_keys_are_one_row_in_any_mixture_of_shapes(
    sql: Sql, open_sink: OpenSink, mode: str, type_: str, keys: list[Any]
):
    """Within a batch and across batches, beside a key that is another."""
    sql.run(f"CREATE TABLE orders (id {type_} PRIMARY KEY, a int, b int)")
    sink = await open_sink(mode=mode, pk_mode="record_key")
    await sink.write_keyed(*((key, {"a": n}) for n, key in enumerate(keys)))
    await sink.write_keyed(*((key, {"ab"[n % 2]: n + 10}) for n, key in enumerate(keys)))
    ((a, b),) = sql.run("SELECT a, b FROM orders")
    last = len(keys) - 1
    assert (a, b) == ((last - last % 2 + 10, last - 1 + last % 2 + 10) if mode == "upsert" else (0, None))


@pytest.mark.parametrize(
    ("type_", "keys"),
    [("text", ["é", "e\u0301", "É", "é "]), ("numeric", [10**30, 10**30 + 1]), ("varchar", ["a", "a ", "A"])],
)
async def test_keys_that_only_look_alike_are_rows_of_their_own(
    sql: Sql, open_sink: OpenSink, type_: str, keys: list[Any]
):
    """No character is normalised, and no number is rounded."""
    sql.run(f"CREATE TABLE orders (id {type_} PRIMARY KEY, a int)")
    await (await open_sink()).write(*({"id": key, "a": n} for n, key in enumerate(keys)))
    assert sql.run("SELECT id, a FROM orders ORDER BY a") == [(key, n) for n, key in enumerate(keys)]
