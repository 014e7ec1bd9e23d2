from __future__ import annotations

from streamhouse_postgres_sink._modes import Mode
from streamhouse_postgres_sink._statements import Statements
from unit.postgres_sink import tables

HOSTILE = 'x"; DROP TABLE t; --'


def statements(*columns: str, mode: Mode | None = None, table: str = "orders") -> Statements:
    return Statements(tables.table("sales", table, *columns), mode=mode or Mode(insert="upsert", key=("id",)))


def test_names_are_never_sql():
    """However hostile, they stay between quotes."""
    made = statements(HOSTILE, "%s", mode=Mode(insert="upsert", key=(HOSTILE,)), table=HOSTILE)
    quoted = '"x""; DROP TABLE t; --"'

    for statement in (
        made.copy([HOSTILE]),
        made.copy_to_stage([HOSTILE]),
        made.insert_defaults(3),
        *made.create_stage(),
        made.discard(),
    ):
        assert "DROP TABLE t" not in statement.as_string(None).replace(quoted, "")


def test_the_columns_of_the_stage_do_not_clash_with_the_tables():
    """Whatever those are called."""
    text = statements("streamhouse_seq", "streamhouse_shape").copy_to_stage(["streamhouse_seq"]).as_string(None)
    assert '("streamhouse_seq", "streamhouse_seq_", "streamhouse_shape_")' in text


def test_no_key_is_ever_null():
    """Two nulls are not equal, and so not one key."""
    made = statements("id", "n", mode=Mode(insert="update", key=("id", "n"))).create_stage()
    assert [s.as_string(None).rpartition("ALTER COLUMN ")[2] for s in made[2:]] == [
        '"id" SET NOT NULL',
        '"n" SET NOT NULL',
    ]


def test_rows_of_defaults_are_ignored_like_others():
    """Where they meet rows that are there."""
    assert "CONFLICT" not in statements("id").insert_defaults(2).as_string(None)
    ignoring = statements("id", mode=Mode(insert="insert_ignore"))
    assert ignoring.insert_defaults(2).as_string(None).endswith("generate_series(1, 2) ON CONFLICT DO NOTHING")


def test_what_a_domain_is_made_of_takes_null_in_the_stage():
    """A key is never null, and stays what it is."""
    table = tables.table("s", "t", "id", HOSTILE, bases={"id": "integer", HOSTILE: "character varying(3)"})
    made = Statements(table, mode=Mode(insert="update", key=("id",)))
    quoted = '"x""; DROP TABLE t; --"'
    assert (
        f'SELECT "id" AS "id", CAST({quoted} AS character varying(3)) AS {quoted}, NULL'
        in made.create_stage()[1].as_string()
    )
