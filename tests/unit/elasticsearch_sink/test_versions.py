from __future__ import annotations

import asyncio

import pytest

from streamhouse_connect import FatalError, SinkContext
from streamhouse_connect.testing import MemoryStateStore, make_batch, make_context
from streamhouse_elasticsearch_sink._fields import JsonField
from streamhouse_elasticsearch_sink._templates import Rows
from streamhouse_elasticsearch_sink._versions import (
    Claim,
    FieldVersion,
    OffsetVersion,
    TimestampVersion,
    Version,
    agreed,
    known_topics,
    next_claim,
)


def version(source: Version, value: bytes | None, *, timestamp: int = -1) -> int:
    batch = make_batch([value], timestamps=[timestamp])
    return source.of(Rows(batch, [value]), batch.spans[0].tp, 0)


def test_versions_by_timestamp():
    """The record's milliseconds; without them there is no version."""
    assert version(TimestampVersion(), b"{}", timestamp=0) == 0
    assert version(TimestampVersion(), None, timestamp=1_770_724_800_123) == 1_770_724_800_123

    for timestamp, reason in ((-1, "no timestamp"), (-2, "before 1970")):
        with pytest.raises(ValueError, match=reason):
            version(TimestampVersion(), b"{}", timestamp=timestamp)


@pytest.mark.parametrize(("epoch", "generation", "offset"), [(0, 0, 1 << 48), (1 << 15, 0, 7), ((1 << 15) - 1, 1, 7)])
def test_versions_by_offset_have_an_end(epoch: int, generation: int, offset: int):
    """What is beyond it would be taken for another epoch, or break the request: the connector stops instead."""
    source = OffsetVersion(epoch, {"orders": Claim("a", 1, generation)})
    batch = make_batch([b"{}"], first_offset=offset)

    with pytest.raises(
        FatalError, match=rf"the offset {offset} in epoch {epoch + generation} makes no version.*timestamp"
    ):
        source.of(Rows(batch, [b"{}"]), batch.spans[0].tp, 0)


def test_the_last_version_by_offset():
    """It is what Elasticsearch can hold."""
    batch = make_batch([b"{}"], first_offset=(1 << 48) - 1)
    source = OffsetVersion((1 << 15) - 2, {"orders": Claim("a", 1, 1)})
    assert source.of(Rows(batch, [b"{}"]), batch.spans[0].tp, 0) == (1 << 63) - 1


@pytest.mark.parametrize(
    ("value", "number"), [(b'{"v":0}', 0), (b'{"v":"42"}', 42), (b'{"v":9223372036854775807}', (1 << 63) - 1)]
)
def test_versions_by_field(value: bytes, number: int):
    """Integers, also as text, up to what Elasticsearch can hold."""
    assert version(FieldVersion(JsonField("v")), value) == number


@pytest.mark.parametrize(
    "value",
    [b"{}", b'{"v":null}', b'{"v":-1}', b'{"v":-0}', b'{"v":5.0}', b'{"v":[5]}', b'{"v":" 5"}', b'{"v":"-5"}', b'{"v":1.5}', b'{"v":1e3}', b'{"v":true}', b'{"v":""}', b'{"v":{}}', b'{"v":"\\u0031"}',
     b'{"v":9223372036854775808}', b'{"v":%b}' % (b"1" * 5000), '{"v":"\u0661"}'.encode(), None],
)  # fmt: skip
def test_what_is_no_version(value: bytes | None):
    """The record is rejected."""
    with pytest.raises(ValueError, match=r"version|v is"):
        version(FieldVersion(JsonField("v")), value)


def test_a_topic_that_stays_as_it_was():
    """Its documents' versions go on; so they do where a broker forgets a partition for a moment."""
    known = Claim("a", 6, 2)
    assert next_claim("orders", None, Claim("a", 6), None) == Claim("a", 6)
    assert next_claim("orders", known, Claim("a", 6), None) == known
    assert next_claim("orders", known, Claim("a", 5), None) == known


def test_a_topic_that_was_made_again():
    """Its offsets begin anew, so its versions are above all earlier ones."""
    assert next_claim("orders", Claim("a", 6, 2), Claim("b", 3), None) == Claim("b", 3, 3)


@pytest.mark.parametrize("acknowledged", [None, 6, 8])
def test_added_partitions_fail_until_they_are_acknowledged(acknowledged: int | None):
    """By their present number, which the message tells."""
    with pytest.raises(FatalError, match=r"has 12 partitions, and had 6 .*version.partitions=orders:12"):
        next_claim("orders", Claim("a", 6), Claim("a", 12), acknowledged)


@pytest.mark.parametrize(("known", "epoch"), [(Claim("a", 6), 0), (Claim("a", 6, 1), 0), (Claim("a", 6), 1)])
def test_times_are_no_way_out_where_versions_are_above_them(known: Claim, epoch: int):
    """Another epoch or generation is above all times: what is versioned by them has to go elsewhere."""
    with pytest.raises(FatalError, match=r"version\.source=timestamp") as raised:
        next_claim("orders", known, Claim("a", 12), None, epoch=epoch)

    assert ("another index.name" in str(raised.value)) == bool(epoch or known.generation)


def test_acknowledged_partitions():
    """Versions go on above all earlier ones, since keys have moved to where offsets are lower."""
    assert next_claim("orders", Claim("a", 6), Claim("a", 12), 12) == Claim("a", 12, 1)
    assert next_claim("orders", Claim("a", 12, 1), Claim("a", 12), 12) == Claim("a", 12, 1)


def context(state: MemoryStateStore, **partitions: int) -> SinkContext:
    return make_context(state=state, topic_ids={t: f"{t}-id" for t in partitions}, topic_partitions=partitions)


async def test_what_is_agreed_is_kept():
    """A later run, or another task, finds it."""
    state = MemoryStateStore()
    assert await known_topics(context(state)) == {}
    assert await agreed(context(state, orders=6), {}) == {"orders": Claim("orders-id", 6)}
    assert await agreed(context(state, users=3), {}) == {"orders": Claim("orders-id", 6), "users": Claim("users-id", 3)}
    assert sorted(await known_topics(context(state))) == ["orders", "users"]

    with pytest.raises(FatalError, match="topic orders has 7 partitions"):
        await agreed(context(state, orders=7), {"users": 7})

    assert (await agreed(context(state, orders=7), {"orders": 7}))["orders"] == Claim("orders-id", 7, 1)
    assert (await agreed(context(state, orders=7), {"orders": 7}))["orders"] == Claim("orders-id", 7, 1)


class Slow(MemoryStateStore):
    """Lets others in between reading and writing."""

    async def get(self, key: str) -> tuple[bytes, int] | None:
        found = await super().get(key)
        await asyncio.sleep(0)
        return found


async def test_tasks_that_start_at_once_agree():
    """What one has kept is read again by the other, before it adds its own."""
    state = Slow()
    topics = [f"t{number}" for number in range(5)]
    await asyncio.gather(*(agreed(context(state, **{topic: 1}), {}) for topic in topics))
    assert sorted(await known_topics(context(state))) == topics
