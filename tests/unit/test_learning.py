"""What is learned is durable before it is used."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import TYPE_CHECKING

import attrs
import pyarrow.parquet as pq
import pytest

from streamhouse_connect import MemoryDefinitionStore, RejectedRecords, RetriableError, SqliteDefinitionStore
from streamhouse_connect.formatters.avro import AvroConfig, AvroFormatter
from streamhouse_connect.formatters.json import JsonConfig, JsonFormatter
from streamhouse_connect.formatters.parquet import ParquetConfig, ParquetFormatter
from streamhouse_connect.learning import Learning
from streamhouse_connect.testing import MemoryStateStore, make_batch, make_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streamhouse_connect import DefinitionStore, SinkContext
    from streamhouse_connect.sinks import StateStore

KEY = "schema:parquet:orders-id"


@attrs.define
class Worker:
    """One of those who write for a connector."""

    state: StateStore
    formatter: ParquetFormatter = attrs.field(factory=lambda: ParquetFormatter(ParquetConfig()))
    formatted: int = 0
    learning: Learning = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.learning = Learning(self.formatter, context(self.state))

    async def columns(self, *values: bytes, topic: str = "orders") -> list[str]:
        """Write a file of the values and return its columns with their types."""

        def write(batch: object) -> memoryview:
            self.formatted += 1
            out = io.BytesIO()
            self.formatter.format(make_batch(values, topic=topic), out)
            return out.getbuffer()

        body = await self.learning.format(make_batch(values, topic=topic), write)
        return [f"{field.name} {field.type}" for field in pq.read_schema(io.BytesIO(body))]


def context(state: StateStore) -> SinkContext:
    """Return the context of a connector whose states are kept there."""
    return attrs.evolve(make_context(topic_ids={"orders": "orders-id", "returns": "returns-id"}), state=state)


@attrs.define
class Stored:
    """The states of a connector in a definition store."""

    definitions: DefinitionStore

    async def get(self, key: str) -> tuple[bytes, int] | None:
        return await self.definitions.get_state("uid", key)

    async def put(self, key: str, value: bytes, *, expected: int | None) -> int:
        return await self.definitions.put_state("uid", key, value, expected=expected)


@pytest.fixture(params=["memory", "sqlite"])
async def state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stored]:
    """Return the states of a connector in a store of each kind."""
    path = tmp_path / "definitions.db"
    async with MemoryDefinitionStore() if request.param == "memory" else SqliteDefinitionStore(path) as definitions:
        yield Stored(definitions)


async def test_a_restart_knows_what_was_learned(state: Stored) -> None:
    """A file never narrows: the first after a restart has the columns of the last before it."""
    assert await Worker(state).columns(b'{"a":1,"b":"x"}', b'{"a":0.5}') == ["a double", "b string"]
    assert await Worker(state).columns(b'{"a":1}') == ["a double", "b string"]


async def test_a_thousand_columns_are_kept(state: Stored) -> None:
    """What is learned of a wide topic fits into the store."""
    names = [f"a_rather_long_name_of_a_column_{number:04d}" for number in range(1_000)]
    await Worker(state).columns(("{" + ",".join(f'"{name}":1' for name in names) + "}").encode())

    assert await Worker(state).columns(b"{}") == [f"{name} int64" for name in names]


async def test_workers_that_learn_at_once_agree(state: Stored) -> None:
    """Whoever comes second takes over what the first has kept, and writes its file with the columns of both."""
    workers = [Worker(state) for _ in range(4)]
    files = await asyncio.gather(*[w.columns(b'{"x":1,"f%d":"x"}' % n) for n, w in enumerate(workers)])
    last = await asyncio.gather(*[worker.columns(b"{}") for worker in workers])

    assert sorted(last[0]) == ["f0 string", "f1 string", "f2 string", "f3 string", "x int64"]
    assert all(columns == last[0] for columns in last)
    assert sorted(map(len, files)) == [2, 3, 4, 5]
    assert all(columns == last[0][: len(columns)] for columns in files)


async def test_what_another_worker_keeps_is_in_the_next_file(state: Stored) -> None:
    """Nobody has to learn anything for that."""
    one, other = Worker(state), Worker(state)
    await one.columns(b'{"a":1}')
    await other.columns(b'{"a":1,"b":1}')

    assert await one.columns(b'{"a":1}') == ["a int64", "b int64"]


async def test_what_is_learned_is_kept_before_anybody_sees_the_file() -> None:
    """While it can't be kept there is no file; the next attempt keeps it, although nothing is new any more."""

    class Unreachable(MemoryStateStore):
        async def put(self, key: str, value: bytes, *, expected: int | None) -> int:
            raise RetriableError("the brokers are away")

    state = Unreachable()
    worker = Worker(state)

    with pytest.raises(RetriableError):
        await worker.columns(b'{"a":1}')

    worker.learning = Learning(worker.formatter, context(kept := MemoryStateStore()))
    await worker.columns(b'{"a":1}')
    assert kept.values == {KEY: (b'{"version":1,"shape":{"a":"int"}}', 1)}


