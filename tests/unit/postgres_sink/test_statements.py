from __future__ import annotations

from streamhouse_postgres_sink._names import TableName
from streamhouse_postgres_sink._statements import Statements

HOSTILE = 'x"; DROP TABLE t; --'


def statements(*columns: str, key: tuple[str, ...] = ("id",), table: str = "orders") -> Statements:
    return Statements(TableName("sales", table), columns=columns, key=key)


def test_an_upsert_takes_the_last_of_each_key_in_the_order_of_keys():
    """So that no statement meets a key twice, and no two writers wait for each other."""
    assert statements("id", "a").merge(["id", "a"], shape=0).as_string(None) == (
        'INSERT INTO "sales"."orders" ("id", "a") SELECT DISTINCT ON ("id") "id", "a" FROM "pg_temp"."streamhouse_stage" '
        'WHERE "streamhouse_shape" = 0 ORDER BY "id", "streamhouse_seq" DESC ON CONFLICT ("id") '
        'DO UPDATE SET "a" = EXCLUDED."a"'
    )


def test_a_row_of_nothing_but_its_key_is_left_alone():
    """There is nothing to update."""
    assert statements("id").merge(["id"], shape=0).as_string(None).endswith('ON CONFLICT ("id") DO NOTHING')


def test_staged_inserts_keep_their_order():
    """Where COPY can't write to the target itself."""
    text = statements("id", key=()).merge(["id"], shape=1).as_string(None)
    assert text.endswith('WHERE "streamhouse_shape" = 1 ORDER BY "streamhouse_seq"')
    assert "CONFLICT" not in text


def test_a_staged_row_of_defaults_names_no_columns():
    """An empty list of columns is no SQL."""
    assert '"orders" SELECT  FROM' in statements("id", key=()).merge([], shape=0).as_string(None)


def test_names_are_never_sql():
    """However hostile, they stay between quotes."""
    made = statements(HOSTILE, "%s", key=(HOSTILE,), table=HOSTILE)
    quoted = '"x""; DROP TABLE t; --"'

    for statement in (
        made.copy([HOSTILE]),
        made.copy_to_stage([HOSTILE]),
        made.merge([HOSTILE, "%s"], shape=0),
        made.insert_defaults(3),
        *made.create_stage(),
        made.mixed_keys(),
    ):
        assert "DROP TABLE t" not in statement.as_string(None).replace(quoted, "")


def test_the_columns_of_the_stage_do_not_clash_with_the_tables():
    """Whatever those are called."""
    text = statements("streamhouse_seq", "streamhouse_shape", key=()).copy_to_stage(["streamhouse_seq"]).as_string(None)
    assert '("streamhouse_seq", "streamhouse_seq_", "streamhouse_shape_")' in text
