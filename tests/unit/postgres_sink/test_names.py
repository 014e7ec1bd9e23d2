from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_postgres_sink._names import InvalidName, TableName, TablePattern, parse_table_name


@pytest.mark.parametrize(
    ("text", "schema", "name"),
    [
        ("orders", None, "orders"),
        ("Orders", None, "orders"),
        ("Sales.Orders", "sales", "orders"),
        (" sales . orders ", "sales", "orders"),
        ('"Orders"', None, "Orders"),
        ('"Sales 1"."T""x"', "Sales 1", 'T"x'),
        ('"a.b"', None, "a.b"),
        ("_x$1", None, "_x$1"),
        ("select", None, "select"),
        ("größe", None, "größe"),
        ("GRÖSSE", None, "grÖsse"),
        ("x" * 63, None, "x" * 63),
        ('"; DROP TABLE t; --"', None, "; DROP TABLE t; --"),
    ],
)
def test_a_name_is_read_as_sql_reads_it(text: str, schema: str | None, name: str):
    """Only the letters of ASCII are folded, and only outside of quotes."""
    assert parse_table_name(text) == TableName(schema, name)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("my orders", 'quote it: "my orders"'),
        ("orders; DROP TABLE t", "is not the name of a table"),
        ("1orders", "is not the name of a table"),
        ("orders.", "is not the name of a table"),
        (".orders", "is not the name of a table"),
        ('"orders', "is not the name of a table"),
        ('"a"b', "is not the name of a table"),
        ("", "is not the name of a table"),
        ("x\x00", "is not the name of a table"),
        ('""', "holds an empty name"),
        ('"a\x00b"', "holds a NUL character"),
        ('"\ud800"', "half a surrogate pair"),
        ("x" * 64, "64 bytes"),
        ("ö" * 32, "64 bytes"),
        ("db.sales.orders", "has 3 parts"),
    ],
)
def test_what_is_no_name_is_said(text: str, reason: str):
    """With the way out where there is one."""
    with pytest.raises(InvalidName) as caught:
        parse_table_name(text)

    assert reason in str(caught.value)


def test_every_problem_of_a_name_is_said():
    """Each part is looked at."""
    with pytest.raises(InvalidName) as caught:
        parse_table_name(f'a.""."{"x" * 64}"')

    assert len(caught.value.reasons) == 3


@given(
    schema=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=15),
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=15),
)
def test_a_quoted_name_is_what_is_between_the_quotes(schema: str, name: str):
    """Whatever it is made of: reading what was quoted gives the name again."""
    assert parse_table_name(str(TableName(schema, name))) == TableName(schema, name)


@pytest.mark.parametrize(
    ("text", "topic", "table"),
    [
        ("{topic}", "orders", '"orders"'),
        ("{topic}", "a.b", '"a.b"'),
        ("{topic}", 'x"; DROP TABLE t; --', '"x""; DROP TABLE t; --"'),
        ("Sales.Raw_{topic}_{topic}", "Orders", '"sales"."raw_Orders_Orders"'),
        ('"Sales 1"."T {topic}"', "{topic}", '"Sales 1"."T {topic}"'),
        ("orders", "a", '"orders"'),
    ],
)
def test_a_topic_stands_in_a_table_letter_by_letter(text: str, topic: str, table: str):
    """It is neither folded nor read: a dot in it separates nothing."""
    assert str(TablePattern(parse_table_name(text)).table(topic)) == table


def test_a_topic_may_not_choose_the_schema():
    """The offsets of all its topics are in one."""
    with pytest.raises(InvalidName, match="in a schema"):
        parse_table_name("{topic}.orders")


def test_a_topic_may_be_too_long_for_a_table():
    """Which only it shows, and not the pattern."""
    pattern = TablePattern(parse_table_name("x" * 56 + "{topic}"))
    assert len(pattern.table("t" * 7).name) == 63

    with pytest.raises(InvalidName, match=r"64 bytes.*\(topic tttttttt\)"):
        pattern.table("t" * 8)
