from __future__ import annotations

from typing import Any

import pytest

from streamhouse_postgres_sink._merges import Merges
from streamhouse_postgres_sink._modes import InsertMode, Mode
from streamhouse_postgres_sink._statements import Statements
from unit.postgres_sink import tables

MODES: tuple[InsertMode, InsertMode] = ("upsert", "insert_ignore")
HOSTILE = 'x"; DROP TABLE t; --'


def merges(
    *columns: str, insert: InsertMode = "upsert", key: tuple[str, ...] = ("id",), table: str = "t", **mode: Any
) -> Merges:
    made = Mode(insert=insert, key=key, **mode)
    return Merges(Statements(tables.table("s", table, *columns), mode=made))


def merged(*columns: str, shape: int = 0, **mode: Any) -> str:
    statement = merges(*columns, **mode).merge(columns, shape=shape)
    return "" if statement is None else statement.as_string(None)


def test_an_upsert_takes_the_last_of_each_key_in_the_order_of_keys():
    """So that no statement meets a key twice, and no two writers wait for each other."""
    assert merged("id", "a") == (
        'INSERT INTO "s"."t" AS "streamhouse_row" ("id", "a") SELECT DISTINCT ON ("id") "id", "a" '
        'FROM "pg_temp"."streamhouse_stage" WHERE "streamhouse_shape" = 0 ORDER BY "id", "streamhouse_seq" DESC '
        'ON CONFLICT ("id") DO UPDATE SET "a" = "excluded"."a"'
    )


def test_a_row_of_nothing_but_its_key_is_left_alone():
    """There is nothing to update."""
    assert merged("id").endswith('ON CONFLICT ("id") DO NOTHING')
    assert merged("id", skip_unchanged=True, guard=None).endswith('ON CONFLICT ("id") DO NOTHING')
    assert merged("id", insert="update") == ""


def test_staged_inserts_keep_their_order():
    """Where COPY can't write to the target itself."""
    text = merged("id", insert="insert", key=(), shape=1)
    assert text.endswith('WHERE "streamhouse_shape" = 1 ORDER BY "streamhouse_seq"')
    assert "CONFLICT" not in text


def test_a_staged_row_of_defaults_names_no_columns():
    """An empty list of columns is no SQL."""
    assert '"t" SELECT  FROM' in merged(insert="insert", key=())


def test_ignoring_takes_records_in_the_order_of_keys_and_the_first_of_each():
    """Without a key any unique index will do."""
    text = merged("id", "a", insert="insert_ignore")
    assert text.endswith('ORDER BY "id", "streamhouse_seq" ON CONFLICT ("id") DO NOTHING')
    assert merged("id", insert="insert_ignore", key=()).endswith('ORDER BY "streamhouse_seq" ON CONFLICT DO NOTHING')


def test_an_update_inserts_nothing():
    """It joins the last of each key."""
    assert merged("id", "a", insert="update") == (
        'UPDATE "s"."t" AS "streamhouse_row" SET "a" = "streamhouse_new"."a" FROM (SELECT DISTINCT ON ("id") "id", "a" '
        'FROM "pg_temp"."streamhouse_stage" WHERE "streamhouse_shape" = 0 ORDER BY "id", "streamhouse_seq" DESC) '
        'AS "streamhouse_new" WHERE "streamhouse_row"."id" = "streamhouse_new"."id"'
    )


@pytest.mark.parametrize(("insert", "new"), [("upsert", "excluded"), ("update", "streamhouse_new")])
def test_a_guard_lets_nothing_older_through(insert: InsertMode, new: str):
    """Of one key the newest counts, and the last of equals; a row without a value is older than all."""
    text = merged("id", "at", insert=insert, guard="at")
    assert 'ORDER BY "id", "at" DESC NULLS LAST, "streamhouse_seq" DESC' in text
    assert text.endswith(f'("streamhouse_row"."at" IS NULL OR "{new}"."at" >= "streamhouse_row"."at")')


