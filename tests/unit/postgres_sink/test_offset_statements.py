from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from streamhouse_postgres_sink._catalogue import Table
from streamhouse_postgres_sink._names import TableName
from streamhouse_postgres_sink._offset_statements import OffsetStatements, lacks
from streamhouse_postgres_sink._types import Column, Kind

HOSTILE = 'x"; DROP TABLE t; -- %s %(a)s'
NAMES = ["uid", "topic_id", "partition", "epoch", "next_offset", "generation", "connector", "topic", "updated_at"]

TYPES = {
    "partition": "integer",
    **dict.fromkeys(("epoch", "next_offset", "generation"), "bigint"),
    "updated_at": "timestamp with time zone",
}


def table(*columns: str, kind: str = "table", key: tuple[str, ...] = ("uid", "topic_id", "partition")) -> Table:
    return Table(
        name=TableName("sales", "streamhouse_offsets"),
        kind=kind,
        columns=tuple(
            Column(
                name=name,
                type=TYPES.get(name, "text"),
                kind=Kind.of("text"),
                is_array=False,
                delimiter=",",
                has_default=False,
                is_writable=True,
            )
            for name in columns
        ),
        unique=frozenset({frozenset(key)}),
        lacking=(),
        has_row_security=False,
        can_stage=True,
        can_delete=True,
    )


def test_the_table_is_made_and_granted_by_its_full_name():
    """These are the statements that an administrator is asked to run."""
    statements = OffsetStatements("sales")
    assert statements.create.as_string(None) == (
        'CREATE TABLE IF NOT EXISTS "sales"."streamhouse_offsets" ("uid" text NOT NULL, "topic_id" text NOT NULL, '
        '"partition" integer NOT NULL, "epoch" bigint NOT NULL, "next_offset" bigint, "generation" bigint NOT NULL, '
        '"connector" text NOT NULL, "topic" text NOT NULL, "updated_at" timestamptz NOT NULL DEFAULT now(), '
        'PRIMARY KEY ("uid", "topic_id", "partition")) WITH (fillfactor = 50)'
    )
    assert statements.grant('we"b').as_string(None) == (
        'GRANT SELECT, INSERT, UPDATE ON "sales"."streamhouse_offsets" TO "we""b"'
    )


def test_the_documentation_has_the_same_statements():
    """For those who prefer to run them beforehand."""
    page = Path(__file__, "../../../../docs/delivery.md").resolve().read_text()
    documented = " ".join(page.partition("```sql\n")[2].partition("```")[0].split())
    statements = OffsetStatements(None)
    made = f"{statements.create.as_string(None)}; {statements.grant('the_user').as_string(None)};"
    assert made.replace('"', "").replace("IF NOT EXISTS ", "") == documented


def test_the_schema_is_never_sql():
    """However hostile, it stays between quotes, and is no place for a parameter."""
    statements = OffsetStatements(HOSTILE)
    quoted = '"x""; DROP TABLE t; -- %s %(a)s"'

    for statement in (statements.claim, statements.set, statements.abandon, statements.end_holders):
        assert quoted.replace("%", "%%") in statement.as_string(None)

    for text in (statements.lock, statements.move, statements.move_one):
        assert quoted.replace("%", "%%") in text.decode()

    assert quoted in statements.create.as_string(None)
    assert quoted in statements.grant("web").as_string(None)


def test_rows_are_locked_in_the_order_of_their_keys():
    """So that no two transactions wait for each other."""
    statements = OffsetStatements("sales")
    assert "ORDER BY o.topic_id, o.partition\nFOR UPDATE" in statements.lock.decode()
    assert "ORDER BY w.topic_id, w.partition\nON CONFLICT" in statements.claim.as_string(None)


def test_the_table_is_known_by_its_columns_and_its_key():
    """It may have more columns."""
    assert lacks(table(*NAMES, "mine")) is None


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (table(*NAMES[2:]), "has no column uid, topic_id"),
        (attrs.evolve(table(*NAMES), kind="view"), "is no ordinary table"),
        (attrs.evolve(table(*NAMES), is_logged=False), "is unlogged and empty after a crash"),
        (
            attrs.evolve(table(*NAMES, "mine"), not_null=frozenset({"mine"})),
            "has a column mine that is NOT NULL and has no default",
        ),
        (table(*NAMES, key=("uid",)), "has no unique index on exactly uid, topic_id, partition"),
    ],
)
def test_another_table_of_that_name_is_not_the_one(found: Table, why: str):
    """And it is said why."""
    assert lacks(found) == why


def test_a_number_that_is_too_small_for_offsets_is_refused():
    """Before there is one that does not fit."""
    columns = [attrs.evolve(c, type="integer") if c.name == "next_offset" else c for c in table(*NAMES).columns]
    found = lacks(attrs.evolve(table(*NAMES), columns=tuple(columns)))
    assert found == "has a column next_offset of type integer, not bigint"
