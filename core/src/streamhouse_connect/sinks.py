"""The contract of a sink: what a destination has to do, and what the runtime does for it.

A sink author writes `write`; the runtime buffers, retries, splits, dead-letters, commits, pauses and restarts.

    class WebhookSink(Sink[WebhookConfig]):
        name = "webhook-sink"
        config_class = WebhookConfig

        async def write(self, batch: Batch) -> None:
            await post(self.config.url.reveal(), [record.value for record in batch])

The life of a sink is one run of one task, on one event loop, which it has for itself:

    __init__ → open → resume → (route →) (prepare →) write … skip … → release → close
             ╰→ check → close   (where somebody only asks whether it would work)

This module knows nothing of the runtime, of brokers or of plugins.
"""

from __future__ import annotations

import asyncio
import enum
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Protocol, TypeVar

import attrs

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Mapping, Sequence

    from streamhouse_connect.errors import Problem
    from streamhouse_connect.records import Batch, TopicPartition

__all__ = [
    "Batching",
    "BlockingSink",
    "Guarantee",
    "Held",
    "NullValues",
    "Postponed",
    "ReplayFrom",
    "Sink",
    "SinkContext",
    "StateStore",
]

C = TypeVar("C")
R = TypeVar("R")

NullValues = Literal["ignore", "write", "dead-letter", "fail"]
"""What becomes of tombstones, records without a value; the type of an option, or a part of it is."""


class Batching(enum.Enum):
    """How the runtime cuts batches for a sink."""

    MIXED = "mixed"
    """Any spans of any partitions; up to `in_flight` successive batches at a time, committed as the contiguous prefix."""

    PER_ROUTE = "per route"
    """One span and one path a batch; one write in flight for each (partition, path), `in_flight` in all."""


@attrs.frozen
class Guarantee:
    """What a sink promises with a configuration, and why it is that and not more."""

    level: Literal["exactly-once", "effectively-once", "at-least-once"]
    reason: str


@attrs.frozen
class Held:
    """Answers a write of a route: the route was durable already, up to `next_offset` beyond the batch.

    `more` says how many records that is beyond those of the batch: the runtime counts them with it, as it drops them when they come.
    """

    next_offset: int
    more: int


@attrs.frozen
class ReplayFrom:
    """Answers a write of a route: the batch is durable, but to a replay that began inside it this could not be told.

    Until a later write of the route is answered otherwise, commits stay where a restart shows the sink the route from
    `offset` on, which is at or before the batch's first record or among its records.
    """

    offset: int


@attrs.frozen
class Postponed:
    """Answers a write of a route: nothing was written, as it will be better with more records; they wait as if they had not been taken.

    Where they can't wait they are offered again, and must be written then; so also if they come again as they were.
    """


class StateStore(Protocol):
    """Small durable values of one connector, such as a learned schema; kept with its definition."""

    async def get(self, key: str) -> tuple[bytes, int] | None:
        """Return the value and its version."""

    async def put(self, key: str, value: bytes, *, expected: int | None) -> int:
        """Store a value if its version is still `expected` (None: if there is none) and return the new version.

        :raises ConflictError: if somebody else was first; get again and merge.
        """


@attrs.frozen
class SinkContext:
    """What a sink may know of the connector that it works for."""

    connector: str
    uid: str
    """Minted when the connector is created: two connectors never share one, a restart keeps it."""
    epoch: int
    """Raised when offsets are reset, or an option is changed that is marked with `identity`: what was written before is not met again."""
    topic_ids: Mapping[str, str]
    """Topic → the broker's id of it; grows before `resume` is called with a new topic's partitions."""
    log: logging.LoggerAdapter[logging.Logger]
    count: Callable[[str, int], None]
    """Add to the metric `connector_sink_events_total{event=…}`: `count("unknown_field", 3)`."""
    level: Callable[[str, float], None]
    """Set the metric `connector_sink_level{level=…}` of the task: `level("max_in_flight", 2)`."""
    state: StateStore
    topic_partitions: dict[str, int] = attrs.field(factory=dict)
    """Topic → how many partitions it has, as the runtime finds it before it calls `resume` with some of them."""
    batch_bytes: int = 16 << 20
    """The option `batch.bytes`, by which batches are cut: for sinks whose requests hold more than keys and values."""


