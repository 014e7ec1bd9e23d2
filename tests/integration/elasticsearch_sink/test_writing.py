"""What the options of writing lead to on a real server."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import pytest

from integration.elasticsearch_sink.conftest import Index, OpenSink
from streamhouse_connect import Batch, FatalError, RejectedRecords, TopicPartition
from streamhouse_connect.testing import make_batch

ORDERS = [TopicPartition("orders", 0)]
NOON = 1_770_724_800_000
"""2026-02-10T12:00:00Z."""


def keyed(*records: tuple[str, bytes | None], **options: Any) -> Batch:
    return make_batch([value for _, value in records], keys=[key.encode() for key, _ in records], **options)


async def test_a_replay_never_shows_an_older_document(index: Index, open_sink: OpenSink):
    """By the versions of a key's documents: what is older is success, and counted."""
    counts: Counter[str] = Counter()
    sink = await open_sink(index, document_id="{key}", counts=counts)
    await sink.resume(ORDERS)
    await sink.write(keyed(("a", b'{"n":0}'), ("b", b'{"n":1}'), ("a", b'{"n":2}')))
    await sink.write(keyed(("a", b'{"n":3}'), first_offset=3))
    await sink.write(keyed(("a", b'{"n":0}'), ("b", b'{"n":1}')))
    assert index.documents() == {"a": {"n": 3}, "b": {"n": 1}}
    assert counts["document_stale"] == 1


async def test_tombstones_delete_and_a_replay_does_not_bring_back(index: Index, open_sink: OpenSink):
    """Also those of documents that are not there; a deletion has a version for a while."""
    sink = await open_sink(index, document_id="{key}", delete_enabled=True)
    await sink.resume(ORDERS)
    index.create()
    await sink.write(keyed(("a", b"{}"), ("b", b"{}"), ("c", None)))
    await sink.write(keyed(("a", None), first_offset=3))
    await sink.write(keyed(("a", b"{}"), ("b", b"{}"), ("c", None)))
    assert index.documents() == {"b": {}}


async def test_the_highest_version_of_a_field_counts(index: Index, open_sink: OpenSink):
    """Whatever arrives last."""
    sink = await open_sink(index, document_id="id", version_source="field:v")
    await sink.write(make_batch([b'{"id":1,"v":5,"x":1}', b'{"id":1,"v":4,"x":2}']))
    await sink.write(make_batch([b'{"id":1,"v":3,"x":3}', b'{"id":2,"v":9223372036854775807}']))
    await sink.write(make_batch([b'{"id":1,"v":5,"x":4}']))
    assert index.documents() == {"1": {"id": 1, "v": 5, "x": 4}, "2": {"id": 2, "v": (1 << 63) - 1}}


async def test_created_documents_stay_as_they_were(index: Index, open_sink: OpenSink):
    """A second one of the same id is counted."""
    counts: Counter[str] = Counter()
    sink = await open_sink(index, document_id="id", write_method="create", counts=counts)
    await sink.write(make_batch([b'{"id":1,"n":1}', b'{"id":1,"n":2}']))
    await sink.write(make_batch([b'{"id":1,"n":3}', b'{"id":2}']))
    assert index.documents() == {"1": {"id": 1, "n": 1}, "2": {"id": 2}}
    assert counts["document_stale"] == 1


async def test_updates_add_to_documents(index: Index, open_sink: OpenSink):
    """All of them, in their order; a tombstone in between begins anew."""
    sink = await open_sink(index, document_id="{key}", write_method="update", delete_enabled=True)
    await sink.write(keyed(("a", b'{"x":1,"o":{"p":1}}'), ("a", b'{"y":2,"o":{"q":2}}'), ("a", b'{"x":3}')))
    await sink.write(keyed(("b", b'{"x":1}'), ("b", None), ("b", b'{"y":2}')))
    assert index.documents() == {"a": {"x": 3, "y": 2, "o": {"p": 1, "q": 2}}, "b": {"y": 2}}


async def test_ids_of_every_kind(index: Index, open_sink: OpenSink):
    """Templates, and the hash of what is too long."""
    sink = await open_sink(index, document_id="{field:t|none}/{key}", document_id_overflow="hash")
    await sink.write(keyed(("k\u00e9", b'{"t":9223372036854775807}'), ("k", b"{}"), ("x" * 600, b"{}")))
    none, whole, hashed = sorted(index.documents(), key=len)
    assert (none, whole, len(hashed)) == ("none/k", "9223372036854775807/k\u00e9", 64)


async def test_indexes_by_time_and_field(index: Index, open_sink: OpenSink):
    """Made as they are needed; what would lead elsewhere is rejected, and no other index was made."""
    before = indexes(index)
    pattern = attrs.evolve(index, name=index.name + "-{field:t|none}-{timestamp:%Y.%m.%d}")
    sink = await open_sink(pattern)
    hostile = [b'{"t":"*"}', b'{"t":"a,b"}', b'{"t":"<x-{now/d}>"}', b'{"t":"%3C"}', b'{"t":"../x"}', b'{"t":{}}']

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(make_batch([b'{"t":"A"}', *hostile], timestamps=[NOON] * 7))

    assert list(raised.value.reasons) == [1, 2, 3, 4, 5, 6]
    await sink.write(make_batch([b'{"t":"A"}', b"{}", b'{"t":"_all"}'], timestamps=[NOON, NOON + 43_200_000, NOON]))
    made = {f"{index.name}-{rest}" for rest in ("a-2026.02.10", "none-2026.02.11", "_all-2026.02.10")}
    assert indexes(index) - before == made


