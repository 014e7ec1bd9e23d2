from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import TopicPartition
from streamhouse_connect.testing import make_batch
from streamhouse_elasticsearch_sink import ElasticsearchConfig
from streamhouse_elasticsearch_sink._fields import JsonField
from streamhouse_elasticsearch_sink._ids import IdTemplate, OffsetId, offset_stem
from streamhouse_elasticsearch_sink._templates import Rows


def literal(template: IdTemplate, value: bytes | None, key: bytes | None = None) -> bytes:
    batch = make_batch([value], keys=[key], partition=3, first_offset=7)
    return template.literal(Rows(batch, [value]), batch.spans[0].tp, 0)


@pytest.mark.parametrize(
    ("value", "document_id"),
    [
        (b'{"id":"a"}', "a"),
        (b'{"x":[{"id":0}],"id" : "a" }', "a"),
        (b'{"id":7}', "7"),
        (b'{"id":9223372036854775807}', "9223372036854775807"),
        (b'{"id":-9223372036854775808}', "-9223372036854775808"),
        (b'{"id":18446744073709551615}', "18446744073709551615"),
        (b'{"id":123456789012345678901234567890}', "123456789012345678901234567890"),
        (b'{"id":1.5}', "1.5"),
        (b'{"id":1e3}', "1e3"),
        (b'{"id":true}', "true"),
        (b'{"id":false}', "false"),
        ('{"id":"é\U0001f600"}'.encode(), "é\U0001f600"),
        (b'{"id":"\\u00e9\\n\\"\\\\\\/"}', 'é\n"\\/'),
        (b'{"id":" "}', " "),
        (b'{"id":-0}', "-0"),
        (b'{"id":1.0}', "1.0"),
        (b'{"\\u0069d":1}', "1"),
        (b'{"id":1,"id":2}', "2"),
        (f'{{"id":"{"é" * 256}"}}'.encode(), "é" * 256),
        (b'{"id":"%b"}' % (b"\\ud83d\\ude00" * 128), "\U0001f600" * 128),
        (b'{"id":"%b"}' % (b"x" * 512), "x" * 512),
        (b'{"id":"%b"}' % (b"\\u0041" * 512), "A" * 512),
        (b'{"id":"%b"}' % (b"\\n" * 512), "\n" * 512),
    ],
)
def test_scalars_are_ids(value: bytes, document_id: str):
    """Text as it is, numbers and booleans as JSON writes them, exact in every digit."""
    assert json.loads(literal(IdTemplate("id"), value)) == document_id


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{}", "missing or null"),
        (b'{"ID":1}', "missing or null"),
        (b'{"id":null}', "missing or null"),
        (b'{"id":""}', "empty"),
        (b'{"id":{}}', "an object"),
        (b'{"id":{"id":1}}', "an object"),
        (b'{"id":[1]}', "an array"),
        (b'{"id":"%b"}' % (b"x" * 513), "longer than 512 bytes"),
        (f'{{"id":"{"é" * 257}"}}'.encode(), "longer than 512 bytes"),
        (b'{"id":%b}' % (b"1" * 513), "longer than 512 bytes"),
        (b'{"id":"\\ud800"}', "can't be read"),
        (b'{"id":%b' % (b"[" * 5000), "can't be read"),
        (b'{"id":1', "can't be read"),
        (b"[1]", "can't be read"),
        (b"", "can't be read"),
    ],
)
def test_everything_else_is_no_id(value: bytes, reason: str):
    """Never the word None, never an automatic id."""
    with pytest.raises(ValueError, match=f"document.id id .*{reason}"):
        literal(IdTemplate("id"), value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{}", "missing or null"),
        (b'{"a":null}', "missing or null"),
        (b'{"a":{}}', "missing or null"),
        (b'{"a":{"b":null}}', "missing or null"),
        (b'{"a":{"b":{}}}', "an object"),
        (b'{"a":1}', "can't be read"),
        (b'{"a.b":1}', "missing or null"),
    ],
)
def test_a_nested_field_that_is_not_there(value: bytes, reason: str):
    """A dot is a step into an object, not a part of a name."""
    with pytest.raises(ValueError, match=f"document.id a.b .*{reason}"):
        JsonField("a.b").literal(value)


