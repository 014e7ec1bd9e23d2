from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamhouse_connect import FatalError
from streamhouse_postgres_sink._cells import Rules
from streamhouse_postgres_sink._rows import Decoded, Lines, decode
from streamhouse_postgres_sink._types import Column, Kind
from unit.postgres_sink.copytext import read_lines

PLAIN = Rules()
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


def columns(*names: str, kind: Kind = Kind.TEXT) -> list[Column]:
    return [Column(name, kind.name.lower(), kind) for name in names]


def lines_of(
    decoded: Decoded, *columns: Column, rules: Rules = PLAIN, fill: bool = False
) -> list[tuple[str | None, ...]]:
    assert not decoded.rejected
    data, rejected = Lines(columns, rules, fill=fill).encode(decoded.records, escapes=sorted(decoded.escapes))
    assert not rejected
    return read_lines(data)


def as_text(value: object) -> str | None:
    """What a text column holds of a JSON value, as json.dumps spells it."""
    return value if isinstance(value, str) or value is None else json.dumps(value)


@given(
    st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from([None, 1, "\t"]),
)
@example([("null", "", '"')], True, None)
@example([('"null"', "\\N", "\\.")], True, None)
@example([("", "", "")], False, None)
@example([("\x01", "a\x01", "\x01b"), ("x", "y", "z")], True, None)
def test_every_text_arrives_as_it_was(rows: list[tuple[Any, Any, Any]], ascii_only: bool, indent: int | str | None):
    """Quotes, tabs, newlines, backslashes, empty texts, the text null: whatever the JSON, and however it is spelt."""
    values = [json.dumps(dict(zip("abc", row, strict=True)), ensure_ascii=ascii_only, indent=indent) for row in rows]
    found = lines_of(decode([value.encode() for value in values]), *columns("a", "b", "c"))
    same = [tuple(map(_normal, row, cells)) for row, cells in zip(rows, found, strict=True)]
    assert same == [tuple(map(as_text, row)) for row in rows]


def _normal(value: object, cell: str | None) -> str | None:
    """Spell nested JSON as json.dumps does, once it is certain that it is the same."""
    return json.dumps(json.loads(cell)) if isinstance(value, dict | list) and cell is not None else cell


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=6), st.booleans())
@example([("null", "null", [])], False)
@example([("x", '"', "{}"), ("y", {"b": '"null"'}, ["\t"])], True)
def test_documents_stand_behind_texts(rows: list[tuple[Any, Any, Any]], ascii_only: bool):
    """And none takes anything of the other."""
    values = [json.dumps(dict(zip("jab", row, strict=True)), ensure_ascii=ascii_only).encode() for row in rows]
    tails = [b"\t%d" % n for n in range(len(rows))]
    decoded = decode(values)
    lines = Lines([*columns("a", "b"), *columns("j", kind=Kind.JSON)], PLAIN)
    data, rejected = lines.encode(decoded.records, escapes=sorted(decoded.escapes), tails=tails)
    assert not rejected

    for n, ((j, a, b), cells) in enumerate(zip(rows, read_lines(data), strict=True)):
        assert (_normal(a, cells[0]), _normal(b, cells[1])) == (as_text(a), as_text(b))
        assert (None if cells[2] is None else json.loads(cells[2])) == j
        assert cells[3] == str(n)


def test_documents_in_front_of_texts_are_a_mistake():
    """They would lose their quotes."""
    with pytest.raises(ValueError, match="come last"):
        Lines([*columns("j", kind=Kind.JSON), *columns("a")], PLAIN)


@given(st.lists(VALUES, min_size=1, max_size=6), st.booleans())
def test_a_json_column_is_given_json(values: list[object], ascii_only: bool):
    """A string keeps its quotes; only null is not JSON but NULL."""
    batch = [json.dumps({"j": value}, ensure_ascii=ascii_only).encode() for value in values]
    found = [cell for (cell,) in lines_of(decode(batch), *columns("j", kind=Kind.JSON))]
    assert [None if cell is None else json.loads(cell) for cell in found] == values


def test_numbers_are_given_as_they_were_spelt():
    """No digit passes a float."""
    spelt = "123456789012345678901234567890.123456789012345678901234567890"
    assert lines_of(decode([b'{"n":%b,"m":1.10}' % spelt.encode()]), *columns("n", "m")) == [(spelt, "1.10")]


def test_what_is_not_quite_json_is_passed_on():
    """NaN and its like, and halves of surrogate pairs, beside records that are JSON: the column's type decides."""
    batch = decode([b'{"a":NaN,"j":{"x":[-Infinity,"NaN"]}}', b'{"a":1,"j":2}', b'{"a":"Infinity","j":"\\udc00x"}'])
    assert lines_of(batch, *columns("a"), *columns("j", kind=Kind.JSON)) == [
        ("NaN", '{"x":[-Infinity,"NaN"]}'),
        ("1", "2"),
        ("Infinity", '"\\udc00x"'),
    ]
    assert lines_of(decode([b'{"c":[NaN,1]}']), Column("c", "real[]", is_array=True)) == [('{"NaN","1"}',)]


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        (Column("c", "text"), '"a\\u0000b"', "ab"),
        (Column("c", "text"), '"null\\u0000"', "null"),
        (Column("c", "text"), '"\\\\u0000"', "\\u0000"),
        (Column("c", "text"), '{"a":"\\u0000"}', '{"a":"\\u0000"}'),
        (Column("c", "text[]", is_array=True), '["a\\u0000b"]', '{"ab"}'),
        (Column("c", "jsonb", Kind.JSONB), '{"a\\u0000":["\\u0000b"]}', '{"a":["b"]}'),
        (Column("c", "jsonb", Kind.JSONB), '"\\u0000"', '""'),
        (Column("c", "jsonb", Kind.JSONB), '"\\\\\\u0000\\\\u0000"', '"\\\\\\\\u0000"'),
        (Column("c", "jsonb[]", Kind.JSONB, is_array=True), '["\\u0000b"]', '{"\\"b\\""}'),
        (Column("c", "json", Kind.JSON), '"a\\u0000"', '"a\\u0000"'),
    ],
)
def test_null_characters_can_be_stripped(column: Column, value: str, stored: str):
    """From what can't hold them; an escaped backslash in front of u0000 is none."""
    assert lines_of(decode([b'{"c":%b}' % value.encode()]), column, rules=Rules(nulls="strip")) == [(stored,)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("c", "text"), '"secret\\u0000"'),
        (Column("c", "text[]", is_array=True), '["secret\\u0000"]'),
        (Column("c", "jsonb", Kind.JSONB), '{"a":"secret\\u0000"}'),
    ],
)
def test_null_characters_can_make_the_connector_fail(column: Column, value: str):
    """With the option's name and without the value."""
    batch = decode([b"{}", b'{"c":%b}' % value.encode()])

    with pytest.raises(FatalError, match=r'22P05: field "c" .*null\.characters') as caught:
        Lines([column], Rules(nulls="fail"), fill=True).encode(batch.records, escapes=sorted(batch.escapes))

    assert "secret" not in str(caught.value)


