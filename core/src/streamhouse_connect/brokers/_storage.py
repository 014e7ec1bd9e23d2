"""What an embedded broker asks of the place where it keeps its blobs. Knows nothing of records, keys or consumers.

The process holds its storage alone, so that the topics and where their logs start and end (`logs`) are known without
asking. They are replaced, never mutated, but for the numbers in a `TopicLog`, which move once a change is durable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamhouse_connect.brokers._blobs import Piece, Stored
    from streamhouse_connect.brokers._topics import TopicLog
    from streamhouse_connect.brokers.interface import Committed, Topic

__all__ = ["Reader", "Storage"]

R = TypeVar("R")


class Reader(Protocol):
    """Reads blobs, for one caller at a time."""

    def blobs(self, log: TopicLog, partition: int, offset: int, *, end: int, max_bytes: int) -> Sequence[Stored]:
        """Return the blobs that hold `offset` and what follows below `end`, without gaps, at least one if there is one.

        The first starts later if the log does. The last may go on beyond `end`, and even beyond the log's end as far as
        it has been published: that is for the caller to cut.

        :raises FatalError: if blobs are missing.
        """


class Storage(ABC):
    """Keeps blobs, topics and commits. Its methods may be called from any event loop of any thread."""

    logs: Mapping[str, TopicLog]
    """The topics by name."""

    @abstractmethod
    async def open(self, changed: Callable[[str], None]) -> None:
        """Make it usable; `changed` is told the name of a topic, from any thread, once it has changed.

        :raises ConflictError: if another process holds it.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what waits and let go; harmless to repeat."""

    @abstractmethod
    async def create_topic(self, topic: Topic) -> None:
        """:raises ConflictError: with the code `topic_exists`."""

    @abstractmethod
    async def delete_topic(self, log: TopicLog) -> None:
        """:raises NotFoundError: with the code `unknown_topic`."""

    @abstractmethod
    async def append(self, log: TopicLog, pieces: Sequence[Piece], *, now: int) -> list[int]:
        """Store all pieces or none and return the first offset of each; `now` is in milliseconds.

        :raises NotFoundError: with the code `unknown_topic`, if the topic was deleted.
        """

    @abstractmethod
    async def read(self, reading: Callable[[Reader], R]) -> R:
        """Return what `reading` returns; it may run in another thread."""

    @abstractmethod
    async def committed(self, group: str) -> Mapping[tuple[int, int], Committed]:
        """Return a group's commits by topic key and partition."""

    @abstractmethod
    async def commit(self, group: str, offsets: Mapping[tuple[int, int], Committed]) -> None:
        """Keep a group's commits, by topic key and partition; those of deleted topics vanish."""

    @abstractmethod
    async def delete_group(self, group: str) -> None:
        """Forget a group's commits."""
