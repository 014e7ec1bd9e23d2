from __future__ import annotations

from typing import Any

from streamhouse_connect import SecretUrl
from streamhouse_connect.testing import make_batch
from streamhouse_postgres_sink import PostgresConfig
from streamhouse_postgres_sink._reading import Reading
from streamhouse_postgres_sink._rows import Decoded

Pairs = list[tuple[bytes | None, bytes | None]]


def reading(pairs: Pairs, **options: Any) -> Decoded:
    values = {"url": SecretUrl("postgresql://h/d"), "table_name": "t", "pk_fields": ("id",), **options}
    keys, records = [key for key, _ in pairs], [value for _, value in pairs]
    batch = make_batch(records, keys=keys, timestamps=range(100, 100 + len(pairs)), first_offset=7)
    return Reading(batch, PostgresConfig(**values)).decoded


def fields(decoded: Decoded) -> list[dict[str, str]]:
    assert not decoded.rejected
    return [{name: bytes(cell).decode() for name, cell in record.items()} for record in decoded.records]


def test_the_key_is_in_the_value_unless_said_otherwise():
    """Whatever the record's key is."""
    assert fields(reading([(b"9", b'{"id":1}')])) == [{"id": "1"}]


def test_fields_of_the_key_win_over_those_of_the_value():
    """They are what the row is found by."""
    pairs: Pairs = [(b"1", b'{"id":2,"a":3}'), (b'{"id":4}', b"{}")]
    assert fields(reading(pairs, pk_mode="record_key")) == [{"id": "1", "a": "3"}, {"id": "4"}]


def test_a_position_is_added_to_the_value():
    """Under the names that other sinks use."""
    found = fields(reading([(None, b'{"a":1}')], pk_mode="kafka", pk_fields=()))
    assert found == [{"a": "1", "__connect_topic": '"orders"', "__connect_partition": "0", "__connect_offset": "7"}]


def test_tombstones_have_the_fields_of_their_keys_and_their_time():
    """Where they delete."""
    found = reading([(b"1", b'{"a":1}'), (b"1", None)], pk_mode="record_key", delete_enabled=True)
    assert fields(found) == [{"id": "1", "a": "1"}, {"id": "1"}]
    assert found.tombstones == {1: 101}


def test_bad_keys_and_bad_values_are_rejected_together():
    """In the order of the records."""
    pairs: Pairs = [(b"1", b"[]"), (None, b"{}"), (b"3", b"{}"), (None, b"[]")]
    rejected = reading(pairs, pk_mode="record_key").rejected
    assert list(rejected) == [0, 1, 3]
    assert "JSON object" in rejected[0]
    assert "no key" in rejected[1]


def test_escapes_of_keys_and_values_are_both_remembered():
    """For COPY has escapes of its own."""
    pairs: Pairs = [(b"a\\b", b"{}"), (b"b", b'{"a":"\\n"}'), (b"c", b"{}")]
    assert reading(pairs, pk_mode="record_key").escapes == {0, 1}
