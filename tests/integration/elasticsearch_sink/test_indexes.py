"""Where documents go on a real server: names, templates, streams and aliases."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import attrs
import pytest

from integration.elasticsearch_sink.conftest import NOON, ORDERS, Index, OpenSink, keyed
from repeats import seeded
from streamhouse_connect import FatalError, RejectedRecords
from streamhouse_connect.testing import make_batch


async def test_indexes_by_time_and_field(index: Index, open_sink: OpenSink):
    """Made as they are needed; what would lead elsewhere is rejected, and no other index was made."""
    before = index.family()
    pattern = attrs.evolve(index, name=index.name + "-{field:t|none}-{timestamp:%Y.%m.%d}")
    sink = await open_sink(pattern)
    hostile = [b'{"t":"*"}', b'{"t":"a,b"}', b'{"t":"<x-{now/d}>"}', b'{"t":"%3C"}', b'{"t":"../x"}', b'{"t":{}}']

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(make_batch([b'{"t":"A"}', *hostile], timestamps=[NOON] * 7))

    assert list(raised.value.reasons) == [1, 2, 3, 4, 5, 6]
    await sink.write(make_batch([b'{"t":"A"}', b"{}", b'{"t":"_all"}'], timestamps=[NOON, NOON + 43_200_000, NOON]))
    made = {f"{index.name}-{rest}" for rest in ("a-2026.02.10", "none-2026.02.11", "_all-2026.02.10")}
    assert index.family() - before == made


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
    assert any(name.startswith(f".ds-{index.name}") for name in index.family())


async def test_an_alias_has_to_be_one_if_it_is_required(index: Index, open_sink: OpenSink):
    """Else the index would be made under its name."""
    sink = await open_sink(index, require_alias=True)

    with pytest.raises(FatalError, match="require_alias"):
        await sink.write(make_batch([b"{}"]))

    backing = f"{index.name}-000001"
    index.server.request("PUT", f"/{backing}", {"aliases": {index.name: {"is_write_index": True}}})
    await sink.write(make_batch([b"{}"]))
    assert index.documents() == {"orders+0+0": {}}
    assert index.family() == {backing}


async def test_an_alias_that_moves_leaves_what_was_written(index: Index, open_sink: OpenSink):
    """Where it stood, out of the reach of updates and deletions: so the documentation says."""
    first, second = (attrs.evolve(index, name=f"{index.name}-{number}") for number in (1, 2))
    index.server.request("PUT", f"/{first.name}", {"aliases": {index.name: {"is_write_index": True}}})
    sink = await open_sink(index, document_id="{key}", delete_enabled=True, require_alias=True)
    await sink.resume(ORDERS)
    await sink.write(keyed(("a", b'{"n":1}'), ("b", b'{"n":1}')))
    index.server.request("PUT", f"/{second.name}")
    moved = [
        {"add": {"index": first.name, "alias": index.name, "is_write_index": False}},
        {"add": {"index": second.name, "alias": index.name, "is_write_index": True}},
    ]
    index.server.request("POST", "/_aliases", {"actions": moved})
    await sink.write(keyed(("a", b'{"n":2}'), ("b", None), first_offset=2))
    assert first.documents() == {"a": {"n": 1}, "b": {"n": 1}}
    assert second.documents() == {"a": {"n": 2}}


async def test_two_templates_for_one_index_are_refused(index: Index, open_sink: OpenSink):
    """In Elasticsearch's words, which name the other one."""
    await open_sink(index, connector=f"{index.name}-one", index_mapping="{}")

    with pytest.raises(FatalError, match=rf"streamhouse-{index.name}-one.*priority"):
        await open_sink(index, connector=f"{index.name}-two", index_mapping="{}")


async def test_a_data_stream_that_the_options_do_not_know(index: Index, open_sink: OpenSink):
    """No document is to blame: none becomes a dead letter."""
    await open_sink(index, connector=index.name, data_stream=True, index_mapping="{}")
    sink = await open_sink(index)
    stream = await open_sink(index, data_stream=True)
    await stream.write(make_batch([b"{}"], timestamps=[NOON]))

    with pytest.raises(FatalError, match="only write ops with an op_type of create are allowed in data streams"):
        await sink.write(make_batch([b'{"@timestamp":5}'], first_offset=1))


async def test_a_data_stream_that_takes_no_routes(index: Index, open_sink: OpenSink):
    """No document is to blame, though each would be refused for its own."""
    sink = await open_sink(index, connector=index.name, data_stream=True, index_mapping="{}", routing="r")

    with pytest.raises(FatalError, match="allow_custom_routing"):
        await sink.write(make_batch([b'{"r":"x"}'], timestamps=[NOON]))


