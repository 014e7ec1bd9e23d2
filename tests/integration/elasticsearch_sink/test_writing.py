"""What the options of writing lead to on a real server."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from integration.elasticsearch_sink.conftest import NOON, Index, OpenSink, keyed
from streamhouse_connect import FatalError, RejectedRecords
from streamhouse_connect.testing import make_batch


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


async def test_routing(index: Index, open_sink: OpenSink):
    """The document is found by its route."""
    index.server.request("PUT", f"/{index.name}", {"mappings": {"_routing": {"required": True}}})
    sink = await open_sink(index, routing="customer")
    await sink.write(make_batch([b'{"customer":7}']))
    found: Any = index.server.request("GET", f"/{index.name}/_doc/orders+0+0?routing=7")
    assert found["_routing"] == "7"


async def test_refresh(index: Index, open_sink: OpenSink):
    """Documents can be found as soon as they are written."""
    sink = await open_sink(index, refresh="true")
    await sink.write(make_batch([b"{}"]))
    found: Any = index.server.request("GET", f"/{index.name}/_search")
    assert found["hits"]["total"]["value"] == 1


async def test_updates_go_past_pipelines(index: Index, open_sink: OpenSink):
    """Also past one that is missing, without a word; so the options refuse the two together."""
    sink = await open_sink(index, write_method="update", pipeline="nowhere")
    await sink.write(make_batch([b"{}"]))
    assert list(index.documents()) == ["orders+0+0"]
    assert [problem.field for problem in sink.config.problems()] == ["pipeline"]


async def test_a_missing_pipeline_stops_the_connector(index: Index, open_sink: OpenSink):
    """No document is to blame."""
    sink = await open_sink(index, pipeline="nowhere")

    with pytest.raises(FatalError, match="nowhere"):
        await sink.write(make_batch([b"{}"]))


async def test_updates_of_an_index_that_keeps_no_values(index: Index, open_sink: OpenSink):
    """There is nothing to update: no document is to blame."""
    index.server.request("PUT", f"/{index.name}", {"mappings": {"_source": {"enabled": False}}})
    sink = await open_sink(index, document_id="id", write_method="update")
    await sink.write(make_batch([b'{"id":"a"}']))

    with pytest.raises(FatalError, match="document_source_missing_exception"):
        await sink.write(make_batch([b'{"id":"a","n":1}']))


async def test_a_value_that_says_what_would_stop_the_connector_is_rejected(index: Index, open_sink: OpenSink):
    """Elasticsearch quotes values and names of fields in its reasons: they are the document's words, not its own."""
    index.create(n="long")
    words = [
        "no write index is defined for alias",
        "pipeline with id [x] does not exist",
        "only write ops with an op_type of create are allowed in data streams",
        "maximum normal shards open",
        "explicit index in bulk is not allowed",
    ]
    sink = await open_sink(index)

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(make_batch([*(b'{"n":"%b"}' % said.encode() for said in words), b'{"n":1}']))

    assert list(raised.value.reasons) == list(range(len(words)))
    assert index.documents() == {f"orders+0+{len(words)}": {"n": 1}}


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


async def test_a_long_route(index: Index, open_sink: OpenSink):
    """It may be longer than an id; one that is too long for the index is rejected by itself."""
    sink = await open_sink(index, routing="r")

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(make_batch([b'{"r":"%b"}' % (b"x" * length) for length in (513, 32_766, 32_767)]))

    assert list(raised.value.reasons) == [2]
    await sink.write(make_batch([b'{"r":"%b"}' % (b"x" * length) for length in (513, 32_766)]))
    assert len(index.documents()) == 2


async def test_a_route_that_is_missing(index: Index, open_sink: OpenSink):
    """Rejected where a field has to have it; where the index wants routes and none is configured, no document is to blame."""
    index.server.request("PUT", f"/{index.name}", {"mappings": {"_routing": {"required": True}}})
    sink = await open_sink(index, routing="customer")

    with pytest.raises(RejectedRecords, match="routing customer is missing or null"):
        await sink.write(make_batch([b"{}"]))

    sink = await open_sink(index, routing="{field:customer|none}")
    await sink.write(make_batch([b"{}"]))
    assert len(index.documents()) == 1
    sink = await open_sink(index)

    with pytest.raises(FatalError, match="routing_missing_exception"):
        await sink.write(make_batch([b"{}"]))


async def test_a_value_that_has_what_is_added_is_rejected(index: Index, open_sink: OpenSink):
    """By Elasticsearch, which takes no name twice; the others are written."""
    sink = await open_sink(index, metadata_fields=("offset",))

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(make_batch([b'{"__connect":1}', b'{"\\u005f_connect":1}', b'{"a":{"__connect":1}}']))

    assert list(raised.value.reasons) == [0, 1]
    assert index.documents() == {"orders+0+2": {"__connect": {"offset": 2}, "a": {"__connect": 1}}}


async def test_updates_that_look_like_requests_are_data(index: Index, open_sink: OpenSink):
    """Scripts, upserts and partial documents inside of a value are its fields."""
    values = [b'{"script":{"source":"x"}}', b'{"upsert":{"a":1}}', b'{"doc":{"a":1},"doc_as_upsert":false}', b"{}"]
    sink = await open_sink(index, write_method="update")
    await sink.write(make_batch(values))
    assert index.documents() == {f"orders+0+{n}": json.loads(value) for n, value in enumerate(values)}
