from __future__ import annotations

import json

import msgspec
import pytest

from streamhouse_postgres_sink._arrays import converted
from streamhouse_postgres_sink._cells import Rules, Unstorable
from streamhouse_postgres_sink._types import Column, Kind
from unit.postgres_sink.copytext import read_lines

CENTS = ((10 << 16) | 2) + 4


def text(column: Column, value: object, *, ascii_only: bool = False) -> str | None:
    """What PostgreSQL is given for the value."""
    cell = converted(column, msgspec.Raw(json.dumps(value, ensure_ascii=ascii_only).encode()), Rules())
    ((found,),) = read_lines(bytes(cell) + b"\n")
    return found


def array(kind: Kind = Kind.TEXT, delimiter: str = ",", modifier: int = -1) -> Column:
    return Column("c", "x[]", kind, is_array=True, delimiter=delimiter, modifier=modifier)


def test_a_cell_that_needs_nothing_stays_json():
    """Null, or a text that PostgreSQL reads rightly."""
    for kind, value in ((Kind.TIME, b"null"), (Kind.INSTANT, b'"2026-02-10T14:00:00+02:00"'), (Kind.DATE, b"now")):
        cell = msgspec.Raw(value)
        assert converted(Column("c", "x", kind), cell, Rules()) is cell


def test_a_cell_that_needs_something_is_final():
    """With nothing in it that means anything to COPY."""
    assert text(Column("c", "bytea", Kind.BYTES), "aGk=") == "\\x6869"


@pytest.mark.parametrize(
    ("column", "value", "literal"),
    [
        (array(), [], "{}"),
        (array(), [1, 2.5, None, True], '{"1","2.5",NULL,"true"}'),
        (array(), ["a,b", 'q"', "b\\s", "NULL", "", "{}"], '{"a,b","q\\"","b\\\\s","NULL","","{}"}'),
        (array(), ["a\tb\n"], '{"a\tb\n"}'),
        (array(), [[1, 2], [3, 4]], '{{"1","2"},{"3","4"}}'),
        (array(), [{"a": 1}], '{"{\\"a\\": 1}"}'),
        (array(Kind.JSON), [[1, 2], "x", None], '{"[1, 2]","\\"x\\"",NULL}'),
        (array(Kind.INSTANT), [0], '{"1970-01-01T00:00:00+00:00"}'),
        (array(Kind.BYTES), ["aGk="], '{"\\\\x6869"}'),
        (array(Kind.NUMERIC, modifier=CENTS), [1.1, "2.20"], '{"1.1","2.20"}'),
        (array(delimiter=";"), [1, 2], '{"1";"2"}'),
    ],
)
def test_a_list_becomes_an_array_literal(column: Column, value: object, literal: str):
    """With elements of any kind, in up to six dimensions."""
    assert text(column, value) == literal


@pytest.mark.parametrize(
    ("column", "literal"),
    [
        (array(), '{1,"x y",NULL,{2}}'),
        (array(Kind.TIMESTAMP), '{"2026-02-10 14:00:00",NULL,2026-02-10T14:00:00Z}'),
        (array(Kind.INSTANT), "{2026-02-10T14:00:00+02:00}"),
        (array(Kind.BYTES), '{"\\\\x6869","\\\\x"}'),
        (array(Kind.NUMERIC, modifier=CENTS), "{{1.10,2},{3,NULL}}"),
        (array(Kind.NAME), "[0:1]={a,b}"),
        (array(Kind.VARCHAR, modifier=7), '{"a,b",abc}'),
    ],
)
def test_text_is_taken_for_a_literal(column: Column, literal: str):
    """As PostgreSQL does, where it would read all elements rightly."""
    assert text(column, literal) == literal


@pytest.mark.parametrize(
    ("column", "literal"),
    [
        (array(Kind.TIMESTAMP), '{"2026-02-10T14:00:00+02:00"}'),
        (array(Kind.TIMESTAMP), "{2026-02-10,2026-02-10 12:00 PST}"),
        (array(Kind.INSTANT), "{now}"),
        (array(Kind.INSTANT), "{1770721210}"),
        (array(Kind.BYTES), "{aGk=}"),
        (array(Kind.BYTES), "{abc}"),
        (array(Kind.NAME), "{" + "x" * 64 + "}"),
        (array(Kind.CHAR), "{a,bc}"),
        (array(Kind.UNSIGNED), "{1,{-1}}"),
        (array(Kind.NUMERIC, modifier=CENTS), "{1.10,1.005}"),
        (array(Kind.NUMERIC, modifier=CENTS), '{"1.0\\05"}'),
        (array(Kind.VARCHAR, modifier=7), '{"a,b "}'),
        (array(Kind.VARCHAR, modifier=7), '{"a\\"b "}'),
    ],
)
def test_a_literal_with_an_element_that_would_be_changed_is_refused(column: Column, literal: str):
    """In a list it could be converted, or is refused as well."""
    with pytest.raises(Unstorable):
        text(column, literal)
