"""A destination in memory, and the plugin whose sink writes to it: for tests of the runtime."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import attrs

from streamhouse_connect import Batch, Registry, Secret, Sink, SinkContext, TopicPartition, hookimpl, option


@attrs.frozen(kw_only=True)
class FakeConfig:
    """The options of the fake sink."""

    password: Secret | None = option("fake.password", default=None, doc="A secret.")
    mood: str = option("fake.mood", default="good", doc="Not used.")
    place: int = option("fake.place", default=1, identity=True, doc="Not used.")


def _accept(_: Batch) -> int | None:
    return None


@attrs.define(eq=False)
class Destination:
    """What the fake sink writes to, and how it behaves; shared by all its instances, and by threads."""

    records: list[tuple[TopicPartition, int, bytes | None]] = attrs.field(factory=list)
    batches: list[Batch] = attrs.field(factory=list)
    on_open: Callable[[], None] = attrs.field(default=lambda: None)
    on_write: Callable[[Batch], int | None] = _accept
    before_write: Callable[[], Any] | None = None
    """Awaited before each write, if it is there."""
    held: Mapping[TopicPartition, int] = attrs.field(factory=dict)
    skips: list[Mapping[TopicPartition, int]] = attrs.field(factory=list)
    weakened: str | None = None
    opened: int = 0
    closed: int = 0
    contexts: list[SinkContext] = attrs.field(factory=list)
    guard: threading.Lock = attrs.field(factory=threading.Lock)

    def values(self) -> list[bytes | None]:
        """Return the values that were written, in their order."""
        return [value for _, _, value in self.records]

    def registry(self, *, batching: Any = None, defaults: Mapping[str, object] | None = None) -> Registry:
        """Return a registry with the sink `fake-sink`, and nothing of what happens to be installed."""
        destination = self

        class FakeSink(_FakeSink):
            """Writes into memory."""

            name = "fake-sink"

            def __init__(self, config: FakeConfig) -> None:
                super().__init__(config)
                self.destination = destination

        FakeSink.defaults = {"batch.interval_ms": 20, "retry.backoff.ms": 5, **(defaults or {})}

        if batching is not None:
            FakeSink.batching = batching

        @hookimpl
        def streamhouse_register_sinks() -> Iterable[type[Sink[Any]]]:
            return [FakeSink]

        return Registry(
            entry_points=False, plugins=[SimpleNamespace(streamhouse_register_sinks=streamhouse_register_sinks)]
        )


class _FakeSink(Sink[FakeConfig]):
    config_class = FakeConfig
    destination: Destination

    async def open(self, context: SinkContext) -> None:
        self.destination.opened += 1
        self.destination.contexts.append(context)
        self.destination.on_open()
        self.weakened = self.destination.weakened

    async def resume(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {tp: offset for tp, offset in self.destination.held.items() if tp in partitions}

    async def write(self, batch: Batch) -> int | None:
        if self.destination.before_write is not None:
            await self.destination.before_write()

        held = self.destination.on_write(batch)

        with self.destination.guard:
            self.destination.batches.append(batch)
            self.destination.records += [(record.tp, record.offset, record.value) for record in batch]

        return held

    async def skip(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.destination.skips.append(offsets)

    async def close(self) -> None:
        self.destination.closed += 1


def body(name: str = "c", *, topics: Iterable[str] = ("orders",), **config: object) -> dict[str, object]:
    """Return the body of a create request; underscores in option names stand for dots."""
    return {
        "name": name,
        "connectorType": "sink",
        "connectorClass": "fake-sink",
        "topics": list(topics),
        "config": {key.replace("_", "."): value for key, value in config.items()},
    }


async def until(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)