def test_null_characters_in_fields_without_a_column_do_not_matter():
    """Whatever the rules."""
    batch = decode([b'{"a":1,"x":"\\u0000","\\u0000":1}'])
    assert lines_of(batch, *columns("a"), rules=Rules(nulls="fail")) == [("1",)]


def test_of_a_field_given_twice_the_last_counts():
    """As JSON readers have it."""
    assert lines_of(decode([b'{"a":1,"a":2}']), *columns("a")) == [("2",)]


def test_missing_fields_are_filled_where_that_is_asked_for():
    """With NULL."""
    assert lines_of(decode([b'{"a":1}', b'{"b":2}']), *columns("a", "b"), fill=True) == [("1", None), (None, "2")]


def test_tails_end_the_lines():
    """In the order of the records."""
    data, _ = Lines(columns("a"), PLAIN).encode(decode([b'{"a":"x"}', b'{"a":""}']).records, tails=[b"\t0", b"\t1"])
    assert read_lines(data) == [("x", "0"), ("", "1")]


def test_all_that_are_no_json_objects_are_rejected_at_once():
    """Each with its reason, none with its value."""
    bad = {
        b"[1]": "is not a JSON object, but a list",
        b'"secret"': "is not a JSON object, but text",
        b" null": "is not a JSON object, but null",
        b"true": "is not a JSON object, but a boolean",
        b"-1": "is not a JSON object, but a number",
        b"": "is not JSON",
        b'{"a":1}\n{"b":2}': "is not JSON",
        b'{"a":"\xff"}': "is not UTF-8: byte 6",
        b'{"a":"\xed\xa0\x80"}': "is not UTF-8",
        b'{"\\ud800":1}': "is not JSON",
        b'{"a":nan}': "is not JSON",
        b'{"a":+Infinity}': "is not JSON",
        b'{"a":1NaN}': "is not JSON",
        b'{"a":NaN,}': "is not JSON",
        b"{NaN:1}": "is not JSON",
        b'{"a":"' + b'\\"' * 100_000: "is not JSON",
        b'{"a":"\t"}': "is not JSON",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}": "is nested too deeply",
        None: "has no value",
    }
    values = [b"{}", *bad, b'{"fine":true}']
    rejected = decode(values).rejected
    assert list(rejected) == list(range(1, len(bad) + 1))
    assert all(reason in rejected[index] for index, reason in enumerate(bad.values(), 1))
    assert "secret" not in str(rejected)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("c", "text"), '"a\\u0000b"'),
        (Column("c", "text[]", is_array=True), '["a\\u0000b"]'),
        (Column("c", "bytea", Kind.BYTES), '"no base64"'),
        (Column("c", "bytea", Kind.BYTES), "17"),
        (Column("c", "timestamptz", Kind.INSTANT), "1e999999999999999999999"),
        (Column("c", "timestamptz", Kind.INSTANT), "1e17"),
        (Column("c", "int[]", is_array=True), "[[[[[[[1]]]]]]]"),
        (Column("c", "int[]", is_array=True), "{}"),
        (Column("c", "text"), '"\\ud800"'),
        (Column("c", "text[]", is_array=True), '["\\ud800"]'),
        (Column("c", "text[]", is_array=True), "[[]]"),
    ],
)
def test_a_cell_that_cannot_be_stored_rejects_its_record(column: Column, value: str):
    """All of them, with the field and without the value; the others have lines."""
    batch = decode([b'{"c":null}', b'{"c":%b}' % value.encode(), b'{"c":%b}' % value.encode()])
    _, rejected = Lines([column], PLAIN).encode(batch.records, escapes=sorted(batch.escapes))
    assert list(rejected) == [1, 2]
    assert re.match(r'[0-9A-Z]{5}: field "c" ', rejected[1])
    assert value.strip('"') not in rejected[1]


def test_folding_keeps_the_last_value_of_each_field():
    """And remembers that one of the records holds escapes."""
    batch = decode([b'{"id":1,"a":"\\n"}', b'{"id":2}', b'{"id":1,"b":2}', b'{"id":1,"b":null}'])
    folded = batch.folded([[0, 2, 3], [1]])
    assert folded.records == [
        {"id": msgspec.Raw(b"1"), "a": msgspec.Raw(b'"\\n"'), "b": msgspec.Raw(b"null")},
        {"id": msgspec.Raw(b"2")},
    ]
    assert folded.escapes == {0}
