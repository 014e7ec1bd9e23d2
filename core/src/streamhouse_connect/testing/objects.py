"""What every object sink keeps to: subclass, say how its objects are listed, and pytest runs the rest.

class TestMySink(ObjectSinkConformance):
    @pytest.fixture
    def destination(self, bucket) -> ObjectDestination:
        return MyDestination(bucket)
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import pytest

from streamhouse_connect import Batch, Formatter, Held, Partitioner, Postponed, Registry, ReplayFrom
from streamhouse_connect.testing.factories import make_batch, make_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from streamhouse_connect import ObjectSink, SinkContext

__all__ = ["ObjectDestination", "ObjectSinkConformance", "deliver"]

_HOUR: Final = 3_600_000
_NOON: Final = 1_770_724_800_000  # 2026-02-10T12:00:00Z
_HOSTILE: Final = ("..", ".", "../../outside", "a/../../b", "/etc", "a\\b", "a\nb", "%2E%2E", "a%2Fb", "ü", "a b", "~")


class ObjectDestination(Protocol):
    """Where the tests let sinks write."""

    def sink(self, *, formatter: Formatter[Any], partitioner: Partitioner[Any]) -> ObjectSink[Any]:
        """Return a new sink for the same place, not opened yet."""

    async def objects(self) -> Mapping[str, bytes]:
        """Return every object of the place, by its key below the sink's prefix."""


class ObjectSinkConformance:
    """The tests."""

    @pytest.fixture
    def destination(self) -> ObjectDestination:
        """Return a place that is empty."""
        raise NotImplementedError

    @pytest.fixture
    async def sink(self, destination: ObjectDestination) -> AsyncIterator[ObjectSink[Any]]:
        """Return an open sink of JSON lines by hour."""
        sink = await opened(destination)
        yield sink
        await sink.close()

    async def test_makes_one_object_of_a_batch(self, destination: ObjectDestination, sink: ObjectSink[Any]) -> None:
        """A batch of one hour becomes one object under its topic and hour, with the values as they came."""
        await deliver(sink, batch(range(3)))

        ((key, content),) = (await destination.objects()).items()
        assert key.startswith("orders/year=2026/month=02/day=10/hour=12/batch-")
        assert key.endswith(".json")
        assert content == b'{"n":0}\n{"n":1}\n{"n":2}\n'

    async def test_makes_no_second_object_of_the_same_batch(
        self, destination: ObjectDestination, sink: ObjectSink[Any]
    ) -> None:
        """After a restart the same batch meets its object, and counts as durable to its end."""
        await deliver(sink, batch(range(3)))
        before = await destination.objects()
        again = await opened(destination)

        assert await deliver(again, batch(range(3))) == [3]
        assert await destination.objects() == before
        await again.close()

    async def test_says_how_far_an_object_reaches(self, destination: ObjectDestination, sink: ObjectSink[Any]) -> None:
        """A longer batch with the same start learns which of its records are durable, also where offsets have gaps."""
        await deliver(sink, batch([2, 5, 9]))

        (held,) = await deliver(sink, batch([2, 5, 9, 11, 20]))
        assert isinstance(held, int)
        assert 9 < held <= 11  # noqa: PLR2004 - between the last that it holds and the first that it does not
        assert len(await destination.objects()) == 1

    async def test_keeps_every_record_once_when_cut_differently(
        self, destination: ObjectDestination, sink: ObjectSink[Any]
    ) -> None:
        """What was written before a crash, and longer batches after it, hold each record once."""
        await deliver(sink, batch(range(3)))
        await deliver(sink, batch(range(3, 5)))
        await replay(sink, batch(range(9)), size=9)

        lines = [line for content in (await destination.objects()).values() for line in content.splitlines()]
        assert sorted(lines) == [b'{"n":%d}' % offset for offset in range(9)]

    async def test_keeps_every_record_once_when_cut_shorter(
        self, destination: ObjectDestination, sink: ObjectSink[Any]
    ) -> None:
        """Shorter batches, after two crashes of which the second one came in the middle of an object, add what is new."""
        await deliver(sink, batch(range(6)))
        await deliver(sink, batch(range(6, 9)))
        second = await opened(destination)
        safe = await replay(second, batch(range(4)), size=2)
        await second.close()
        third = await opened(destination)
        await replay(third, batch(range(safe, 12)), size=2)
        await third.close()

        lines = [line for content in (await destination.objects()).values() for line in content.splitlines()]
        assert sorted(lines) == sorted(b'{"n":%d}' % offset for offset in range(12))

    async def test_lets_one_of_many_writers_win(self, destination: ObjectDestination, sink: ObjectSink[Any]) -> None:
        """Writers of the same batch at the same time make one object, and each learns that it is durable."""
        answers = await asyncio.gather(*[deliver(sink, batch(range(3))) for _ in range(8)])

        assert len(await destination.objects()) == 1
        assert [answer for (answer,) in answers].count(None) == 1
        assert {answer for (answer,) in answers} <= {None, 3}

    async def test_keeps_hours_apart(self, destination: ObjectDestination, sink: ObjectSink[Any]) -> None:
        """Records go under their own hour, whatever the first one's is, and those without a time under one path."""
        times = [_NOON, _NOON + _HOUR, _NOON + 1, -1, _NOON + _HOUR + 1]
        await deliver(sink, make_batch([b"%d" % i for i in range(5)], timestamps=times))

        assert {key.rsplit("/", 1)[0]: content for key, content in (await destination.objects()).items()} == {
            "orders/year=2026/month=02/day=10/hour=12": b"0\n2\n",
            "orders/year=2026/month=02/day=10/hour=13": b"1\n4\n",
            "orders/__HIVE_DEFAULT_PARTITION__": b"3\n",
        }

    async def test_keeps_partitions_topics_epochs_and_connectors_apart(self, destination: ObjectDestination) -> None:
        """Whatever starts at the same offset under the same hour has an object of its own."""
        ids = {"orders": "orders-id", "returns": "returns-id"}
        contexts = [
            make_context(uid="one", topic_ids=ids),
            make_context(uid="one", epoch=1, topic_ids=ids),
            make_context(uid="two", topic_ids=ids),
            make_context(uid="one", topic_ids={"orders": "another-id", "returns": "a-third-id"}),
        ]

        for context in contexts:
            sink = await opened(destination, context=context)

            for topic, partition in [("orders", 0), ("orders", 1), ("returns", 0)]:
                assert await deliver(sink, batch(range(2), topic=topic, partition=partition)) == [None]

            await sink.close()

        keys = list(await destination.objects())
        assert sum(key.startswith("orders/") for key in keys) == 8  # noqa: PLR2004 - two partitions, four contexts
        assert sum(key.startswith("returns/") for key in keys) == 4  # noqa: PLR2004 - one partition, four contexts

    async def test_keeps_hostile_topics_inside(self, destination: ObjectDestination) -> None:
        """No name of a topic leads out of the prefix, and no two lead to the same place."""
        sink = await opened(destination, context=make_context(topic_ids={name: name for name in _HOSTILE}))

        for name in _HOSTILE:
            await deliver(sink, batch(range(1), topic=name))

        keys = list(await destination.objects())
        assert len({key.split("/")[0] for key in keys}) == len(_HOSTILE)
        assert all(len(key.split("/")) == 6 for key in keys)  # noqa: PLR2004 - topic, four levels of time, name
        await sink.close()

    async def test_keeps_hostile_paths_inside(self, destination: ObjectDestination) -> None:
        """No path of a partitioner leads out of the topic's."""
        paths = [path for path in _HOSTILE if not path.startswith("/")]
        sink = await opened(destination, partitioner=_Hostile(paths))
        await deliver(sink, batch(range(len(paths))))

        keys = list(await destination.objects())
        assert len(keys) == len(paths)
        assert all(key.startswith("orders/") for key in keys)
        assert not any({".", "..", ""} & set(key.split("/")) for key in keys)
        await sink.close()

    async def test_closes_whenever_it_is_asked_to(self, destination: ObjectDestination) -> None:
        """Closing is harmless before opening, and twice."""
        sink = make_sink(destination)
        await sink.close()
        sink = await opened(destination)
        await sink.close()
        await sink.close()

        assert await destination.objects() == {}


