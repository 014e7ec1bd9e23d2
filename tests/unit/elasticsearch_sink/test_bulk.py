from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import Batch, RejectedRecords
from streamhouse_connect.testing import make_batch
from streamhouse_elasticsearch_sink._bulk import Documents, documents
from streamhouse_elasticsearch_sink._ids import JsonField
from unit.elasticsearch_sink.stub import Operation, read_bulk

ID = JsonField("id")
SMUGGLED = b'{"delete":{"_index":"orders","_id":"1"}}'


def made(batch: Batch, *, field: JsonField | None = None, epoch: int = 0) -> Documents:
    return documents(batch, index=str.lower, field=field, epoch=epoch)


def operations(batch: Batch, *, field: JsonField | None = None) -> list[Operation]:
    result = made(batch, field=field)
    return read_bulk(result.body(result.newest()))


def test_the_lines_of_a_batch():
    """An action line with index and id, then the value as it came, each ended by a line break."""
    batch = make_batch([b'{"a":1}', b' {"b": 2} '], topic="Orders", partition=1, first_offset=41)
    assert made(batch).body([0, 1]) == (
        b'{"index":{"_index":"orders","_id":"Orders+1+41"}}\n{"a":1}\n'
        b'{"index":{"_index":"orders","_id":"Orders+1+42"}}\n {"b": 2} \n'
    )


def test_offsets_with_gaps():
    """Ids follow the records' offsets, not their positions."""
    found = operations(make_batch([b"{}", b"{}"], offsets=[5, 900]))
    assert [operation.id for operation in found] == ["orders+0+5", "orders+0+900"]


def test_a_topic_that_looks_like_a_format_or_like_json():
    """Nothing in a topic's name is taken for anything but its letters."""
    for topic in ("a%d", "%", 'a"b', "a\\b", "a{b}", "%%b%s"):
        [operation] = operations(make_batch([b"{}"], topic=topic))
        assert operation.id == f"{topic}+0+0"


def test_values_over_several_lines_are_compacted():
    """Line breaks between tokens go; what is inside strings and numbers stays."""
    [operation] = operations(make_batch([b'{\n  "a": 1.50,\r\n  "b": "x\\ny z"\n}\n']))
    assert operation.source == b'{"a":1.50,"b":"x\\ny z"}'


@pytest.mark.parametrize(
    "value",
    [
        b'{"a":1}\n' + SMUGGLED,
        b"{}\n{}",
        b"{} {}",
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b"",
        b"\n",
        b"{",
        b'{"a":"\n"}',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        b'{"a":1}\x00',
        b"\xff\xfe{\x00}\x00",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        None,
    ],
)
@pytest.mark.parametrize("field", [None, ID])
def test_values_that_are_no_json_objects_are_rejected(value: bytes | None, field: JsonField | None):
    """Also between good ones, and whatever they would say to Elasticsearch."""
    with pytest.raises(RejectedRecords) as raised:
        made(make_batch([b'{"id":1}', value, b'{"id":2}']), field=field)

    assert list(raised.value.reasons) == [1]
    assert not raised.value.others_durable


def test_parts_of_one_object_in_several_values_are_rejected():
    """Values that are only whole together are each wrong, also where others make up for the count."""
    for values in ([b'{"a":1', b'"b":2}', b"{},{}"], [b'{"a":', b"1}", b"{}{}"], [b'{"a":1', b"}", b"{} {}"]):
        with pytest.raises(RejectedRecords) as raised:
            made(make_batch(values))

        assert list(raised.value.reasons) == [0, 1, 2]


def test_all_records_without_an_id_are_named_at_once():
    """Values and ids are checked in one go."""
    with pytest.raises(RejectedRecords) as raised:
        made(make_batch([b'{"id":1}', b"{}", b"[]", b'{"id":null}', b'{"id":2}']), field=ID)

    assert list(raised.value.reasons) == [1, 2, 3]


def test_records_whose_offset_id_is_too_long_are_rejected():
    """Only those of the topic with the long name."""
    batch = Batch.concat([make_batch([b"{}"]), make_batch([b"{}", b"{}"], topic="x" * 510)])

    with pytest.raises(RejectedRecords) as raised:
        made(batch)

    assert list(raised.value.reasons) == [1, 2]


def test_the_last_record_of_an_id_is_the_one_to_write():
    """Across spellings of the id; in the order of the records."""
    batch = make_batch([b'{"id":"A"}', b'{"id":"b"}', b'{"id":"\\u0041"}', b'{"id":"c"}', b'{"id":"A","n":3}'])
    result = made(batch, field=ID)
    assert list(result.newest()) == [1, 3, 4]
    assert result.uncovered([4]) == {2}
    assert result.uncovered([2]) == {0}
    assert result.uncovered([0, 1, 3]) == set()


def test_one_id_in_two_indexes_is_two_documents():
    """Ids are unique within their index only."""
    batch = Batch.concat([make_batch([b'{"id":1}'], topic="a"), make_batch([b'{"id":1}'], topic="b")])
    assert [(o.index, o.id) for o in operations(batch, field=ID)] == [("a", "1"), ("b", "1")]


def test_two_topics_in_one_index_share_ids():
    """Where two topics lead to one index, a later record of one replaces the earlier one of the other."""
    batch = Batch.concat([make_batch([b'{"id":1,"n":1}'], topic="A"), make_batch([b'{"id":1,"n":2}'], topic="a")])
    assert [o.source for o in operations(batch, field=ID)] == [b'{"id":1,"n":2}']


json_objects = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
        max_leaves=5,
    ),
)  # fmt: skip
written = st.builds(
    lambda value, indent, ascii_only: json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(),
    json_objects,
    st.sampled_from([None, 2]),
    st.booleans(),
)
pieces = st.sampled_from(
    [b"{", b"}", b"\n", b"\r", b'"id":', b'"', b",", b"1", SMUGGLED, b"\xff", b"\\", b" ", b"[", b"]"]
)
values = st.one_of(st.binary(), st.lists(pieces).map(b"".join), written, written.map(lambda value: value[:-1]))


@given(st.lists(values, min_size=1, max_size=6), st.booleans())
def test_any_bytes_read_back_equal_or_are_rejected(batch: list[bytes], by_field: bool):
    """Elasticsearch would read one operation for each accepted record: its own id, its own value, nothing else."""
    field = ID if by_field else None
    kept = list(range(len(batch)))

    try:
        found = operations(make_batch(batch), field=field)
    except RejectedRecords as rejected:
        wrong = rejected.reasons
        kept = [index for index in kept if index not in wrong]
        found = operations(make_batch([batch[index] for index in kept], offsets=kept), field=field)

        for index in wrong:
            with pytest.raises(RejectedRecords):
                made(make_batch([batch[index]]), field=field)

    assert {operation.kind for operation in found} <= {"index"}
    assert {operation.index for operation in found} <= {"orders"}
    expected = {f"orders+0+{index}": batch[index] for index in kept}

    if by_field:
        expected = {_id(batch[index]): batch[index] for index in kept}

    assert {o.id: json.loads(o.source or b"") for o in found} == {k: json.loads(v) for k, v in expected.items()}
    assert len(found) == len(expected)


def _id(value: bytes) -> str:
    found = json.loads(value, parse_int=str, parse_float=str)["id"]
    return json.dumps(found) if isinstance(found, bool) else str(found)
