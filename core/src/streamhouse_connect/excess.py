"""Excess: what a file holds beyond the batch that met it, by number, until the offsets are known.

A replay may cut shorter than the run before it: the file that is there then holds records that the sink has not been shown
yet. Their offsets are not known, only how many they are. That has to be durable before the offset of the shorter batch is
committed, or else a crash in between would write them again. Knows nothing of files.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from typing import TYPE_CHECKING

import attrs
import msgspec

from streamhouse_connect.errors import ConflictError, Superseded

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.sinks import SinkContext

__all__ = ["Excess", "ExcessLog"]


@attrs.frozen
class Excess:
    """Records of one route that are durable: those after `start` and below `upto`, and the `more` that follow them."""

    start: int
    upto: int
    more: int

    def covers(self, offsets: Sequence[int]) -> int:
        """Return how many of these records of the route, from the first on, are durable.

        None are where the records start at or before `start`: they meet the file itself.
        """
        if offsets[0] <= self.start:
            return 0

        known = bisect_left(offsets, self.upto)
        return known + min(self.more, len(offsets) - known)

    def shown(self, offsets: Sequence[int]) -> Excess:
        """Return what is known once these records of the route have come by: the offsets of some that were a number."""
        covered = self.covers(offsets)
        counted = covered - bisect_left(offsets, self.upto)
        return Excess(self.start, offsets[covered - 1] + 1, self.more - counted) if counted > 0 else self


class ExcessLog:
    """Keeps the excess of each route of the partitions at hand, in the connector's durable state."""

    def __init__(self, context: SinkContext) -> None:
        self._context = context
        self._lock = asyncio.Lock()
        self._routes: dict[TopicPartition, dict[str, Excess]] = {}
        self._versions: dict[TopicPartition, int | None] = {}

    async def get(self, tp: TopicPartition, path: str) -> Excess | None:
        """Return what is known of a route; it is looked up when a partition is first asked for."""
        async with self._lock:
            if tp not in self._routes:
                stored = await self._context.state.get(self._key(tp))
                self._versions[tp] = stored[1] if stored else None
                self._routes[tp] = _decoded(stored[0]) if stored else {}

        return self._routes[tp].get(path)

    async def set(self, tp: TopicPartition, path: str, excess: Excess | None) -> None:
        """Make it durable.

        :raises Superseded: if another task did so meanwhile: it owns the partition.
        """
        async with self._lock:
            routes = {**self._routes[tp], path: excess}
            kept = {route: each for route, each in routes.items() if each is not None}

            try:
                self._versions[tp] = await self._context.state.put(
                    self._key(tp), _encoded(kept), expected=self._versions[tp]
                )
            except ConflictError as error:
                raise Superseded([tp]) from error

            self._routes[tp] = kept

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Look these up again when they are next asked for."""
        for tp in partitions:
            self._routes.pop(tp, None)

    def _key(self, tp: TopicPartition) -> str:
        return f"excess/{self._context.epoch}/{self._context.topic_ids[tp.topic]}/{tp.partition}"


def _encoded(routes: dict[str, Excess]) -> bytes:
    return msgspec.json.encode({path: attrs.astuple(excess) for path, excess in routes.items()})


def _decoded(stored: bytes) -> dict[str, Excess]:
    routes = msgspec.json.decode(stored, type=dict[str, tuple[int, int, int]])
    return {path: Excess(*numbers) for path, numbers in routes.items()}
