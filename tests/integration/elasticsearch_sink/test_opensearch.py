"""The same sink against OpenSearch: whatever it says in other words means the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integration.elasticsearch_sink.conftest import Index, OpenSink
from streamhouse_connect import RejectedBatch, RejectedRecords
from streamhouse_connect.testing import make_batch


async def test_documents_are_written_once_under_their_ids(opensearch_index: Index, open_sink: OpenSink):
    """Twice delivered, cut differently."""
    sink = await open_sink(opensearch_index)
    values = [b'{"n":%d,"text":"\xc3\xa9 \\n"}' % n for n in range(100)]
    await sink.write(make_batch(values[:70]))
    await sink.write(make_batch(values))
    expected = {f"orders+0+{n}": json.loads(value) for n, value in enumerate(values)}
    assert opensearch_index.documents() == expected


async def test_a_document_of_the_wrong_type_is_rejected_and_the_others_are_written(
    opensearch_index: Index, open_sink: OpenSink
):
    """1 of 1,000, with the reason, which names the field."""
    opensearch_index.create(n="long")
    sink = await open_sink(opensearch_index)
    values = [b'{"n":%d}' % n for n in range(1000)]
    values[500] = b'{"n":"many"}'

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(make_batch(values))

    assert list(raised.value.reasons) == [500]
    assert "mapper_parsing_exception: failed to parse field [n] of type [long]" in raised.value.reasons[500]
    assert len(opensearch_index.documents()) == 999


async def test_a_blocked_index_takes_the_documents_when_the_block_is_lifted(
    opensearch_index: Index, open_sink: OpenSink
):
    """A cluster_block_exception is a matter of time here too."""
    opensearch_index.create()
    opensearch_index.block(write=True)

    async def lift(_: float) -> None:
        opensearch_index.block(write=False)

    sink = await open_sink(opensearch_index, sleep=lift)
    await sink.write(make_batch([b"{}"] * 5))
    assert len(opensearch_index.documents()) == 5


async def test_settings_and_mapping_apply_whenever_the_index_is_made(opensearch_index: Index, open_sink: OpenSink):
    """By an index template without what OpenSearch does not know."""
    name = opensearch_index.name
    sink = await open_sink(opensearch_index, connector=name, index_mapping='{"properties":{"n":{"type":"keyword"}}}')

    for offset in range(2):
        await sink.write(make_batch([b'{"n":1}'], first_offset=offset))
        found: Any = opensearch_index.server.request("GET", f"/{name}")
        assert found[name]["mappings"]["properties"]["n"] == {"type": "keyword"}
        opensearch_index.server.request("DELETE", f"/{name}")


async def test_an_id_that_is_too_long_is_found_by_halving(opensearch_index: Index, open_sink: OpenSink):
    """The whole request is refused in OpenSearch's words, which makes it a batch to look for the culprit in."""
    sink = await open_sink(opensearch_index)
    assert sink._connection
    body = b'{"index":{"_index":"%b","_id":"%b"}}\n{}\n' % (opensearch_index.name.encode(), b"x" * 513)

    with pytest.raises(RejectedBatch, match="id"):
        await sink._connection.bulk(body)
