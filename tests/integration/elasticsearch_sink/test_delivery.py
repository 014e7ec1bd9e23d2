from __future__ import annotations

import asyncio
import json

import pytest

from integration.elasticsearch_sink.conftest import Index, OpenSink
from integration.elasticsearch_sink.hostile import assert_hostile_values_touch_nothing_else
from streamhouse_connect import FatalError, RejectedRecords, RetriableError
from streamhouse_connect.testing import make_batch


async def test_documents_read_back_equal_under_their_ids(index: Index, open_sink: OpenSink):
    """As they were produced, each under topic+partition+offset."""
    sink = await open_sink(index)
    values = [b'{"n":%d,"text":"\xc3\xa9 \\u00e9 \\n","nested":{"deep":[1,25],"none":null}}' % n for n in range(100)]
    await sink.write(make_batch(values, partition=2, first_offset=1000))
    assert index.documents() == {f"orders+2+{1000 + n}": json.loads(value) for n, value in enumerate(values)}


async def test_writing_twice_is_writing_once(index: Index, open_sink: OpenSink):
    """The second delivery after a crash, cut differently, replaces each document with itself."""
    sink = await open_sink(index)
    values = [b'{"n":%d}' % n for n in range(10)]
    await sink.write(make_batch(values[:7]))
    await sink.write(make_batch(values))
    await sink.write(make_batch(values[3:], first_offset=3))
    assert index.documents() == {f"orders+0+{n}": {"n": n} for n in range(10)}


async def test_a_document_of_the_wrong_type_is_rejected_and_the_others_are_written(index: Index, open_sink: OpenSink):
    """1 of 1,000: 999 in, one with the reason in Elasticsearch's words."""
    index.create(n="long")
    sink = await open_sink(index)
    values = [b'{"n":%d}' % n for n in range(1000)]
    values[500] = b'{"n":"many"}'

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(make_batch(values))

    assert list(raised.value.reasons) == [500]
    assert "document_parsing_exception: " in raised.value.reasons[500]
    assert "failed to parse field [n] of type [long]" in raised.value.reasons[500]
    assert 'For input string: "many"' in raised.value.reasons[500]
    assert raised.value.others_durable
    assert len(index.documents()) == 999


async def test_hostile_values_are_documents_or_rejected_and_touch_nothing_else(index: Index, open_sink: OpenSink):
    """Whatever a value says."""
    await assert_hostile_values_touch_nothing_else(index, open_sink)


async def test_fields_of_every_kind_are_ids(index: Index, open_sink: OpenSink):
    """Elasticsearch takes the ids as they were meant, and the last record of an id wins."""
    sink = await open_sink(index, document_id="key.id")
    ids = [
        '"a"',
        '"b/ä \\u00e9\\n\\"\\\\ +"',
        "9223372036854775807",
        "1.5",
        "true",
        f'"{"x" * 512}"',
        '"\\u0000"',
        '"a"',
    ]
    await sink.write(make_batch([b'{"key":{"id":%b},"n":%d}' % (i.encode(), n) for n, i in enumerate(ids)]))
    found = {document_id: source["n"] for document_id, source in index.documents().items()}
    assert found == {
        "a": 7,
        'b/ä é\n"\\ +': 1,
        "9223372036854775807": 2,
        "1.5": 3,
        "true": 4,
        "x" * 512: 5,
        "\x00": 6,
    }


@pytest.mark.parametrize("block", ["write", "read_only_allow_delete"])
async def test_an_index_that_is_blocked_takes_the_documents_when_the_block_is_lifted(
    index: Index, open_sink: OpenSink, block: str
):
    """Its cluster_block_exception, 403, or 429 as at the disk's flood stage, is a matter of time, and not of how much is sent."""
    index.create()
    index.block(block, on=True)
    rounds = []
    levels: dict[str, float] = {}

    async def lift_after_two_rounds(seconds: float) -> None:
        rounds.append(seconds)

        if len(rounds) == 2:
            index.block(block, on=False)

    sink = await open_sink(index, sleep=lift_after_two_rounds, levels=levels)
    await sink.write(make_batch([b"{}"] * 5))
    assert len(rounds) == 2
    assert len(index.documents()) == 5
    assert levels == {"max_in_flight": 2}


async def test_an_index_that_stays_blocked_is_left_to_the_runtime(index: Index, open_sink: OpenSink):
    """The error says what Elasticsearch says."""
    index.create()
    index.block(on=True)
    sink = await open_sink(index)

    with pytest.raises(RetriableError, match="cluster_block_exception"):
        await sink.write(make_batch([b"{}"]))

    index.block(on=False)


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


async def test_bodies_over_the_servers_limit_are_split_and_the_one_record_rejected(
    small_index: Index, open_sink: OpenSink
):
    """5 MiB against a limit of 1 MiB: all but the record that is too large alone are written."""
    small_index.create()
    sink = await open_sink(small_index)
    values = [b'{"n":"%b"}' % (b"x" * 20_000) for _ in range(250)]
    values[100] = b'{"n":"%b"}' % (b"x" * 2_000_000)

    async def as_the_runtime_does() -> None:
        for _ in range(50):
            try:
                await sink.write(make_batch(values))
            except RetriableError:  # its queue takes one request at a time
                await asyncio.sleep(0.1)

    with pytest.raises(RejectedRecords) as raised:
        await as_the_runtime_does()

    assert list(raised.value.reasons) == [100]
    assert "too large" in raised.value.reasons[100]
    assert len(small_index.documents()) == 249


async def test_an_index_that_nobody_creates_fails_the_task(small_index: Index, open_sink: OpenSink):
    """Where indexes are not made by themselves, no document is to blame."""
    sink = await open_sink(small_index)

    with pytest.raises(FatalError, match="index_not_found_exception"):
        await sink.write(make_batch([b"{}"]))
