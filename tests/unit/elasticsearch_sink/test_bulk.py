from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import Batch, FatalError, RejectedRecords
from streamhouse_connect.testing import make_batch
from streamhouse_elasticsearch_sink._bulk import Documents, Recipe, documents
from streamhouse_elasticsearch_sink._fields import JsonField
from streamhouse_elasticsearch_sink._ids import IdTemplate
from streamhouse_elasticsearch_sink._indexes import IndexTemplate
from streamhouse_elasticsearch_sink._values import ValueLines
from streamhouse_elasticsearch_sink._versions import Claim, FieldVersion, OffsetVersion, TimestampVersion
from unit.elasticsearch_sink.stub import Operation, read_bulk

ID = IdTemplate("id")
KEY = IdTemplate("{key}")
TOPIC = IndexTemplate("{topic}")
SMUGGLED = b'{"delete":{"_index":"orders","_id":"1"}}'


def made(batch: Batch, *, field: IdTemplate | None = None, **options: Any) -> Documents:
    return documents(batch, Recipe(**{"index": TOPIC, "id": field, **options}))


def operations(batch: Batch, *, field: IdTemplate | None = None, **options: Any) -> list[Operation]:
    result = made(batch, field=field, **options)
    return read_bulk(result.body(result.first()))


def body(batch: Batch, **options: Any) -> bytes:
    """Return all lines, in the order of the records."""
    return made(batch, **options).body(range(len(batch)))


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
        [operation] = operations(make_batch([b"{}"], topic=topic), index=IndexTemplate("fixed"))
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
def test_values_that_are_no_json_objects_are_rejected(value: bytes | None, field: IdTemplate | None):
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
    assert list(result.first()) == [1, 3, 4]
    assert result.next([1, 3, 4], again=(), rejected=[4]) == [2]
    assert result.next([2], again=(), rejected=[2]) == [0]
    assert result.next([0], again=(), rejected=[0]) == []
    assert result.next([1, 3, 4], again=[4], rejected=()) == []


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


def test_documents_that_are_only_created():
    """The same lines with another action."""
    assert body(make_batch([b'{"a":1}', b"{}"]), method="create") == (
        b'{"create":{"_index":"orders","_id":"orders+0+0"}}\n{"a":1}\n'
        b'{"create":{"_index":"orders","_id":"orders+0+1"}}\n{}\n'
    )


def test_partial_updates():
    """The value is what is put into the document, or the document if there is none; another writer in between is met again."""
    batch = make_batch([b'{\n"a": 1}'], keys=[b"k"])
    assert body(batch, method="update", field=KEY, values=ValueLines(partial=True)) == (
        b'{"update":{"_index":"orders","_id":"k","retry_on_conflict":3}}\n{"doc":{"a":1},"doc_as_upsert":true}\n'
    )


def test_tombstones_delete():
    """A deletion is a line by itself."""
    batch = make_batch([b"{}", None, b"{}"], keys=[b"a", b"b", b"c"])
    lines = (
        b'{"index":{"_index":"orders","_id":"a"}}\n{}\n'
        b'{"delete":{"_index":"orders","_id":"b"}}\n'
        b'{"index":{"_index":"orders","_id":"c"}}\n{}\n'
    )
    assert body(batch, field=KEY, values=ValueLines(tombstones=True)) == lines


def test_an_empty_value_is_no_tombstone():
    """Nothing is deleted for its sake."""
    with pytest.raises(RejectedRecords):
        body(make_batch([b""], keys=[b"k"]), field=KEY, values=ValueLines(tombstones=True))


def test_versions_by_offset():
    """The epoch, and what was added to it for the topic, above the offset; deletions have versions too."""
    version = OffsetVersion(2, {"orders": Claim("id", 1), "users": Claim("id", 6, 1)})
    both = Batch.concat(
        [
            make_batch([b"{}"], keys=[b"k"], first_offset=7),
            make_batch([None], keys=[b"k"], topic="users", first_offset=9),
        ]
    )
    assert body(both, field=KEY, version=version, values=ValueLines(tombstones=True)) == (
        b'{"index":{"_index":"orders","_id":"k","version":562949953421319,"version_type":"external_gte"}}\n{}\n'
        b'{"delete":{"_index":"users","_id":"k","version":844424930131977,"version_type":"external_gte"}}\n'
    )
    assert 562949953421319 == 2 << 48 | 7
    assert 844424930131977 == 3 << 48 | 9


