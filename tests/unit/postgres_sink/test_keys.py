from __future__ import annotations

import pytest

from streamhouse_connect.testing import make_batch
from streamhouse_postgres_sink._keys import from_keys, from_positions


def texts(*keys: bytes | None, names: tuple[str, ...] = ("id",)) -> list[dict[str, bytes]]:
    found = from_keys(keys, names)
    assert not found.rejected
    return [{name: bytes(cell) for name, cell in record.items()} for record in found.records]


def reason(key: bytes | None, *names: str) -> str:
    found = from_keys([key], names or ("id",))
    assert list(found.rejected) == [0]
    return found.rejected[0]


def test_the_fields_of_an_object_are_taken_as_they_are_spelt():
    """Those that are asked for."""
    assert texts(b'{"b": 1.50, "x": 2, "a": "y"}', names=("a", "b")) == [{"a": b'"y"', "b": b"1.50"}]
    assert texts(b'{"id":1}', b' {"x":[],"id":[2]}') == [{"id": b"1"}, {"id": b"[2]"}]
    assert texts(b'{"id":1}', b"2") == [{"id": b"1"}, {"id": b"2"}]


@pytest.mark.parametrize(
    ("key", "cell"),
    [
        (b"7", b"7"),
        (b"-1.50", b"-1.50"),
        (b"true", b"true"),
        (b'"quoted"', b'"quoted"'),
        (b"[1,2]", b"[1,2]"),
        (b"seven", b'"seven"'),
        (b"007", b'"007"'),
        (b" 7", b'" 7"'),
        (b"{6f9619ff}", b'"{6f9619ff}"'),
        (b'say "x"\t', b'"say \\"x\\"\\t"'),
        ("Zürich".encode(), '"Zürich"'.encode()),
    ],
)
def test_a_key_that_is_no_object_is_the_one_field(key: bytes, cell: bytes):
    """JSON as it is spelt, and anything else as text."""
    assert texts(key) == [{"id": cell}]


@pytest.mark.parametrize(
    ("key", "names", "expected"),
    [
        (None, ("id",), "has no key"),
        (b"", ("id",), "has an empty key"),
        (b" null", ("id",), "has an empty key"),
        (b"\xff", ("id",), "has a key that is not UTF-8: byte 0"),
        (b'{"x":"secret"}', ("id",), "has a key without the field id (pk.fields)"),
        (b'{"a":"secret"}', ("a", "b"), "has a key without the field b (pk.fields)"),
        (b"secret", ("a", "b"), "has a key that is not a JSON object with the fields a, b"),
        (b'{"a":1,"b":"\xff"}', ("a", "b"), "has a key that is not UTF-8: byte 12"),
        (b'{"a":' + b"[" * 100_000, ("a", "b"), "has a key that is not a JSON object"),
    ],
)
def test_keys_without_the_fields_are_rejected(key: bytes | None, names: tuple[str, ...], expected: str):
    """With the reason, and without the key."""
    assert expected in reason(key, *names)
    assert "secret" not in reason(key, *names)


def test_every_bad_key_is_named_at_once():
    """By its index."""
    assert list(from_keys([None, b"1", b""], ["id"]).rejected) == [0, 2]


def test_escapes_in_keys_are_remembered():
    """For COPY has escapes of its own."""
    assert from_keys([b"a", b"a\\b", b'{"id":"\\n"}', b'{"id":1}'], ["id"]).escapes == {1, 2}
    assert from_keys([b'{"id":1}', b'{"id":"\\n"}'], ["id"]).escapes == {1}


def test_a_position_is_topic_partition_and_offset():
    """In the columns of these names."""
    batch = make_batch([b"{}", b"{}"], topic="orders.new", partition=3, offsets=[5, 9])
    found = from_positions(batch, ("t", "p", "o"))
    assert [{name: bytes(cell) for name, cell in record.items()} for record in found.records] == [
        {"t": b'"orders.new"', "p": b"3", "o": b"5"},
        {"t": b'"orders.new"', "p": b"3", "o": b"9"},
    ]
    assert not found.escapes


def test_a_topic_whose_name_has_to_be_escaped_can_be():
    """No broker of ours has one, but who knows."""
    assert from_positions(make_batch([b"{}"], topic='a"b'), ("t", "p", "o")).escapes == {0}
