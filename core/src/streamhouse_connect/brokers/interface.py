"""The contract of a broker: topics, appends, and consumers that commit.

Brokers are shared by the whole process: their methods may be called from any event loop of any thread. A consumer
belongs to the loop that made it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from types import TracebackType

    from streamhouse_connect.brokers.subscription import Subscription
    from streamhouse_connect.records import Batch, Headers, TopicPartition

__all__ = ["Appended", "Broker", "Committed", "Consumer", "NewRecords", "RebalanceListener", "Topic"]


@attrs.frozen
class Topic:
    """A topic as the broker knows it; one that was deleted and made again has another `id`.

    Of a broker that has no ids, the `id` is the name: then the two can't be told apart.
    """

    name: str
    id: str
    partitions: int
    retention_ms: int | None = None
    retention_bytes: int | None = None


@attrs.frozen(kw_only=True)
class NewRecords:
    """Records to append, as parallel columns; a column that is None holds the default for every record.

    Defaults: no key, the time of the append (ms since the epoch), no headers, and the partition by the key: murmur2 as in Kafka's
    clients, null keys spread.
    """

    values: Sequence[bytes | None]
    keys: Sequence[bytes | None] | None = None
    timestamps: Sequence[int | None] | None = None
    headers: Sequence[Headers] | None = None
    partitions: Sequence[int | None] | None = None


@attrs.frozen
class Appended:
    """Where appended records are, in the order in which they were given."""

    partitions: Sequence[int]
    offsets: Sequence[int]


@attrs.frozen
class Committed:
    """A group's progress in a partition: the next offset to read, and a text of the committer's (≤ 4,096 bytes)."""

    offset: int
    metadata: str = ""


class RebalanceListener(Protocol):
    """Is told which partitions a consumer has; called from inside `Consumer.poll` and `Consumer.close`."""

    async def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """These are ours now: `Consumer.seek` each of them to where reading shall start."""

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """These are taken from us when this returns: flush and commit."""

    async def lost(self, partitions: Collection[TopicPartition]) -> None:
        """These are somebody else's already: drop what is buffered, commit nothing."""

    async def missed(self, tp: TopicPartition, first: int, next_offset: int) -> None:
        """What was to be read in [first, next_offset) is not there any more; reading goes on behind it."""


class Consumer(ABC):
    """Reads a group's partitions."""

    @abstractmethod
    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:  # noqa: ASYNC109 - an empty answer is no error
        """Return what there is, in offset order for each partition, waiting up to `timeout` seconds for the first.

        Each batch has one span that starts where the last one of its partition ended, or behind what the listener was told
        to be missed. May return a little more than `max_records`.

        :raises FatalError: if a position lies beyond the log's end, or below its start with `offset_reset` error.
        """

    @property
    def trouble(self) -> Exception | None:
        """Why there may be records that can't be read at the moment, the same object as long as it lasts; None: there is no reason."""
        return None

    @abstractmethod
    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Committed]:
        """Return the group's commits; partitions without one are absent."""

    @abstractmethod
    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        """Commit durably."""

    @abstractmethod
    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Return no records of these from `poll` until `resume`."""

    @abstractmethod
    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Undo `pause`."""

    @abstractmethod
    async def seek(self, tp: TopicPartition, offset: int | None) -> int:
        """Read on from `offset`; from where the subscription's `offset_reset` says if it is None or below the log's start.

        Return the position.

        :raises FatalError: with `offset_reset` error, if there is nothing to read on from.
        """

    @abstractmethod
    async def close(self) -> None:
        """Leave the group; harmless to repeat. Does not commit."""


class Broker(ABC):
    """Holds topics. `async with` opens and closes it."""

    name: ClassVar[str]
    shares_partitions: bool = False
    """Whether the consumers of a group, in this process and in others, share its partitions; else the newest has all."""

    @abstractmethod
    async def open(self) -> None:
        """Make it usable.

        :raises ConflictError: if another process holds it.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything; harmless to repeat."""

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def create_topic(
        self, name: str, *, partitions: int = 1, retention_ms: int | None = None, retention_bytes: int | None = None
    ) -> Topic:
        """Make a topic; its name has 1 to 249 letters, digits, dots, underscores and hyphens.

        :raises ConflictError: if there is one of this name.
        :raises ConfigError: if the name or a number is out of range.
        """

    @abstractmethod
    async def topics(self) -> list[Topic]:
        """Return all topics, by name."""

    @abstractmethod
    async def topic(self, name: str) -> Topic:
        """Return one topic.

        :raises NotFoundError: with the code `unknown_topic`.
        """

    @abstractmethod
    async def delete_topic(self, name: str) -> None:
        """Delete a topic, its records and every group's commits of it.

        :raises NotFoundError: with the code `unknown_topic`.
        """

    @abstractmethod
    async def append(self, topic: str, records: NewRecords) -> Appended:
        """Append all records or none; they are durable on return.

        :raises NotFoundError: with the code `unknown_topic`.
        :raises ConfigError: if a partition is out of range.
        """

    @abstractmethod
    async def read(self, tp: TopicPartition, offset: int, *, max_records: int) -> Batch:
        """Return records from `offset` on, outside any group; below the start: from the first; past the end: none.

        :raises NotFoundError: with the code `unknown_topic`, or `unknown_partition`.
        """

    @abstractmethod
    async def watermarks(self, topic: str) -> Mapping[TopicPartition, tuple[int, int]]:
        """Return each partition's first offset and the one after its last.

        :raises NotFoundError: with the code `unknown_topic`.
        """

    @abstractmethod
    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> Consumer:
        """Make a consumer of the group; a topic that does not exist yet is waited for."""

    @abstractmethod
    async def committed(self, group: str) -> Mapping[TopicPartition, Committed]:
        """Return all commits of a group; an unknown group has none."""

    @abstractmethod
    async def delete_group(self, group: str) -> None:
        """Forget a group's commits; an unknown group is no error."""