class _Hostile(Partitioner[None]):
    """Files each record under another path."""

    name: ClassVar[str] = "hostile"

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(None)
        self._paths = paths

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        return [(path, [index]) for index, path in enumerate(self._paths[: len(batch)])]


def make_sink(destination: ObjectDestination, *, partitioner: Partitioner[Any] | None = None) -> ObjectSink[Any]:
    """Return a sink of JSON lines by hour."""
    registry = Registry(entry_points=False)
    formatter, hourly = registry.formatter("json"), registry.partitioner("hourly")

    return destination.sink(
        formatter=formatter(formatter.config_class()), partitioner=partitioner or hourly(hourly.config_class())
    )


async def opened(
    destination: ObjectDestination,
    *,
    context: SinkContext | None = None,
    partitioner: Partitioner[Any] | None = None,
) -> ObjectSink[Any]:
    """Return an open sink of JSON lines by hour."""
    sink = make_sink(destination, partitioner=partitioner)
    await sink.open(context or make_context())
    return sink


async def deliver(sink: ObjectSink[Any], batch: Batch) -> list[int | Held | Postponed | ReplayFrom | None]:
    """Route a batch and write its parts, as the runtime would; return what the sink answered."""
    return [await sink.write(batch.select(indexes, path=path)) for path, indexes in sink.route(batch)]


async def replay(sink: ObjectSink[Any], records: Batch, *, size: int) -> int:
    """Deliver the records in batches of about this size, as the runtime would; return what it would commit."""
    safe = records.offsets[0]

    while len(records):
        (held,) = await deliver(sink, records[:size])
        reach = held.next_offset if isinstance(held, Held) else held
        end = reach if isinstance(reach, int) else records[:size].offsets[-1] + 1
        safe = held.offset if isinstance(held, ReplayFrom) else end
        records = records[next((index for index, o in enumerate(records.offsets) if o >= end), len(records)) :]

    return safe


def batch(offsets: Sequence[int], *, topic: str = "orders", partition: int = 0) -> Batch:
    """Return a batch of records at noon whose values are their offsets."""
    values = [b'{"n":%d}' % offset for offset in offsets]
    return make_batch(values, offsets=offsets, topic=topic, partition=partition, timestamps=[_NOON] * len(values))