async def test_nothing_is_kept_twice() -> None:
    """Batches in which nothing is new are formatted once, and nothing is written but their file."""
    state = MemoryStateStore()
    worker = Worker(state)

    for value in (b'{"a":1}', b'{"a":2}', b'{"a":3}'):
        await worker.columns(value)

    assert worker.formatted == 3
    assert state.values[KEY][1] == 1


async def test_topics_are_kept_apart() -> None:
    """By their ids: a topic that was deleted and made again starts anew."""
    state = MemoryStateStore()
    await Worker(state).columns(b'{"a":1}')
    await Worker(state).columns(b'{"b":1}', topic="returns")

    assert sorted(state.values) == [KEY, "schema:parquet:returns-id"]


async def test_a_format_without_columns_keeps_nothing() -> None:
    """JSON lines need no schema."""
    state = MemoryStateStore()
    formatter = JsonFormatter(JsonConfig())
    threads = []

    def write(batch: object) -> memoryview:
        threads.append(threading.current_thread())
        return memoryview(b"file")

    assert bytes(await Learning(formatter, context(state)).format(make_batch([b"{}"]), write)) == b"file"
    assert threads != [threading.current_thread()]
    assert state.values == {}


async def test_what_is_rejected_is_rejected_by_what_is_kept() -> None:
    """A record is a dead letter by a schema that a restart finds again, not by one that nobody has kept."""
    state = MemoryStateStore()
    strict = ParquetFormatter(ParquetConfig(schema_evolution="strict"))
    out = io.BytesIO()
    strict.format(make_batch([b'{"a":1}']), out)  # of a batch whose schema is not kept yet

    with pytest.raises(RejectedRecords):
        await Worker(state, strict).columns(b'{"a":1}', b'{"b":1}')

    assert state.values == {KEY: (b'{"version":1,"shape":{"a":"int"}}', 1)}


@pytest.mark.parametrize(
    ("formatter", "most"),
    [(AvroFormatter(AvroConfig()), 1), (JsonFormatter(JsonConfig()), 3), (ParquetFormatter(ParquetConfig()), 3)],
)
async def test_files_are_made_at_once_only_where_that_helps(
    formatter: AvroFormatter | JsonFormatter | ParquetFormatter, most: int
) -> None:
    """Several threads that all want Python's lock only take it from each other."""
    learning = Learning(formatter, context(MemoryStateStore()))
    together = threading.Semaphore(0)
    running: list[int] = [0]

    def write(_: object) -> int:
        running.append(running[-1] + 1)

        if max(running) == most:
            together.release(3)

        together.acquire(timeout=10)
        running.append(running[-1] - 1)
        return max(running)

    found = await asyncio.gather(*(learning.format(make_batch([b"{}"]), write) for _ in range(3)))
    assert max(found) == most