@pytest.mark.parametrize(("insert", "new"), [("upsert", "excluded"), ("update", "streamhouse_new")])
def test_rows_that_would_stay_the_same_are_skipped_by_their_bytes(insert: InsertMode, new: str):
    """Which every type has, unlike an equality."""
    assert merged("id", "a", "b", insert=insert, skip_unchanged=True).endswith(
        'ROW("streamhouse_row"."a", "streamhouse_row"."b")::record OPERATOR(pg_catalog.*<>) '
        f'ROW("{new}"."a", "{new}"."b")::record'
    )


def test_tombstones_delete_or_set_a_column():
    """Those in the stage."""
    assert merges("id", deletes=True).delete().as_string(None) == (
        'DELETE FROM "s"."t" WHERE ("id") IN (SELECT "id" FROM "pg_temp"."streamhouse_stage" WHERE "streamhouse_shape" =  -1)'
    )
    soft = merges("id", "gone", "at", deletes=True, soft_column="gone", guard="at").delete().as_string(None)
    assert soft.startswith('UPDATE "s"."t" AS "streamhouse_row" SET "gone" = "streamhouse_new"."gone" FROM')
    assert '"at"' not in soft


def test_rows_are_locked_in_the_order_of_keys():
    """As strongly as what follows needs it."""
    text = merges("id", "n", key=("n", "id")).lock().as_string(None)
    assert text.endswith(
        'ORDER BY "streamhouse_row"."n", "streamhouse_row"."id" FOR NO KEY UPDATE OF "streamhouse_row"'
    )
    assert "FOR UPDATE OF" in merges("id", deletes=True).lock().as_string(None)
    assert "FOR NO KEY UPDATE OF" in merges("id", deletes=True, soft_column="a").lock().as_string(None)


def test_names_are_never_sql():
    """However hostile, they stay between quotes."""
    names = (HOSTILE, "%s", "at")
    quoted = '"x""; DROP TABLE t; --"'

    for insert in ("upsert", "update", "insert", "insert_ignore"):
        made = merges(*names, insert=insert, key=(HOSTILE, "%s"), table=HOSTILE, guard="at", skip_unchanged=True)
        statement = made.merge(names, shape=0)
        assert statement

        for text in (statement, made.delete(), made.lock(), made.count_missing(), made.mixed_keys()):
            assert "DROP TABLE t" not in text.as_string(None).replace(quoted, "")


def test_columns_of_our_own_do_not_clash_with_the_tables():
    """Whatever those are called."""
    text = merges("streamhouse_rank", "streamhouse_life", "at", guard="at").mixed_keys().as_string(None)
    assert '"streamhouse_rank_"' in text
    assert '"streamhouse_life_"' in text


def test_of_several_indexes_the_one_that_takes_the_same_for_equal_decides():
    """It is named, and a row that only another one refuses is refused."""
    table = tables.table("s", "t", "id", "a", arbiters={frozenset({"id"}): 'id COLLATE "C" text_ops'})
    upsert, ignore = (Merges(Statements(table, mode=Mode(insert=mode, key=("id",)))) for mode in MODES)
    made = [found.as_string() for merges in (upsert, ignore) if (found := merges.merge(["id", "a"], shape=0))]
    assert ['ON CONFLICT (id COLLATE "C" text_ops) DO' in text for text in made] == [True, True]


def test_rows_are_compared_as_what_their_domains_are_made_of():
    """For the row of the stage has no domain there."""
    table = tables.table("s", "t", "id", "a", bases={"a": "integer"})
    mode = Mode(insert="update", key=("id",), skip_unchanged=True)
    made = Merges(Statements(table, mode=mode)).merge(["id", "a"], shape=0)
    assert made
    assert made.as_string().endswith(
        'ROW(CAST("streamhouse_row"."a" AS integer))::record OPERATOR(pg_catalog.*<>)'
        ' ROW(CAST("streamhouse_new"."a" AS integer))::record'
    )
