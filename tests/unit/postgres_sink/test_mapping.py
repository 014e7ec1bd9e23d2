from __future__ import annotations

from typing import Any

import attrs

from streamhouse_connect import NO_TIMESTAMP, Batch
from streamhouse_connect.testing import make_batch
from streamhouse_postgres_sink._mapping import gathered, mapped, with_metadata, with_nulls
from streamhouse_postgres_sink._rows import Decoded, decode
from streamhouse_postgres_sink._table_config import METADATA, TableConfig


def texts(decoded: Decoded) -> list[dict[str, str]]:
    return [{name: bytes(cell).decode() for name, cell in record.items()} for record in decoded.records]


def mapping(*values: bytes, **options: Any) -> list[dict[str, str]]:
    return texts(mapped(decode(values), TableConfig(table_name="t", **options)))


def test_only_fields_that_are_included_and_not_excluded_are_written():
    """In the order of the record."""
    assert mapping(b'{"a":1,"b":2,"c":3}', b"{}", fields_include=("c", "b", "a"), fields_exclude=("b",)) == [
        {"a": "1", "c": "3"},
        {},
    ]


def test_a_renamed_field_wins_over_one_of_the_columns_name():
    """Two may be swapped."""
    assert mapping(b'{"a":1,"b":2}', b'{"b":3}', fields_rename=("a:b",)) == [{"b": "1"}, {"b": "3"}]
    assert mapping(b'{"a":1,"b":2}', fields_rename=("a:b", "b:a")) == [{"b": "1", "a": "2"}]
    assert mapping(b'{"a":1,"b":2}', fields_rename=("a:b",), fields_exclude=("a",)) == [{"b": "2"}]


def test_what_is_known_of_a_record_goes_to_columns():
    """Of each record its own."""
    batch = Batch.concat(
        [
            make_batch([b"{}", b"{}"], topic="a", timestamps=[1500, NO_TIMESTAMP], first_offset=7),
            make_batch([b"{}"], topic="a\\b", partition=3, timestamps=[10**18]),
        ]
    )
    found = with_metadata(decode(batch.values), batch, {name: name for name in METADATA})
    now = {"ingested_at": "now"}
    first = {"topic": '"a"', "partition": "0"} | now
    assert texts(found) == [
        first | {"offset": "7", "timestamp": '"1970-01-01T00:00:01.500000+00:00"'},
        first | {"offset": "8", "timestamp": "null"},
        {"topic": '"a\\\\b"', "partition": "3", "offset": "0", "timestamp": "null"} | now,
    ]
    assert found.escapes == {2}


def test_a_tombstone_has_nothing_but_its_key():
    """Nothing is known of a row that goes."""
    decoded = attrs.evolve(decode([b'{"id":1}', b'{"id":2}']), tombstones={0: 1})
    batch = make_batch([None, b"{}"])
    assert texts(with_metadata(decoded, batch, {"offset": "o"})) == [{"id": "1"}, {"id": "2", "o": "1"}]
    assert texts(with_nulls(decoded, ["a"])) == [{"id": "1"}, {"a": "null", "id": "2"}]
    assert texts(gathered(decoded, known=[], column="rest")) == [{"id": "1"}, {"rest": '{"id":2}'}]


def test_missing_fields_become_null():
    """And no others."""
    assert texts(with_nulls(decode([b'{"a":1}']), ["a", "b"])) == [{"a": "1", "b": "null"}]


def test_unknown_fields_are_gathered_as_they_are_spelt():
    """One that is called as the column is no exception; a record without any lacks the column."""
    records = decode([b'{"id":1,"a\\"b":[1, 2],"rest":1.50}', b'{"id":2}'])
    assert texts(gathered(records, known=["id", "rest"], column="rest")) == [
        {"id": "1", "rest": '{"a\\"b":[1, 2],"rest":1.50}'},
        {"id": "2"},
    ]