async def test_a_data_stream_that_makes_its_own_ids(index: Index, open_sink: OpenSink):
    """One in time series mode refuses all others: no document is to blame."""
    fields = {"host": {"type": "keyword", "time_series_dimension": True}}
    made = {
        "settings": {"index.mode": "time_series", "index.routing_path": ["host"]},
        "mappings": {"properties": fields},
    }
    sink = await open_sink(index, connector=index.name, data_stream=True, index_template=json.dumps({"template": made}))

    with pytest.raises(FatalError, match="_id must be unset"):
        await sink.write(make_batch([b'{"host":"a"}'], timestamps=[int(time.time() * 1000)]))


async def test_times_of_a_data_stream(index: Index, open_sink: OpenSink):
    """A null is not missing: it is refused, as is a record that has no time at all."""
    sink = await open_sink(index, connector=index.name, data_stream=True, index_mapping="{}")

    with pytest.raises(RejectedRecords, match=r"data stream timestamp field \[@timestamp\] is missing"):
        await sink.write(make_batch([b'{"@timestamp":null}'], timestamps=[NOON]))

    with pytest.raises(RejectedRecords, match="the record has no timestamp"):
        await sink.write(make_batch([b"{}"], timestamps=[-1]))


async def test_the_longest_names(index: Index, open_sink: OpenSink):
    """Those of indexes, and of data streams, which need some room for the names of their indexes."""
    longest = attrs.evolve(index, name=index.name + "x" * (255 - len(index.name)))
    sink = await open_sink(longest)
    await sink.write(make_batch([b"{}"]))
    longest = attrs.evolve(index, name=index.name + "y" * (233 - len(index.name)))
    sink = await open_sink(longest, connector=index.name, data_stream=True, index_mapping="{}")
    await sink.write(make_batch([b"{}"], timestamps=[NOON]))
    assert list(longest.documents()) == ["orders+0+0"]


async def test_an_alias_without_an_index_to_write_to(index: Index, open_sink: OpenSink):
    """No document is to blame; once somebody names one, they are written to it."""
    for number in (1, 2):
        index.server.request("PUT", f"/{index.name}-{number}", {"aliases": {index.name: {}}})

    sink = await open_sink(index)

    with pytest.raises(FatalError, match="no write index is defined for alias"):
        await sink.write(make_batch([b"{}"]))

    add = {"index": f"{index.name}-2", "alias": index.name, "is_write_index": True}
    index.server.request("POST", "/_aliases", {"actions": [{"add": add}]})
    await sink.write(make_batch([b"{}"]))
    assert attrs.evolve(index, name=f"{index.name}-2").documents() == {"orders+0+0": {}}


async def test_an_index_template_of_ones_own(index: Index, open_sink: OpenSink):
    """It is used as it is, aliases included."""
    template = {
        "index_patterns": [f"{index.name}*"],
        "template": {"aliases": {f"{index.name}-alias": {}}},
        "priority": 300,
    }
    sink = await open_sink(index, connector=index.name, index_template=json.dumps(template))
    await sink.write(make_batch([b"{}"]))
    assert attrs.evolve(index, name=f"{index.name}-alias").documents() == {"orders+0+0": {}}


async def test_an_index_is_made_by_its_template_where_the_cluster_makes_none(small_index: Index, open_sink: OpenSink):
    """At the first write, and again when it was deleted."""
    mapping = '{"properties":{"n":{"type":"keyword"}}}'
    sink = await open_sink(small_index, connector=small_index.name, index_mapping=mapping)

    for offset in range(2):
        await sink.write(make_batch([b'{"n":1}'], first_offset=offset))
        found: Any = small_index.server.request("GET", f"/{small_index.name}")
        assert found[small_index.name]["mappings"]["properties"]["n"] == {"type": "keyword"}
        small_index.server.request("DELETE", f"/{small_index.name}")


async def test_names_of_any_letters_stay_behind_the_prefix(index: Index, open_sink: OpenSink):
    """What is not rejected is an index that Elasticsearch takes by the name that was meant, or refuses by itself; the seed is printed."""
    dice = seeded()
    pieces = ["*", ",", "_all", "<", ">", "{now/d}", ".kibana", "%3C", "..", "/", "-", "+", ":", "#", "A", "\u0130", "\u00df", "\u03a3", "\u212a", "\u2028",
              "\u00a0", "\x7f", "\U0001e900", "\u0345", "e\u0301", "x" * 90, "\u00e9" * 40, "z", "1"]  # fmt: skip
    tenants = ["".join(dice.choices(pieces, k=dice.randrange(1, 4))) for _ in range(60)]
    others = index.everybody()
    pattern = attrs.evolve(index, name=index.name + "-{field:t}")
    sink = await open_sink(pattern)
    values = [json.dumps({"t": tenant}).encode() for tenant in tenants]
    kept = list(range(len(values)))

    try:
        await sink.write(make_batch(values))
    except RejectedRecords as rejected:
        kept = [n for n in kept if n not in rejected.reasons]
        await sink.write(make_batch([values[n] for n in kept], offsets=kept))

    made = index.everybody() - others
    assert {name.removeprefix(f"{index.name}-") for name in made} == {tenants[n].lower() for n in kept}
    assert all(name.startswith(f"{index.name}-") for name in made)
    assert 0 < len(made) < 60