@pytest.mark.parametrize("version", [TimestampVersion(), FieldVersion(JsonField("v"))])
def test_of_records_with_one_id_the_highest_version_counts(version: TimestampVersion | FieldVersion):
    """Whatever their order is; of equal versions the last one, and the next lower one if that is rejected."""
    values = [b'{"v":5}', b'{"v":9}', b'{"v":"9"}', b'{"v":7}']
    result = made(make_batch(values, keys=[b"k"] * 4, timestamps=[5, 9, 9, 7]), field=KEY, version=version)
    assert list(result.first()) == [2]
    assert b'"version":9,' in result.entries[2]
    assert result.next([2], again=(), rejected=[2]) == [1]
    assert result.next([1], again=(), rejected=[1]) == [3]
    assert result.next([3], again=(), rejected=[3]) == [0]


def test_of_records_with_one_id_the_first_is_created():
    """The others would find that it exists, unless it is rejected."""
    result = made(make_batch([b"{}"] * 3, keys=[b"k"] * 3), field=KEY, method="create")
    assert list(result.first()) == [0]
    assert result.next([0], again=(), rejected=()) == []
    assert result.next([0], again=(), rejected=[0]) == [1]


def test_updates_of_one_id_follow_each_other():
    """Each is sent when the one before was written or rejected, and waits while that is to be sent again."""
    result = made(make_batch([b"{}"] * 4, keys=[b"k", b"x", b"k", b"k"]), field=KEY, method="update")
    assert list(result.first()) == [0, 1]
    assert result.next([0, 1], again=[0], rejected=()) == []
    assert result.next([0, 1], again=(), rejected=()) == [2]
    assert result.next([2], again=(), rejected=[2]) == [3]
    assert result.next([3], again=(), rejected=()) == []


def test_routes():
    """From a field or the key, also of deletions; an id with two routes is two documents."""
    batch = make_batch([b'{"id":1,"r":"x\\"y"}', b'{"id":1,"r":2}', b'{"id":1,"r":2}'])
    routing = IdTemplate("r", option="routing")
    assert body(batch, field=ID, routing=routing).splitlines()[::2] == [
        b'{"index":{"_index":"orders","_id":"1","routing":"x\\"y"}}',
        b'{"index":{"_index":"orders","_id":"1","routing":"2"}}',
        b'{"index":{"_index":"orders","_id":"1","routing":"2"}}',
    ]
    assert list(made(batch, field=ID, routing=routing).first()) == [0, 2]
    by_key = make_batch([None], keys=[b"k"])
    assert body(by_key, field=KEY, routing=KEY, values=ValueLines(tombstones=True)) == (
        b'{"delete":{"_index":"orders","_id":"k","routing":"k"}}\n'
    )


def test_indexes_by_record():
    """Each document goes where its record says, under the id of its offset."""
    batch = make_batch([b'{"t":"A"}', b"{}"], partition=2, first_offset=9, timestamps=[0, 86_400_000])
    assert body(batch, index=IndexTemplate("l-{field:t|none}-{timestamp:%d}")) == (
        b'{"index":{"_index":"l-a-01","_id":"orders+2+9"}}\n{"t":"A"}\n'
        b'{"index":{"_index":"l-none-02","_id":"orders+2+10"}}\n{}\n'
    )


def test_every_reason_against_a_record_is_named_at_once():
    """Values, ids, routes, indexes and versions."""
    values = [b"[]", b'{"v":1,"t":"*"}', b'{"v":-1,"t":"x"}', b'{"v":1,"t":"x"}', b'{"v":1,"t":"x","r":1}', b'{"v":1}']
    keys = [b"a", b"b", b"c", b"d", None, b"f"]
    version = FieldVersion(JsonField("v", option="version.source field"))
    options: dict[str, Any] = {"field": KEY, "index": IndexTemplate("i-{field:t|y}"), "version": version}

    with pytest.raises(RejectedRecords) as raised:
        made(make_batch(values, keys=keys), **options)

    assert list(raised.value.reasons) == [0, 1, 2, 4]
    assert "version.source field v is no integer" in raised.value.reasons[2]


def test_a_topic_that_leads_to_no_index_is_nobodys_poison():
    """Somebody has to change index.name: no record is rejected."""
    with pytest.raises(FatalError, match=r"index.name '\{topic\}' makes '\.x' of topic '\.x'"):
        made(make_batch([b"{}"], topic=".x"))