class Sink(ABC, Generic[C]):
    """A destination.

    `write` and the other methods raise the errors of `streamhouse_connect.errors`, which name what the runtime shall do;
    built-in `ConnectionError` and `TimeoutError` mean "later", any other exception fails the task.
    """

    name: ClassVar[str]
    """The connector class users write, such as `s3-sink`."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other spellings that are accepted and answered by `name`."""
    config_class: ClassVar[type]
    """An attrs class whose fields are `option()`s."""
    batching: ClassVar[Batching] = Batching.MIXED
    defaults: ClassVar[Mapping[str, object]] = {}
    """Defaults of the runtime's own options: `{"batch.size": 10_000}`."""
    null_values: NullValues = "ignore"
    """Whether tombstones reach `write`; else the runtime counts them, makes them dead letters whatever `errors.tolerance` is,
    or fails the task. May be set by `__init__`."""
    in_flight: int = 1
    """The number of writes at a time; may be set by `__init__` or `open`."""

    max_open: int | None = None
    """With `Batching.PER_ROUTE`: how many (partition, path) may have records waiting, at least one a partition; None: any number."""
    weakened: str | None = None
    """Set by `open`, in words, where the destination turns out not to allow what `guarantee` promises."""

    def __init__(self, config: C) -> None:
        self.config = config

    @classmethod
    def guarantee(cls, config: C) -> Guarantee:  # noqa: ARG003 - for those who override it
        """Return what this sink promises with `config`."""
        return Guarantee("at-least-once", f"{cls.name} does not say how it recognises a record written before")

    async def check(self) -> Sequence[Problem]:
        """Find out whether the destination can be reached and lets us write, without leaving anything there.

        Each problem names an option by its wire key. Asked of an instance of its own, in place of `open`; `close` follows.

        :raises Exception: what `open` raises.
        """
        return ()

    async def open(self, context: SinkContext) -> None:
        """Connect, and verify that the destination is usable.

        :raises RetriableError: to be called again, on a new instance, after a backoff.
        :raises FatalError: if somebody has to change something first.
        """

    async def resume(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:  # noqa: ARG002
        """Return the next offset of each newly assigned partition for which the destination itself keeps it.

        It wins over the broker's committed offset, ahead or behind.
        """
        return {}

    def route(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        """Split a batch of one partition into (path, ascending indexes); a pure function of the records.

        Every index appears once. Only sinks with `Batching.PER_ROUTE` are asked. Runs in a thread of its own.

        :raises RejectedRecords: for records that have no route.
        """
        return [("", range(len(batch)))]

    async def prepare(self, batch: Batch) -> None:
        """Do beforehand what `write` does with a batch that needs no destination, such as decoding it.

        Asked with `Batching.MIXED` while as many writes as may be are under way, and the next batch is full already. `write` is then called
        with the same object, or, should something come in between, with another: keep the result of the last batch only. A write may
        begin before this has ended. Long work had best give way now and then (`await asyncio.sleep(0)`), as the writes under way share
        its loop. What it raises is left to `write` to raise.
        """

    @abstractmethod
    async def write(self, batch: Batch) -> int | Held | Postponed | ReplayFrom | None:
        """Write the batch; to return means that all of it is durable.

        With `Batching.PER_ROUTE` it may return a later offset than the batch's: the route is already durable up to
        there, and the runtime drops what is below; as `Held`, it is counted, too. Or an earlier one: what is below it is durable, and the rest waits
        for more as if it had not been taken, or is written as a batch of its own. Or where a replay would have to begin, or that the
        batch has to wait.

        :raises RetriableError: nothing is known to be wrong with the records.
        :raises RejectedRecords: these records can never be written.
        :raises RejectedBatch: one of these records can never be written.
        :raises Superseded: another task has taken partitions over.
        """

    def batch_bytes(self, tp: TopicPartition, path: str) -> int | None:  # noqa: ARG002 - for those who override it
        """Return the size of keys and values at which batches of a route had best be cut; None: at `batch.bytes`, which limits it too.

        Only sinks with `Batching.PER_ROUTE` are asked, and often.
        """
        return None

    async def skip(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note progress made without a write: everything was filtered or dead-lettered. For sinks that keep offsets."""

    async def release(self, partitions: Collection[TopicPartition]) -> None:
        """Forget what is known about partitions that were revoked or lost; a write under way may still hold some of theirs."""

    async def reset(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """Take over offsets that an operator altered while the connector was stopped; None deletes."""

    async def close(self) -> None:
        """Let go of everything; called always, also after a failed `open`, and harmless to repeat."""


class BlockingSink(Sink[C]):
    """A sink over a client library without async: the `*_blocking` methods run in a thread that the sink owns."""

    def __init__(self, config: C) -> None:
        super().__init__(config)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.name)

    def open_blocking(self, context: SinkContext) -> None:
        """Connect; see `Sink.open`."""

    @abstractmethod
    def write_blocking(self, batch: Batch) -> int | None:
        """Write the batch; see `Sink.write`."""

    def close_blocking(self) -> None:
        """Disconnect; see `Sink.close`."""

    async def open(self, context: SinkContext) -> None:
        await self._run(lambda: self.open_blocking(context))

    async def write(self, batch: Batch) -> int | None:
        return await self._run(lambda: self.write_blocking(batch))

    async def close(self) -> None:
        try:
            await self._run(self.close_blocking)
        except RuntimeError:  # closed before: the thread takes no more work
            return

        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