async def test_routing(index: Index, open_sink: OpenSink):
    """The document is found by its route."""
    index.server.request("PUT", f"/{index.name}", {"mappings": {"_routing": {"required": True}}})
    sink = await open_sink(index, routing="customer")
    await sink.write(make_batch([b'{"customer":7}']))
    found: Any = index.server.request("GET", f"/{index.name}/_doc/orders+0+0?routing=7")
    assert found["_routing"] == "7"


async def test_settings_and_mapping_apply_again_after_the_index_was_deleted(index: Index, open_sink: OpenSink):
    """They are in an index template, so that the server applies them whenever it makes the index."""
    options = {
        "connector": index.name,
        "index_settings": '{"index.refresh_interval":"77s"}',
        "index_mapping": '{"properties":{"n":{"type":"keyword"}}}',
    }
    sink = await open_sink(index, **options)

    for offset in range(2):
        await sink.write(make_batch([b'{"n":1}'], first_offset=offset))
        found: Any = index.server.request("GET", f"/{index.name}")
        assert found[index.name]["mappings"]["properties"]["n"] == {"type": "keyword"}
        assert found[index.name]["settings"]["index"]["refresh_interval"] == "77s"
        index.server.request("DELETE", f"/{index.name}")

    await open_sink(index, **options)  # the template is there


async def test_a_template_that_the_server_refuses_is_fatal(index: Index, open_sink: OpenSink):
    """In its words."""
    with pytest.raises(FatalError, match=r"index template streamhouse-.* can't be made: HTTP 400, .*nonsense"):
        await open_sink(index, connector=index.name, index_mapping='{"properties":{"n":{"type":"nonsense"}}}')


async def test_a_data_stream(index: Index, open_sink: OpenSink):
    """Documents are created once, with the record's time where they have none."""
    counts: Counter[str] = Counter()
    sink = await open_sink(index, connector=index.name, data_stream=True, index_mapping="{}", counts=counts)
    batch = make_batch([b'{"a":1}', b'{"@timestamp":"2020-01-01T00:00:00Z"}'], timestamps=[NOON, NOON])
    await sink.write(batch)
    await sink.write(batch)
    assert index.documents() == {
        "orders+0+0": {"@timestamp": "2026-02-10T12:00:00.000Z", "a": 1},
        "orders+0+1": {"@timestamp": "2020-01-01T00:00:00Z"},
    }
    assert counts["document_stale"] == 2
    assert any(name.startswith(f".ds-{index.name}") for name in indexes(index))


async def test_an_alias_has_to_be_one_if_it_is_required(index: Index, open_sink: OpenSink):
    """Else the index would be made under its name."""
    sink = await open_sink(index, require_alias=True)

    with pytest.raises(FatalError, match="require_alias"):
        await sink.write(make_batch([b"{}"]))

    backing = f"{index.name}-000001"
    index.server.request("PUT", f"/{backing}", {"aliases": {index.name: {"is_write_index": True}}})
    await sink.write(make_batch([b"{}"]))
    assert index.documents() == {"orders+0+0": {}}
    assert indexes(index) == {backing}


async def test_refresh(index: Index, open_sink: OpenSink):
    """Documents can be found as soon as they are written."""
    sink = await open_sink(index, refresh="true")
    await sink.write(make_batch([b"{}"]))
    found: Any = index.server.request("GET", f"/{index.name}/_search")
    assert found["hits"]["total"]["value"] == 1


async def test_a_missing_pipeline_stops_the_connector(index: Index, open_sink: OpenSink):
    """No document is to blame."""
    sink = await open_sink(index, pipeline="nowhere")

    with pytest.raises(FatalError, match="nowhere"):
        await sink.write(make_batch([b"{}"]))


async def test_wrapped_values_and_metadata(index: Index, open_sink: OpenSink):
    """As they are sent, so they read back."""
    fields = ("topic", "partition", "offset", "timestamp")
    sink = await open_sink(index, value_wrap="message", metadata_fields=fields)
    await sink.write(make_batch([b'a "line"\n', b'{\n"x":1\n}'], timestamps=[NOON, -1], partition=2))
    origin = {"topic": "orders", "partition": 2}
    assert index.documents() == {
        "orders+2+0": {
            "message": 'a "line"\n',
            "__connect": {**origin, "offset": 0, "timestamp": "2026-02-10T12:00:00.000Z"},
        },
        "orders+2+1": {"x": 1, "__connect": {**origin, "offset": 1, "timestamp": None}},
    }


def indexes(index: Index) -> set[str]:
    """Return the names of all indexes of this test, hidden ones too."""
    answer: Any = index.server.request("GET", "/_cat/indices?format=json&expand_wildcards=all")
    return {line["index"] for line in answer if index.name in line["index"]}
