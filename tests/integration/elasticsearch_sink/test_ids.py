"""Which document a record becomes on a real server: ids, versions and deletions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from integration.elasticsearch_sink.conftest import NOON, ORDERS, Index, OpenSink, keyed
from streamhouse_connect import RejectedBatch, RejectedRecords
from streamhouse_connect.testing import make_batch


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


async def test_ids_of_every_kind(index: Index, open_sink: OpenSink):
    """Templates, and the hash of what is too long."""
    sink = await open_sink(index, document_id="{field:t|none}/{key}", document_id_overflow="hash")
    await sink.write(keyed(("k\u00e9", b'{"t":9223372036854775807}'), ("k", b"{}"), ("x" * 600, b"{}")))
    none, whole, hashed = sorted(index.documents(), key=len)
    assert (none, whole, len(hashed)) == ("none/k", "9223372036854775807/k\u00e9", 64)


async def test_a_key_given_twice_is_no_document(index: Index, open_sink: OpenSink):
    """Elasticsearch takes no object with a name twice, however it is written: no id can be read otherwise than what is stored."""
    twice = [b'{"id":"a","id":"b"}', b'{"id":"a","\\u0069d":"b"}', b'{"id":"a","x":{"y":1,"y":2}}']
    sink = await open_sink(index, document_id="id")

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(make_batch([*twice, b'{"id":"c"}']))

    assert all("Duplicate field" in reason for reason in raised.value.reasons.values())
    assert index.documents() == {"c": {"id": "c"}}


async def test_an_update_with_a_key_given_twice_is_refused_alone(index: Index, open_sink: OpenSink):
    """For its sake the whole request is refused; the runtime halves until it knows the culprit."""
    sink = await open_sink(index, document_id="id", write_method="update")
    values = [b'{"id":"a"}', b'{"id":"b","x":1,"x":2}', b'{"id":"b","y":1}']

    with pytest.raises(RejectedBatch, match="parse"):
        await sink.write(make_batch(values))

    for value in (values[0], values[2]):
        await sink.write(make_batch([value]))

    assert index.documents() == {"a": {"id": "a"}, "b": {"id": "b", "y": 1}}


async def test_ids_that_look_like_something_else(index: Index, open_sink: OpenSink):
    """Paths, wildcards, blanks and control characters, up to 512 bytes of any letters: each is the id of its own document."""
    ids = [
        " ",
        "_doc",
        "_all",
        "..",
        "a/b",
        "%2F",
        "*",
        "a,b",
        "\u0001\u001f\u007f",
        "\u2028",
        "None",
        "null",
        "-0",
        "1.0",
        "1e2",
    ]
    ids += ["x" * 512, "\u00e9" * 256, "\U0001f600" * 128, "x" * 509 + "\u20ac"]
    sink = await open_sink(index, document_id="{key}")
    await sink.resume(ORDERS)
    await sink.write(keyed(*((found, b'{"n":%d}' % n) for n, found in enumerate(ids))))
    assert index.documents() == {found: {"n": n} for n, found in enumerate(ids)}

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(keyed(("\U0001f600" * 128 + "x", b"{}"), ("", b"{}"), first_offset=99))

    assert list(raised.value.reasons) == [0, 1]


async def test_deletions_of_every_kind_of_id(index: Index, open_sink: OpenSink):
    """Keys, templates with topic and partition, and what is too long."""
    long = "x" * 600

    for template in ("{key}", "{topic}/{partition}/{key}"):
        sink = await open_sink(index, document_id=template, document_id_overflow="hash", delete_enabled=True)
        await sink.resume(ORDERS)
        await sink.write(keyed(("a", b"{}"), ("\u00e9 /", b"{}"), (long, b"{}")))
        assert len(index.documents()) == 3
        await sink.write(keyed(("a", None), ("\u00e9 /", None), (long, None), first_offset=3))
        assert index.documents() == {}


@pytest.mark.parametrize("version_source", [None, "none", "timestamp"])
async def test_the_last_of_deletions_and_documents_in_one_batch_counts(
    index: Index, open_sink: OpenSink, version_source: str | None
):
    """Whatever comes before."""
    sink = await open_sink(index, document_id="{key}", delete_enabled=True, version_source=version_source)
    await sink.resume(ORDERS)
    records = [("a", None), ("a", b'{"n":1}'), ("b", b"{}"), ("b", None), ("c", b"{}"), ("c", None), ("c", b'{"n":2}')]
    await sink.write(keyed(*records, timestamps=[NOON] * 7))
    assert index.documents() == {"a": {"n": 1}, "c": {"n": 2}}


async def test_a_deletion_stays_when_what_follows_it_is_rejected(index: Index, open_sink: OpenSink):
    """Last write wins among what Elasticsearch takes."""
    index.create(n="long")
    sink = await open_sink(index, document_id="{key}", delete_enabled=True)
    await sink.resume(ORDERS)
    await sink.write(keyed(("a", b'{"n":1}')))

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(keyed(("a", None), ("a", b'{"n":"x"}'), first_offset=1))

    assert list(raised.value.reasons) == [1]
    assert index.documents() == {}


async def test_of_records_of_one_time_the_last_one_stays(index: Index, open_sink: OpenSink):
    """In one batch, and in the next; an older one is stale."""
    counts: Counter[str] = Counter()
    sink = await open_sink(index, document_id="{key}", version_source="timestamp", counts=counts)
    await sink.write(keyed(("a", b'{"n":1}'), ("a", b'{"n":2}'), timestamps=[NOON, NOON]))
    await sink.write(keyed(("a", b'{"n":3}'), timestamps=[NOON], first_offset=2))
    await sink.write(keyed(("a", b'{"n":4}'), timestamps=[NOON - 1], first_offset=3))
    assert index.documents() == {"a": {"n": 3}}
    assert counts["document_stale"] == 1

    with pytest.raises(RejectedRecords):
        await sink.write(keyed(("a", b'{"n":5}'), timestamps=[-1], first_offset=4))


async def test_the_highest_version_by_offset(index: Index, open_sink: OpenSink):
    """The end of 63 bits is a version like all others."""
    sink = await open_sink(index, document_id="{key}", epoch=(1 << 15) - 1)
    await sink.resume(ORDERS)
    await sink.write(keyed(("a", b'{"n":1}'), first_offset=(1 << 48) - 1))
    found: Any = index.server.request("GET", f"/{index.name}/_doc/a")
    assert found["_version"] == (1 << 63) - 1
