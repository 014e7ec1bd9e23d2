from __future__ import annotations

import json

import msgspec
import pytest

from streamhouse_postgres_sink._cells import Rules, Unstorable
from streamhouse_postgres_sink._types import Column, Kind, converted, is_plain
from unit.postgres_sink.copytext import read_lines

PLAIN = Rules()


def text(column: Column, value: object, rules: Rules = PLAIN) -> str | None:
    """What PostgreSQL is given for the value."""
    cell = converted(column, msgspec.Raw(json.dumps(value).encode()), rules)
    ((found,),) = read_lines(bytes(cell) + b"\n")
    return found


def array(kind: Kind = Kind.TEXT, delimiter: str = ",") -> Column:
    return Column("c", "x[]", kind, is_array=True, delimiter=delimiter)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.INSTANT, "2026-02-10T14:00:00+02:00"),
        (Kind.TIMESTAMP, "2026-02-10T14:00:00Z"),
        (Kind.TIMESTAMP, "infinity"),
        (Kind.TIMETZ, "14:00:00+02:00"),
        (Kind.DATE, "2026-02-10"),
        (Kind.NAME, "x" * 63),
        (Kind.CHAR, "\\101"),
        (Kind.UNSIGNED, 4294967295),
        (Kind.TIME, None),
    ],
)
def test_what_postgresql_reads_rightly_is_left_to_it(kind: Kind, value: object):
    """It reads more spellings than we ever could."""
    cell = msgspec.Raw(json.dumps(value).encode())
    assert converted(Column("c", "x", kind), cell, Rules()) is cell


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        (Kind.INSTANT, 1770724800, "2026-02-10T12:00:00+00:00"),
        (Kind.TIMESTAMP, 1770724800, "2026-02-10T12:00:00+00:00"),
        (Kind.TIMESTAMP, "2026-02-10T14:00:00+02:00", "2026-02-10T12:00:00"),
        (Kind.TIME, "01:00+02", "23:00:00"),
        (Kind.DATE, 20494, "2026-02-10T00:00:00+00:00"),
    ],
)
def test_what_postgresql_would_misread_is_spelt_for_it(kind: Kind, value: object, stored: str):
    """Numbers in columns of time, and offsets where there is no time zone."""
    assert text(Column("c", "x", kind), value) == stored


@pytest.mark.parametrize(
    ("kind", "value", "state"),
    [
        (Kind.NAME, "x" * 64, "22001"),
        (Kind.NAME, "ä" * 32, "22001"),
        (Kind.CHAR, "ab", "22001"),
        (Kind.UNSIGNED, -1, "22003"),
        (Kind.UNSIGNED, " -1", "22003"),
        (Kind.TIMESTAMP, "10 Feb 2026 12:00 Europe/Berlin", "22009"),
        (Kind.TIME, 43200, "22007"),
        (Kind.BYTES, "no base64", "22023"),
    ],
)
def test_what_postgresql_would_change_is_refused(kind: Kind, value: object, state: str):
    """Cut off, wrapped, or at another instant; with the SQLSTATE that fits."""
    with pytest.raises(Unstorable) as caught:
        converted(Column("c", "x", kind), msgspec.Raw(json.dumps(value).encode()), Rules())

    assert caught.value.state == state


@pytest.mark.parametrize(
    ("kind", "cells", "plain"),
    [
        (Kind.INSTANT, ["2026-02-10T14:00:00+02:00", None, "-infinity"], True),
        (Kind.INSTANT, ["2026-02-10", 0], False),
        (
            Kind.TIMESTAMP,
            ["2026-02-10T14:00:00Z", "2026-02-10", "2026-02-10 14:00:00.5 BC", "Feb 10, 2026 2:00 PM"],
            True,
        ),
        (Kind.TIMESTAMP, ["2026-02-10", "2026-02-10T14:00:00+02:00"], False),
        (Kind.TIMESTAMP, ["2026-02-10T14-02"], False),
        (Kind.TIMESTAMP, ["2026-02-10 14:00 PST"], False),
        (Kind.TIMESTAMP, [-1], False),
        (Kind.TIME, ["14:00:00"], True),
        (Kind.TIME, ["14:00+02"], False),
        (Kind.TIMETZ, ["14:00+02"], True),
        (Kind.DATE, ["2026-02-10T14:00:00+02:00"], True),
        (Kind.DATE, [20494], False),
        (Kind.BYTES, ["aGk="], False),
    ],
)
def test_a_column_that_needs_nothing_is_seen_at_a_glance(kind: Kind, cells: list[object], plain: bool):
    """Over all of its cells at once."""
    joined = "".join("\n" + json.dumps(cell) for cell in cells)
    assert is_plain(Column("c", "x", kind), joined.encode()) == plain


@pytest.mark.parametrize(("value", "stored"), [("aGk=", "\\x6869"), ("", "\\x"), ("\\x6869", "\\x6869")])
def test_bytes_are_base64_or_hex(value: str, stored: str):
    """Hex if it starts with a backslash and an x, which base64 can't."""
    assert text(Column("c", "bytea", Kind.BYTES), value) == stored


@pytest.mark.parametrize(("value", "stored"), [("6869", "\\x6869"), ("\\x6869", "\\x6869"), ("aGk=", "\\xaGk=")])
def test_bytes_are_hex_if_that_is_asked_for(value: str, stored: str):
    """PostgreSQL itself refuses what is not."""
    assert text(Column("c", "bytea", Kind.BYTES), value, Rules(encoding="hex")) == stored


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
        (array(delimiter=";"), [1, 2], '{"1";"2"}'),
    ],
)
def test_a_list_becomes_an_array_literal(column: Column, value: object, literal: str):
    """With elements of any kind, in up to six dimensions."""
    assert text(column, value) == literal


def test_text_in_an_array_column_is_taken_for_a_literal():
    """As PostgreSQL does."""
    assert text(array(), "{1,2}") == "{1,2}"
