from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from streamhouse_postgres_sink._types import Column, Kind, converted
from unit.postgres_sink.copytext import read_lines


def text(column: Column, value: object) -> str | None:
    """What PostgreSQL is given for the value."""
    cell = converted(column, msgspec.Raw(json.dumps(value).encode()))
    ((found,),) = read_lines(bytes(cell).replace(b"\x01", b"") + b"\n")
    return found


def array(kind: Kind = Kind.TEXT, delimiter: str = ",") -> Column:
    return Column("c", "x[]", kind, is_array=True, delimiter=delimiter)


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_700_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1_700_000_000.25, datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)),
        (1_700_000_000_123, datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)),
        (1_700_000_000_123_456, datetime(2023, 11, 14, 22, 13, 20, 123_456, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (1e-300, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_epoch_is_read_by_its_magnitude(number: float, moment: datetime):
    """Seconds, milliseconds or microseconds, exactly."""
    assert text(Column("c", "timestamptz", Kind.INSTANT), number) == moment.isoformat()


def test_text_in_a_column_of_time_is_left_to_postgresql():
    """It reads more spellings than we ever could, and its offset."""
    cell = msgspec.Raw(b'"2026-02-10T14:00:00+02:00"')
    assert converted(Column("c", "timestamptz", Kind.INSTANT), cell) is cell


@pytest.mark.parametrize(("value", "stored"), [("aGk=", "\\x6869"), ("", "\\x"), ("\\x6869", "\\x6869")])
def test_bytes_are_base64_or_hex(value: str, stored: str):
    """Hex if it starts with a backslash and an x, which base64 can't."""
    assert text(Column("c", "bytea", Kind.BYTES), value) == stored


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
    cell = msgspec.Raw(b'"{1,2}"')
    assert converted(array(), cell) is cell