def test_a_nested_field():
    """Steps lead into objects."""
    assert JsonField("a.b.c").literal(b'{"a":{"x":1,"b":{"c":"deep"}}}') == b'"deep"'


@pytest.mark.parametrize("template", ["id", "o.id", "{key}", "{key}-{field:id|none}", None])
@given(
    st.lists(
        st.tuples(
            st.none() | st.text(max_size=3).map(str.encode) | st.binary(max_size=2),
            st.text(max_size=3) | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False) | st.just({}),
            st.booleans(),
        ),
        max_size=5,
    )
)
def test_ids_of_many_records_are_those_of_each(
    template: str | None, records: list[tuple[bytes | None, object, bool]]
) -> None:
    """Where they are made at once; what is left out is asked for by itself."""
    values = [json.dumps({"id": found, "o": {"id": found}}, ensure_ascii=a).encode() for _, found, a in records]
    batch = make_batch(values, keys=[key for key, _, _ in records], partition=3, first_offset=7)
    rows = Rows(batch, values)
    source = OffsetId(2) if template is None else IdTemplate(template)

    for span in batch.spans:
        made = source.literals(rows, span)
        assert len(made) == len(records)

        for at, literal in enumerate(made):
            assert literal in (None, _literal_or_none(source, rows, span.tp, at))


def _literal_or_none(source: IdTemplate | OffsetId, rows: Rows, tp: TopicPartition, at: int) -> bytes | None:
    try:
        return source.literal(rows, tp, at)
    except ValueError:
        return None


@pytest.mark.parametrize("template", ["id", "n", "o.id", "{key}", None])
def test_usual_ids_are_made_at_once(template: str | None):
    """None of them is asked for by itself, which would be slow."""
    values = [b'{"id":"a%d","n":%d,"o":{"id":"%d"}}' % (n, n, n) for n in range(3)]
    batch = make_batch(values, keys=[b"k1", b"k2", b"k3"])
    source = OffsetId(0) if template is None else IdTemplate(template)
    assert None not in source.literals(Rows(batch, values), batch.spans[0])


