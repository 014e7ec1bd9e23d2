"""The table of offsets may be somebody's work: what of it is taken as it is, and what is refused before anything is written."""

from __future__ import annotations

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from streamhouse_connect import FatalError, Superseded
from streamhouse_postgres_sink._offset_statements import OffsetStatements

CREATE = OffsetStatements(None).create.as_string(None)


@pytest.fixture(autouse=True)
def orders(sql: Sql) -> None:
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sql.run(CREATE)


async def test_it_may_have_more_columns(sql: Sql, open_sink: OpenSink):
    """Generated ones, or with defaults; they are left alone."""
    sql.run(
        "ALTER TABLE streamhouse_offsets ADD mine text NOT NULL DEFAULT 'x', ADD no int GENERATED ALWAYS AS IDENTITY, "
        "ADD twice bigint GENERATED ALWAYS AS (next_offset * 2) STORED"
    )
    await (await open_sink()).write({"id": 1})
    assert sql.run("SELECT next_offset, mine, no, twice FROM streamhouse_offsets") == [(1, "x", 1, 2)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("ADD mine int NOT NULL", "has a column mine that is NOT NULL and has no default"),
        ("ALTER next_offset TYPE int", "has a column next_offset of type integer, not bigint"),
        ("SET UNLOGGED", "is unlogged and empty after a crash"),
    ],
)
async def test_it_has_to_keep_any_offset(sql: Sql, open_sink: OpenSink, change: str, why: str):
    """Rather than that records are refused for it, or offsets are lost, some day."""
    sql.run(f"ALTER TABLE streamhouse_offsets {change}")

    with pytest.raises(FatalError, match=f"{why}.*rename it"):
        await open_sink()


async def test_who_objects_to_a_move_objects_to_no_record(sql: Sql, open_sink: OpenSink):
    """A trigger of that table is not for records to be rejected by."""
    sink = await open_sink()
    sql.run(
        "CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
        "CREATE TRIGGER object BEFORE UPDATE ON streamhouse_offsets FOR EACH ROW EXECUTE FUNCTION object()"
    )

    with pytest.raises(FatalError, match="P0001"):
        await sink.write({"id": 1})

    assert sql.run("SELECT * FROM orders") == []


@pytest.mark.parametrize(
    "change", ["REVOKE UPDATE ON streamhouse_offsets FROM stranger", "DROP TABLE streamhouse_offsets"]
)
async def test_what_is_taken_away_meanwhile_is_said(sql: Sql, open_sink: OpenSink, user: str, change: str):
    """Nothing is written without it, and nothing is promised less in silence."""
    sql.run("GRANT ALL ON orders TO stranger; GRANT SELECT, INSERT, UPDATE ON streamhouse_offsets TO stranger")
    sink = await open_sink(url=user)
    await sink.write({"id": 1})
    sql.run(change)

    with pytest.raises(FatalError, match=r"42501|may not make the table in which offsets are kept"):
        await sink.write({"id": 2})

    assert sql.run("SELECT id FROM orders") == [(1,)]


async def test_a_task_whose_row_was_removed_writes_nothing_until_it_claims(sql: Sql, open_sink: OpenSink):
    """By an operator; then the broker knows where to go on."""
    sink = await open_sink()
    await sink.write({"id": 1})
    sql.run("DELETE FROM streamhouse_offsets")

    with pytest.raises(Superseded):
        await sink.write({"id": 2})

    assert sql.run("SELECT id FROM orders") == [(1,)]
    await sink.resume()
    await sink.write({"id": 2})
    assert sql.run("SELECT next_offset, generation FROM streamhouse_offsets") == [(2, 1)]


@pytest.mark.parametrize("offsets", ["target", "broker"])
async def test_an_unlogged_target_weakens_the_promise(sql: Sql, open_sink: OpenSink, offsets: str):
    """A crash empties it, whatever the offsets say."""
    sql.run("ALTER TABLE orders SET UNLOGGED")
    assert "is an unlogged table" in ((await open_sink(offsets=offsets)).sink.weakened or "")
