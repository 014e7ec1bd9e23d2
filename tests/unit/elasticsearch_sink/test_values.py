from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamhouse_connect.testing import make_batch
from streamhouse_elasticsearch_sink import ElasticsearchConfig
from streamhouse_elasticsearch_sink._values import METADATA, ValueLines

NOON = 1_770_724_800_123
"""2026-02-10T12:00:00.123Z."""


def line(value: bytes | None, lines: ValueLines, *, timestamp: int = NOON, topic: str = "orders") -> bytes | str | None:
    """Return the source line of a value, or the reason why it has none."""
    batch = make_batch([value], timestamps=[timestamp], partition=3, first_offset=7, topic=topic)
    sources = lines.of(batch)
    return sources.rejected.get(0, sources.lines[0])


@pytest.mark.parametrize(
    ("value", "source"),
    [
        (b'{"a":1}', b'{"__connect":{"topic":"orders","partition":3,"offset":7,"timestamp":"2026-02-10T12:00:00.123Z"},"a":1}'),
        (b'\t{ "a":1} ', b'{"__connect":{"topic":"orders","partition":3,"offset":7,"timestamp":"2026-02-10T12:00:00.123Z"}, "a":1} '),
        (b"{}", b'{"__connect":{"topic":"orders","partition":3,"offset":7,"timestamp":"2026-02-10T12:00:00.123Z"}}'),
        (b"{ }", b'{"__connect":{"topic":"orders","partition":3,"offset":7,"timestamp":"2026-02-10T12:00:00.123Z"} }'),
        (b"{\n}", b'{"__connect":{"topic":"orders","partition":3,"offset":7,"timestamp":"2026-02-10T12:00:00.123Z"}}'),
    ],
)  # fmt: skip
def test_metadata_goes_to_the_front(value: bytes, source: bytes):
    """The value's own bytes stay as they are."""
    assert line(value, ValueLines(metadata=METADATA)) == source


def test_metadata_that_is_asked_for():
    """No more than that; a time that is not known is null."""
    assert line(b"{}", ValueLines(metadata=("offset",))) == b'{"__connect":{"offset":7}}'
    assert line(b"{}", ValueLines(metadata=("topic",)), topic='a"') == b'{"__connect":{"topic":"a\\""}}'
    assert line(b"{}", ValueLines(metadata=("timestamp",)), timestamp=-1) == b'{"__connect":{"timestamp":null}}'
    assert "no date" in str(line(b"{}", ValueLines(metadata=("timestamp",)), timestamp=1 << 60))


def test_a_data_streams_time():
    """It is the record's, where the value has none of its own."""
    lines = ValueLines(timestamp=True)
    assert line(b'{"a":1}', lines) == b'{"@timestamp":"2026-02-10T12:00:00.123Z","a":1}'
    assert line(b'{"@timestamp":"2020-01-01","a":1}', lines) == b'{"@timestamp":"2020-01-01","a":1}'
    assert line(b'{"a":1}', lines, timestamp=-1) == "data.stream @timestamp is missing, and the record has no timestamp"
    assert line(b'{"@timestamp":5}', lines, timestamp=-1) == b'{"@timestamp":5}'


@pytest.mark.parametrize(
    "value", [b"plain text", b"5", b"null", b'"x"', b"[1]", b"", b'{"a":', b'a\n{"delete":{}}', b"{}\n{}"]
)
def test_what_is_no_object_may_be_wrapped(value: bytes):
    """Its text becomes one field, whatever it looks like."""
    wrapped = line(value, ValueLines(wrap="message"))
    assert isinstance(wrapped, bytes)
    assert b"\n" not in wrapped
    assert json.loads(wrapped) == {"message": value.decode()}


def test_a_wrap_without_a_name_is_none():
    """An empty option is one that is not given."""
    config = ElasticsearchConfig(index_name="x", value_wrap="")
    assert "is not JSON" in str(line(b"text", config.recipe(epoch=0).values))


def test_what_is_no_text_is_rejected_even_so():
    """And an object is never wrapped; nor is what is missing."""
    lines = ValueLines(wrap="message")
    assert "not UTF-8" in str(line(b"\xff", lines))
    assert line(b'{"a":1}', lines) == b'{"a":1}'
    assert "tombstone" in str(line(None, lines))
    assert line(None, ValueLines(wrap="message", tombstones=True)) is None


def test_a_data_streams_time_that_is_null():
    """It stays, as a second one would be: Elasticsearch refuses it in better words than a field that is there twice."""
    assert line(b'{"@timestamp":null}', ValueLines(timestamp=True)) == b'{"@timestamp":null}'


@pytest.mark.parametrize(
    "value",
    [b'{"a":1e999}', b'{"a":[{"b":-1E+309}]}', b'{"a":%b.0}' % (b"9" * 310), b'{"a":1%be9}' % (b"0" * 300)],
)
def test_an_update_keeps_its_numbers(value: bytes):
    """Elasticsearch writes updated documents anew, and would make a text of a number that no double can hold."""
    assert "beyond those of 64 bits" in str(line(value, ValueLines(partial=True)))
    assert line(value, ValueLines()) == value


@pytest.mark.parametrize("value", [b'{"a":1e300,"b":"1e999"}', b'{"a":1%b,"b":1e9}' % (b"0" * 5000), b'{"a":"1e5"}'])
def test_an_update_with_numbers_that_can_be_kept(value: bytes):
    """Text may look as it likes, and integers are kept with all their digits."""
    assert line(value, ValueLines(partial=True)) == b'{"doc":%b,"doc_as_upsert":true}' % value


def test_good_values_among_bad_ones_stay_as_they_are():
    """One that has to be looked at closely changes no other."""
    sources = ValueLines(tombstones=True).of(make_batch([b'{"a":1}', b"x", None, b'{\n"b":2}', b"y"]))
    assert [sources.lines[at] for at in (0, 2, 3)] == [b'{"a":1}', None, b'{"b":2}']
    assert list(sources.rejected) == [1, 4]


def refuse(constant: str) -> None:
    """NaN and Infinity are no JSON, though Python reads them."""
    raise ValueError(constant)


@example(b'{"":NaN}', False, False)
@example(b'{"":"\\ud800"}', False, False)
@example(b"{\x00}\x00", False, False)
@example(b"\xef\xbb\xbf{}", False, False)
@given(st.binary(), st.booleans(), st.booleans())
def test_any_bytes_are_one_line_that_says_the_same(value: bytes, metadata: bool, partial: bool):
    """Wrapped, with metadata or as an update: what is sent reads back as the value and what was added."""
    lines = ValueLines(wrap="message", metadata=METADATA if metadata else (), partial=partial)
    found = line(value, lines)

    if isinstance(found, str):
        return

    assert found is not None
    assert b"\n" not in found
    read = json.loads(found)
    read = read["doc"] if partial else read

    if metadata:
        assert read.pop("__connect")["offset"] == 7

    try:
        expected = json.loads(value.decode(), parse_constant=refuse)
        json.dumps(expected, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except ValueError:
        expected = None

    assert read == (expected if isinstance(expected, dict) else {"message": value.decode()})
