"""Offsets of groups that Kafka does not keep: one small value for each group, in whatever keeps small values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from streamhouse_connect.brokers.interface import Committed
from streamhouse_connect.records import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Offsets", "StateKeeper"]

_KEY: Final = "offsets"


class _Topic(msgspec.Struct):
    """Partition → offset and metadata, of the topic with this id."""

    id: str
    partitions: dict[str, tuple[int, str]]


_Kept = dict[str, _Topic]


class StateKeeper(Protocol):
    """What keeps small values durably; definition stores do."""

    async def get_state(self, uid: str, key: str) -> tuple[bytes, int] | None:
        """Return a value and its version."""

    async def put_state(self, uid: str, key: str, value: bytes, *, expected: int | None) -> int:
        """Keep a value if its version is `expected`, and return the new version."""


class Offsets:
    """Reads and writes the offsets of groups; from any event loop."""

    def __init__(self, keeper: StateKeeper) -> None:
        self._keeper = keeper

    async def topics(self, group: str) -> list[str]:
        """Return the names of the topics that offsets are kept of."""
        kept, _ = await self._get(group)
        return list(kept)

    async def read(self, group: str, ids: Mapping[str, str]) -> dict[TopicPartition, Committed]:
        """Return the offsets of a group in topics that still are the ones with these ids."""
        kept, _ = await self._get(group)
        return {
            TopicPartition(name, int(partition)): Committed(*each)
            for name, topic in kept.items()
            if topic.id == ids.get(name)
            for partition, each in topic.partitions.items()
        }

    async def write(self, group: str, offsets: Mapping[TopicPartition, Committed], ids: Mapping[str, str]) -> None:
        """Keep these beside the others of the group.

        :raises ConflictError: if somebody else writes the same group's at the same time.
        """
        kept, version = await self._get(group)

        for tp, commit in offsets.items():
            if tp.topic not in kept or kept[tp.topic].id != ids[tp.topic]:
                kept[tp.topic] = _Topic(ids[tp.topic], {})

            kept[tp.topic].partitions[str(tp.partition)] = (commit.offset, commit.metadata)

        await self._put(group, kept, version)

    async def forget(self, group: str) -> None:
        """Forget all offsets of a group."""
        kept, version = await self._get(group)

        if kept:
            await self._put(group, {}, version)

    async def _get(self, group: str) -> tuple[_Kept, int | None]:
        found = await self._keeper.get_state(f"group {group}", _KEY)

        if found is None:
            return {}, None

        return msgspec.json.decode(found[0], type=_Kept), found[1]

    async def _put(self, group: str, kept: _Kept, version: int | None) -> None:
        await self._keeper.put_state(f"group {group}", _KEY, msgspec.json.encode(kept), expected=version)
