"""A broker that forgets with the process: for tests and trials. It works as the durable one does, without its files."""

from __future__ import annotations

import asyncio
import threading
import time
from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, TypeVar

import attrs

from streamhouse_connect.brokers._blobs import Stored
from streamhouse_connect.brokers._storage import Storage
from streamhouse_connect.brokers._topics import TopicLog, topic_exists, unknown_topic
from streamhouse_connect.brokers.embedded import EmbeddedBroker
from streamhouse_connect.brokers.retention import Extent, expired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamhouse_connect.brokers._blobs import Piece
    from streamhouse_connect.brokers._storage import Reader
    from streamhouse_connect.brokers.interface import Committed, Topic

__all__ = ["MemoryBroker"]

R = TypeVar("R")


@attrs.frozen
class _Kept:
    blob: Stored
    extent: Extent


class MemoryBroker(EmbeddedBroker):
    """Keeps topics, records and commits as long as the object lives; closing it loses nothing."""

    name: ClassVar[str] = "memory"

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(_MemoryStorage(), clock=clock)


class _MemoryStorage(Storage):
    def __init__(self) -> None:
        self.logs: Mapping[str, TopicLog] = {}
        self._kept: dict[tuple[int, int], list[_Kept]] = {}
        self._commits: dict[str, dict[tuple[int, int], Committed]] = {}
        self._keys = 0
        self._guard = threading.Lock()
        self._changed: Callable[[str], None] = _nobody

    async def open(self, changed: Callable[[str], None]) -> None:
        self._changed = changed

    async def close(self) -> None:
        self._changed = _nobody

    async def create_topic(self, topic: Topic) -> None:
        with self._guard:
            if topic.name in self.logs:
                raise topic_exists(topic.name)

            self._keys += 1
            log = TopicLog(topic, self._keys, [0] * topic.partitions, [0] * topic.partitions)
            self._kept.update({(log.key, partition): [] for partition in range(topic.partitions)})
            self.logs = {**self.logs, topic.name: log}

        self._changed(topic.name)

    async def delete_topic(self, log: TopicLog) -> None:
        name = log.topic.name

        with self._guard:
            if self.logs.get(name) is not log:
                raise unknown_topic(name)

            self.logs = {other: kept for other, kept in self.logs.items() if other != name}

            for partition in range(log.topic.partitions):
                del self._kept[log.key, partition]

                for commits in self._commits.values():
                    commits.pop((log.key, partition), None)

        self._changed(name)

    async def append(self, log: TopicLog, pieces: Sequence[Piece], *, now: int) -> list[int]:
        firsts = []

        with self._guard:
            if self.logs.get(log.topic.name) is not log:
                raise unknown_topic(log.topic.name)

            for piece in pieces:
                first = log.ends[piece.partition]
                blob = Stored(first, first + piece.count, piece.nbytes, piece.data, piece.checksum)
                extent = Extent(blob.next_offset, len(piece.data), now)
                self._kept[log.key, piece.partition].append(_Kept(blob, extent))
                log.ends[piece.partition] = blob.next_offset
                firsts.append(first)

            for partition in {piece.partition for piece in pieces}:
                self._expire(log, partition, now)

        self._changed(log.topic.name)
        await asyncio.sleep(0)  # who appends in a loop must not keep others from running
        return firsts

    def _expire(self, log: TopicLog, partition: int, now: int) -> None:
        if log.topic.retention_ms is None and log.topic.retention_bytes is None:
            return

        kept = self._kept[log.key, partition]
        start = expired(
            (each.extent for each in kept),
            total=sum(each.extent.size for each in kept),
            retention_ms=log.topic.retention_ms,
            retention_bytes=log.topic.retention_bytes,
            now=now,
        )

        if start is not None:
            log.starts[partition] = start
            del kept[: bisect_right(kept, start, key=_next_offset)]

    async def read(self, reading: Callable[[Reader], R]) -> R:
        await asyncio.sleep(0)
        return reading(self)

    def blobs(self, log: TopicLog, partition: int, offset: int, *, end: int, max_bytes: int) -> Sequence[Stored]:
        with self._guard:
            kept = self._kept.get((log.key, partition), [])
            at = bisect_right(kept, offset, key=_next_offset)
            found: list[Stored] = []
            nbytes = 0

            while at < len(kept) and nbytes < max_bytes and (not found or found[-1].next_offset < end):
                found.append(kept[at].blob)
                nbytes += kept[at].extent.size
                at += 1

            return found

    async def committed(self, group: str) -> Mapping[tuple[int, int], Committed]:
        with self._guard:
            return dict(self._commits.get(group, {}))

    async def commit(self, group: str, offsets: Mapping[tuple[int, int], Committed]) -> None:
        with self._guard:
            self._commits.setdefault(group, {}).update({k: v for k, v in offsets.items() if k in self._kept})

    async def delete_group(self, group: str) -> None:
        with self._guard:
            self._commits.pop(group, None)


_next_offset = attrgetter("blob.next_offset")


def _nobody(topic: str) -> None:
    """Nobody is told of a change of this topic: the broker is closed."""