@given(st.text())
def test_equal_ids_are_equal_however_they_are_escaped(text: str):
    """Two spellings of one text give one id, so that the last of two records can be found."""
    plain = json.dumps({"id": text}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    escaped = b'{"id":"%b"}' % b"".join(b"\\u%04x" % unit for unit in _utf16(text))
    field = JsonField("id")

    try:
        literal = field.literal(plain)
    except ValueError:
        with pytest.raises(ValueError, match=r"document\.id"):
            field.literal(escaped)
    else:
        assert field.literal(escaped) == literal
        assert json.loads(literal) == text
        assert b"\n" not in literal


def _utf16(text: str) -> list[int]:
    data = text.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def test_offset_ids_have_the_epoch_in_front_once_there_is_one():
    """Before any reset an id is topic+partition+offset."""
    assert offset_stem("orders", 3, epoch=0, last=9) == b'"orders+3+'
    assert offset_stem("orders", 3, epoch=2, last=9) == b'"2+orders+3+'


def test_a_topic_cannot_leave_the_id():
    """Topics are written as JSON strings."""
    assert offset_stem('a"\n', 0, epoch=0, last=0) == b'"a\\"\\n+0+'


def test_an_offset_id_that_is_too_long_is_refused():
    """Elasticsearch would refuse the whole request; the message names the remedy."""
    assert offset_stem("é" * 254, 0, epoch=0, last=9)

    with pytest.raises(ValueError, match=r"longer than 512 bytes; set document\.id"):
        offset_stem("é" * 254, 0, epoch=0, last=10)


@pytest.mark.parametrize(
    ("template", "document_id"),
    [
        ("{key}", 'k"é'),
        ("{topic}-{partition}-{offset}", "orders-3-7"),
        ("{field:a.b}/{key}", '18446744073709551615/k"é'),
        ("x{field:none|}{field:missing|-}y", "x-y"),
        ("{field:empty|nothing}", "nothing"),
        ("{field:yes}{field:half}", "true1.50"),
    ],
)
def test_ids_of_several_parts(template: str, document_id: str):
    """Keys as text, fields as they are written, and where the record stands; defaults where a field is missing, null or empty."""
    value = b'{"a":{"b":18446744073709551615},"none":null,"empty":"","yes":true,"half":1.50}'
    assert json.loads(literal(IdTemplate(template), value, 'k"é'.encode())) == document_id


@pytest.mark.parametrize(
    ("template", "key", "reason"),
    [
        ("{key}", None, r"{key} is missing"),
        ("{key}", b"", r"{key} is empty"),
        ("{key}", b"\xff", r"{key} is not UTF-8"),
        ("{key}", b"x" * 513, "longer than 512 bytes"),
        ("a{field:b}", b"k", "b is missing, null or empty"),
        ("a{field:o}", b"k", "o is an object"),
        ("{field:b|}", b"k", "is empty"),
    ],
)
def test_a_part_that_is_missing_is_no_id(template: str, key: bytes | None, reason: str):
    """Never the word None, and never half an id."""
    with pytest.raises(ValueError, match=f"document.id .*{reason}"):
        literal(IdTemplate(template), b'{"o":{}}', key)


@pytest.mark.parametrize(
    "template", ["{", "a}", "{id}", "{field:}", "{field}", "{key:x}", "{field:a..b}", "{timestamp:%Y}"]
)
def test_templates_that_are_none(template: str):
    """The message says what may be there."""
    with pytest.raises(ValueError, match=r"placeholder|field or outer"):
        IdTemplate(template)


def test_what_is_too_long_may_be_hashed():
    """The SHA-256 of the id, so that equal ids stay equal; shorter ones stay readable."""
    template = IdTemplate("{key}", hashed=True)
    assert literal(template, b"{}", b"x" * 512) == b'"%b"' % (b"x" * 512)
    hashed = literal(template, b"{}", b"x" * 513)
    assert hashed == b'"%b"' % sha256(b"x" * 513).hexdigest().encode()
    assert hashed != literal(template, b"{}", b"x" * 514)


def test_routes_may_be_longer_than_ids():
    """As long as a term of the index."""
    routing = ElasticsearchConfig(index_name="x", routing="id").routing_template
    assert routing
    assert literal(routing, b'{"id":"%b"}' % (b"x" * 32_766)) == b'"%b"' % (b"x" * 32_766)

    with pytest.raises(ValueError, match="routing id is longer than 32766 bytes"):
        literal(routing, b'{"id":"%b"}' % (b"x" * 32_767))


def test_offset_ids_one_by_one():
    """They are those of a whole batch."""
    batch = make_batch([b"{}"], partition=3, first_offset=41)
    assert OffsetId(0).literal(Rows(batch, [b"{}"]), batch.spans[0].tp, 0) == b'"orders+3+41"'
    assert OffsetId(2).literal(Rows(batch, [b"{}"]), batch.spans[0].tp, 0) == b'"2+orders+3+41"'


def test_only_a_key_alone_is_the_key():
    """Offsets can be compared for nothing else."""
    assert IdTemplate("{key}").is_key
    assert not any(IdTemplate(text).is_key for text in ("key", "{key}x", "{key}{key}", "{field:key}"))


def test_what_a_tombstone_has():
    """A key and an offset of its own, and no field."""
    assert [IdTemplate(text).needs_offsets for text in ("offset", "{key}", "{key}-{offset}")] == [False, False, True]
    assert [IdTemplate(text).needs_values for text in ("id", "{key}{field:a}", "{key}-{offset}")] == [True, True, False]

    for text in ("id", "{field:id}"):
        with pytest.raises(ValueError, match="tombstone"):
            literal(IdTemplate(text), None, b"k")
