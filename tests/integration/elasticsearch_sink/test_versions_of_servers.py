"""The same sink against Elasticsearch 9 and OpenSearch: what they say in other words means the same.

Elasticsearch 8 is what all other tests here run against.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from integration.elasticsearch_sink.conftest import NOON, ORDERS, Index, OpenSink, keyed
from integration.elasticsearch_sink.hostile import assert_hostile_values_touch_nothing_else
from services import OpenSearch
from streamhouse_connect import RejectedBatch, RejectedRecords
from streamhouse_connect.testing import make_batch

pytestmark = pytest.mark.parametrize("elasticsearch_server", ["elasticsearch 9", "opensearch"], indirect=True)


async def test_documents_are_written_once_under_their_ids(index: Index, open_sink: OpenSink):
    """Twice delivered, cut differently."""
    sink = await open_sink(index)
    values = [b'{"n":%d,"text":"\xc3\xa9 \\n"}' % n for n in range(100)]
    await sink.write(make_batch(values[:70]))
    await sink.write(make_batch(values))
    expected = {f"orders+0+{n}": json.loads(value) for n, value in enumerate(values)}
    assert index.documents() == expected


async def test_a_document_of_the_wrong_type_is_rejected_and_the_others_are_written(index: Index, open_sink: OpenSink):
    """1 of 1,000, with the reason, which names the field."""
    index.create(n="long")
    sink = await open_sink(index)
    values = [b'{"n":%d}' % n for n in range(1000)]
    values[500] = b'{"n":"many"}'

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(make_batch(values))

    kind = "mapper_parsing_exception" if isinstance(index.server, OpenSearch) else "document_parsing_exception"
    assert list(raised.value.reasons) == [500]
    assert f"{kind}: " in raised.value.reasons[500]
    assert "failed to parse field [n] of type [long]" in raised.value.reasons[500]
    assert len(index.documents()) == 999


async def test_hostile_values_are_documents_or_rejected_and_touch_nothing_else(index: Index, open_sink: OpenSink):
    """Whatever a value says."""
    await assert_hostile_values_touch_nothing_else(index, open_sink)


async def test_a_blocked_index_takes_the_documents_when_the_block_is_lifted(index: Index, open_sink: OpenSink):
    """A cluster_block_exception is a matter of time."""
    index.create()
    index.block(on=True)

    async def lift(_: float) -> None:
        index.block(on=False)

    sink = await open_sink(index, sleep=lift)
    await sink.write(make_batch([b"{}"] * 5))
    assert len(index.documents()) == 5


async def test_an_id_that_is_too_long_is_found_by_halving(index: Index, open_sink: OpenSink):
    """The whole request is refused in the server's words, which makes it a batch to look for the culprit in."""
    sink = await open_sink(index)
    assert sink._connection
    body = b'{"index":{"_index":"%b","_id":"%b"}}\n{}\n' % (index.name.encode(), b"x" * 513)

    with pytest.raises(RejectedBatch, match="id"):
        await sink._connection.bulk(body)


async def test_a_replay_never_shows_an_older_document_nor_brings_back(index: Index, open_sink: OpenSink):
    """By the versions of a key's documents, and of deletions: what is older is success, and counted."""
    counts: Counter[str] = Counter()
    sink = await open_sink(index, document_id="{key}", delete_enabled=True, counts=counts)
    await sink.resume(ORDERS)
    await sink.write(keyed(("a", b'{"n":0}'), ("b", b'{"n":1}'), ("c", None)))
    await sink.write(keyed(("a", b'{"n":3}'), ("b", None), first_offset=3))
    await sink.write(keyed(("a", b'{"n":0}'), ("b", b'{"n":1}'), ("c", None)))
    assert index.documents() == {"a": {"n": 3}}
    assert counts["document_stale"] == 2


async def test_updates_add_to_documents(index: Index, open_sink: OpenSink):
    """All of them, in their order; a tombstone in between begins anew."""
    sink = await open_sink(index, document_id="{key}", write_method="update", delete_enabled=True)
    await sink.write(keyed(("a", b'{"x":1,"o":{"p":1}}'), ("a", b'{"y":2,"o":{"q":2}}'), ("a", b'{"x":3}')))
    await sink.write(keyed(("b", b'{"x":1}'), ("b", None), ("b", b'{"y":2}')))
    assert index.documents() == {"a": {"x": 3, "y": 2, "o": {"p": 1, "q": 2}}, "b": {"y": 2}}


async def test_settings_and_mapping_apply_whenever_the_index_is_made(index: Index, open_sink: OpenSink):
    """By an index template without what the server does not know."""
    sink = await open_sink(index, connector=index.name, index_mapping='{"properties":{"n":{"type":"keyword"}}}')

    for offset in range(2):
        await sink.write(make_batch([b'{"n":1}'], first_offset=offset))
        found: Any = index.server.request("GET", f"/{index.name}")
        assert found[index.name]["mappings"]["properties"]["n"] == {"type": "keyword"}
        index.server.request("DELETE", f"/{index.name}")


async def test_a_data_stream(index: Index, open_sink: OpenSink):
    """Made from the template that the sink makes; documents are created once, with the record's time."""
    counts: Counter[str] = Counter()
    sink = await open_sink(index, connector=index.name, data_stream=True, index_mapping="{}", counts=counts)
    batch = make_batch([b'{"a":1}'], timestamps=[NOON])
    await sink.write(batch)
    await sink.write(batch)
    assert index.documents() == {"orders+0+0": {"@timestamp": "2026-02-10T12:00:00.000Z", "a": 1}}
    assert counts["document_stale"] == 1


async def test_answers_are_small_and_hold_every_status(index: Index, open_sink: OpenSink):
    """The filter leaves a status for each document, and for a refused one its reason."""
    index.create(n="long")
    sink = await open_sink(index)
    assert sink._connection
    action = b'{"index":{"_index":"%b","_id":"%d"}}\n'
    lines = [action % (index.name.encode(), n) + b'{"n":%d}\n' % n for n in range(100)]
    answer = await sink._connection.bulk(b"".join(lines))
    assert json.loads(answer or b"") == {"items": [{"index": {"status": 201}}] * 100}
    refused = await sink._connection.bulk(action % (index.name.encode(), 1) + b'{"n":"x"}\n')
    assert set(json.loads(refused or b"")["items"][0]["index"]["error"]) == {"type", "reason", "caused_by"}
