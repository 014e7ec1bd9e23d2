from __future__ import annotations

import pytest

from streamhouse_postgres_sink._types import Column, Kind

SCALE_2_OF_10 = ((10 << 16) | 2) + 4
SCALE_MINUS_2_OF_3 = ((3 << 16) | (-2 & 0x7FF)) + 4


def test_kinds_go_by_the_names_of_the_catalogue():
    """What is in no list needs nothing."""
    assert [Kind.of(name) for name in ("timestamptz", "char", "bpchar", "int8")] == [
        Kind.INSTANT,
        Kind.CHAR,
        Kind.TEXT,
        Kind.TEXT,
    ]


@pytest.mark.parametrize(
    ("column", "scale", "length", "precision"),
    [
        (Column("c", "numeric(10,2)", Kind.NUMERIC, modifier=SCALE_2_OF_10), 2, None, 6),
        (Column("c", "numeric(3,-2)", Kind.NUMERIC, modifier=SCALE_MINUS_2_OF_3), -2, None, 6),
        (Column("c", "numeric", Kind.NUMERIC), None, None, 6),
        (Column("c", "money", Kind.MONEY), 2, None, 6),
        (Column("c", "character varying(3)", Kind.VARCHAR, modifier=7), None, 3, 6),
        (Column("c", "character varying", Kind.VARCHAR), None, None, 6),
        (Column("c", "time(0)", Kind.TIME, modifier=0), None, None, 0),
        (Column("c", "timestamptz", Kind.INSTANT), None, None, 6),
        (Column("c", "bit(3)", modifier=3), None, None, 6),
    ],
)
def test_a_modifier_says_what_a_column_keeps(column: Column, scale: int | None, length: int | None, precision: int):
    """By the kind of its type, as PostgreSQL packs it."""
    assert (column.scale, column.length, column.precision) == (scale, length, precision)


@pytest.mark.parametrize(
    ("type_", "modifier", "keeps"),
    [("interval", -1, True), ("interval day", (8 << 16) | 0xFFFF, False), ("interval(0)", 0x7FFF0000, True)],
)
def test_an_interval_may_keep_no_seconds(type_: str, modifier: int, keeps: bool):
    """If it is declared so."""
    assert Column("c", type_, Kind.INTERVAL, modifier=modifier).keeps_seconds == keeps


def test_a_column_without_limits_needs_no_second_look():
    """But one with limits does, and each array."""
    assert not Column("c", "numeric", Kind.NUMERIC).is_special
    assert not Column("c", "varchar", Kind.VARCHAR).is_special
    assert Column("c", "numeric(10,2)", Kind.NUMERIC, modifier=SCALE_2_OF_10).is_special
    assert Column("c", "numeric[]", Kind.NUMERIC, is_array=True).is_special
