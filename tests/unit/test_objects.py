"""What all object sinks do before the destination comes in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from streamhouse_connect import (
    Batch,
    FatalError,
    ObjectConfig,
    ObjectInfo,
    ObjectSink,
    Partitioner,
    Postponed,
    RejectedRecords,
)
from streamhouse_connect.formatters.json import JsonConfig, JsonFormatter
from streamhouse_connect.partitioners import NonePartitioner, PlainConfig
from streamhouse_connect.rotation import Rotation
from streamhouse_connect.testing import make_batch, make_context


class MemorySink(ObjectSink[ObjectConfig]):
    """Keeps objects and what was said of them."""

    name = "memory"
    config_class = ObjectConfig

    def __init__(self, partitioner: Partitioner[Any] | None = None) -> None:
        super().__init__(
            ObjectConfig(),
            formatter=JsonFormatter(JsonConfig()),
            partitioner=partitioner or NonePartitioner(PlainConfig()),
        )
        self.objects: dict[str, tuple[bytes, ObjectInfo]] = {}
        self.asked: list[str] = []

    async def create(self, key: str, body: memoryview, info: ObjectInfo) -> bool:
        if key in self.objects:
            return False

        self.objects[key] = (bytes(body), info)
        return True

    async def held(self, key: str, batch: Batch, info: ObjectInfo) -> int:
        self.asked.append(key)
        held = self.objects[key][1]

        if held.identity != info.identity:
            raise FatalError("not ours")

        return held.last_offset + 1


class Paths(Partitioner[None]):
    """Files every record under one path."""

    name: ClassVar[str] = "paths"

    def __init__(self, path: str) -> None:
        super().__init__(None)
        self._path = path

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        return [(self._path, range(len(batch)))]


async def opened(**context: Any) -> MemorySink:
    sink = MemorySink()
    await sink.open(make_context(**context))
    return sink


async def test_an_object_is_described_by_what_it_holds() -> None:
    """The range is that of the records in it, not the range that they cover."""
    sink = await opened(uid="u", epoch=3)
    await sink.write(make_batch([b"1", b"2"], offsets=[7, 12], partition=4, path="orders"))
    ((content, info),) = sink.objects.values()

    assert content == b"1\n2\n"
    assert info == ObjectInfo(
        identity="u/3/orders-id",
        topic="orders",
        partition=4,
        first_offset=7,
        last_offset=12,
        count=2,
        content_type="application/x-ndjson",
    )


async def test_the_name_follows_from_where_the_object_starts() -> None:
    """It is the same for every batch that starts there, in this process and in any other."""
    one, other = await opened(), await opened()
    await one.write(make_batch([b"1"], first_offset=5, path="orders"))
    await other.write(make_batch([b"1", b"2"], first_offset=5, path="orders"))

    assert one.objects.keys() == other.objects.keys()
    assert list(one.objects) == ["orders/batch-9f0fa1d3-1036-5e0f-b850-56ec42389a5b.json"]


async def test_what_the_object_that_is_there_holds_is_the_answer() -> None:
    """The runtime learns how far the route is durable."""
    sink = await opened()

    assert await sink.write(make_batch([b"1", b"2"], path="orders")) is None
    assert await sink.write(make_batch([b"1", b"2", b"3"], path="orders")) == 2
    assert len(sink.asked) == 1


async def test_records_that_the_format_rejects_make_no_object() -> None:
    """Nothing is written until all records of a batch are good."""
    sink = await opened()

    with pytest.raises(RejectedRecords):
        await sink.write(make_batch([b"1", b"{"], path="orders"))

    assert not sink.objects


@pytest.mark.parametrize(
    ("topic", "path"),
    [
        ("orders", "orders"),
        ("a.b_c-D", "a.b_c-D"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("../a", "..%2Fa"),
        ("a\\b", "a%5Cb"),
        ("a%2Fb", "a%252Fb"),
        ("é\n", "%C3%A9%0A"),
    ],
)
def test_a_topic_is_one_segment_of_a_path(topic: str, path: str) -> None:
    """Whatever its name is."""
    assert MemorySink().route(make_batch([b"1"], topic=topic)) == [(path, range(1))]


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("", "orders"),
        ("year=2026/month=02", "orders/year=2026/month=02"),
        ("tenant=a%2Fb", "orders/tenant=a%2Fb"),
        ("../x", "orders/%2E%2E/x"),
        ("a/./b", "orders/a/%2E/b"),
        ("a\\..\\b", "orders/a%5C..%5Cb"),
        ("a\nb\x00", "orders/a%0Ab%00"),
        ("...", "orders/..."),
    ],
)
def test_a_path_stays_below_its_topic(path: str, safe: str) -> None:
    """Whatever a partitioner says; what it escaped already is left alone."""
    assert MemorySink(Paths(path)).route(make_batch([b"1"])) == [(safe, range(1))]


@pytest.mark.parametrize("path", ["/", "/a", "a/", "a//b"])
def test_a_path_with_an_empty_segment_is_no_path(path: str) -> None:
    """Stores and filesystems would disagree about it; the records are rejected, with the partitioner's name."""
    with pytest.raises(RejectedRecords, match="partitioning paths gives the path") as caught:
        MemorySink(Paths(path)).route(make_batch([b"1", b"2"]))

    assert list(caught.value.reasons) == [0, 1]


def test_the_guarantee_says_what_it_rests_on() -> None:
    """And where it ends."""
    guarantee = MemorySink.guarantee(ObjectConfig())

    assert guarantee.level == "exactly-once"
    assert "never written over" in guarantee.reason
    assert "removed in between" in guarantee.reason


async def test_a_file_of_the_wanted_size_leaves_the_rest_to_others() -> None:
    """The answer is where it ends; its name is that of the whole batch, and what is said of it that of its part."""
    sink = await opened()
    sink.rotation = Rotation(20)
    values = [b'"%07d"' % number for number in range(5)]

    assert await sink.write(make_batch(values, offsets=[3, 5, 7, 9, 11], path="orders")) == 6
    ((key, (content, info)),) = sink.objects.items()

    assert content == b'"0000000"\n"0000001"\n'
    assert (info.first_offset, info.last_offset, info.count) == (3, 5, 2)

    sink.rotation = None
    assert await sink.write(make_batch(values, offsets=[3, 5, 7, 9, 11], path="orders")) == 6
    assert sink.asked == [key]


async def test_a_batch_that_makes_too_small_a_file_is_postponed() -> None:
    """Nothing is written; what it has shown is where the next one is cut."""
    sink = await opened()
    sink.rotation = Rotation(1_000)
    batch = make_batch([b"1"], keys=[b"k" * 1_030], path="orders")  # keys are no part of the file

    assert await sink.write(batch) == Postponed()
    assert not sink.objects
    assert sink.batch_bytes(batch.spans[0].tp, "orders") == 1_030 * 1_031 // 2


async def test_tombstones_that_are_to_be_written_are_in_the_object() -> None:
    """They count as records."""
    sink = await opened()
    await sink.write(make_batch([b"1", None], path="orders"))
    ((content, info),) = sink.objects.values()

    assert (content, info.count) == (b"1\nnull\n", 2)


async def test_an_object_that_was_written_before_is_counted() -> None:
    """Once each time that it is met; one that is made is not."""
    counts: Counter[str] = Counter()
    sink = await opened(counts=counts)
    batch = make_batch([b"{}"], path="orders")
    await sink.write(batch)
    assert not counts
    await sink.write(batch)
    await sink.write(batch)
    assert counts == {"skipped_duplicate": 2}
