"""Every broker of ours, by the suite for all, and by random logs."""

import tempfile
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import (
    Broker,
    Headers,
    MemoryBroker,
    NewRecords,
    Record,
    SqliteBroker,
    Subscription,
    TopicPartition,
)
from streamhouse_connect.testing.brokers import BrokerConformance, RecordingListener


class TestMemory(BrokerConformance):
    @pytest.fixture
    def broker(self) -> Broker:
        return MemoryBroker()


class TestSqlite(BrokerConformance):
    @pytest.fixture
    def broker(self, tmp_path: Path) -> Broker:
        return SqliteBroker(tmp_path / "data")


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
BYTES = st.none() | st.binary(max_size=20)
HEADERS: st.SearchStrategy[Headers] = st.lists(st.tuples(NAMES, BYTES), max_size=3).map(tuple)


@attrs.frozen
class Given:
    """A record as it is appended; None of a timestamp or a partition leaves it to the broker."""

    key: bytes | None
    value: bytes | None
    timestamp: int | None
    headers: Headers
    partition: int


RECORDS = st.lists(
    st.builds(
        Given,
        key=BYTES,
        value=BYTES,
        timestamp=st.none() | st.just(-1) | st.integers(0, 3) | st.integers(-(2**63), 2**63 - 1),
        headers=st.just(()) | HEADERS,
        partition=st.integers(0, 2),
    ),
    max_size=8,
)


@attrs.frozen
class Append:
    records: Sequence[Given]
    bare: bool
    """Leave out columns that hold nothing but defaults."""


@attrs.frozen
class Read:
    partition: int
    offset: int
    max_records: int


@attrs.frozen
class Poll:
    max_records: int


@attrs.frozen
class Seek:
    partition: int
    offset: int | None


STEPS = st.lists(
    st.builds(Append, RECORDS, st.booleans())
    | st.builds(Read, st.integers(0, 2), st.integers(-1, 20), st.integers(0, 10))
    | st.builds(Poll, st.integers(1, 10))
    | st.builds(Seek, st.integers(0, 2), st.none() | st.integers(-1, 20)),
    max_size=12,
)


def _columns(records: Sequence[Given], *, bare: bool) -> NewRecords:
    keys = [record.key for record in records]
    timestamps = [record.timestamp for record in records]
    headers = [record.headers for record in records]

    return NewRecords(
        values=[record.value for record in records],
        keys=None if bare and set(keys) <= {None} else keys,
        timestamps=None if bare and set(timestamps) <= {None} else timestamps,
        headers=None if bare and not any(headers) else headers,
        partitions=[record.partition for record in records],
    )


@pytest.mark.parametrize(
    "make",
    [lambda _: MemoryBroker(clock=lambda: 5.0), lambda path: SqliteBroker(path, clock=lambda: 5.0)],
    ids=["memory", "sqlite"],
)
@given(steps=STEPS)
async def test_random_logs_are_read_as_they_were_appended(
    make: Callable[[str], Broker], steps: Sequence[object]
) -> None:
    """Whatever is appended, read, polled and sought in whatever order, every record comes back equal, once and in order."""
    logs: list[list[Record]] = [[], [], []]
    positions = [0, 0, 0]

    with tempfile.TemporaryDirectory() as directory:
        async with make(directory) as broker:
            await broker.create_topic("t", partitions=3)
            consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())
            await consumer.poll(max_records=1, timeout=0)

            for step in steps:
                match step:
                    case Append(records, bare):
                        appended = await broker.append("t", _columns(records, bare=bare))
                        assert list(appended.partitions) == [record.partition for record in records]
                        ends = [count(len(log)) for log in logs]
                        assert list(appended.offsets) == [next(ends[record.partition]) for record in records]

                        for record in records:
                            tp = TopicPartition("t", record.partition)
                            log = logs[record.partition]
                            timestamp = 5_000 if record.timestamp is None else record.timestamp
                            log.append(Record(tp, len(log), timestamp, record.key, record.value, record.headers))
                    case Read(partition, offset, max_records):
                        batch = await broker.read(TopicPartition("t", partition), offset, max_records=max_records)
                        assert list(batch) == logs[partition][max(0, offset) :][:max_records]
                    case Poll(max_records):
                        batches = await consumer.poll(max_records=max_records, timeout=0)
                        assert bool(batches) == any(p < len(log) for p, log in zip(positions, logs, strict=True))
                        assert sum(map(len, batches)) <= max_records

                        for batch in batches:
                            (span,) = batch.spans
                            position = positions[span.tp.partition]
                            assert span.first_offset == position
                            assert list(batch) == logs[span.tp.partition][position : span.next_offset]
                            positions[span.tp.partition] = span.next_offset
                    case Seek(partition, offset):
                        wanted = 0 if offset is None else min(max(0, offset), len(logs[partition]))
                        positions[partition] = await consumer.seek(TopicPartition("t", partition), wanted)
                        assert positions[partition] == wanted

            await consumer.close()
