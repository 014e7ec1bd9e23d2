"""What a connector had committed when its tasks stopped last, kept with its definition: brokers forget.

Kafka drops the offsets of a group that nobody was in for a week. A start that finds no commit of a partition goes on from the
bookmark instead of from where the log begins or ends. A commit is always newer than the bookmark, and wins. One that is older than what
was delivered since (by a process that was killed) does no harm: it is as good a beginning as an older commit.

There is one state for each topic, into which every task of every worker merges what it has. It knows its epoch, so that
offsets that an operator has reset are not brought back; and a commit knows the topic that it was made in.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_connect.brokers import Committed
from streamhouse_connect.errors import ConflictError
from streamhouse_connect.records import TopicPartition
from streamhouse_connect.runtime.progress import PartitionProgress

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection, Mapping

    from streamhouse_connect.definitions import DefinitionStore

__all__ = ["Bookmarks"]

_PREFIX: Final = "commits/"
_PATIENCE_SECONDS: Final = 2.0
_TRIES: Final = 20


class _Kept(msgspec.Struct, frozen=True):
    """The state of a topic: for each partition the offset and the metadata of a commit."""

    epoch: int
    partitions: dict[int, tuple[int, str]]


@attrs.frozen
class Bookmarks:
    """The bookmarks of one connector, as `uid` and `epoch` name it; those of an epoch before `reset_epoch` count for nothing."""

    definitions: DefinitionStore
    uid: str
    epoch: int
    reset_epoch: int
    log: logging.LoggerAdapter[logging.Logger]

    async def find(
        self, partitions: Collection[TopicPartition], topic_ids: Mapping[str, str]
    ) -> dict[TopicPartition, Committed]:
        """Return the bookmarks of these partitions, as far as there are any."""
        found: dict[TopicPartition, Committed] = {}

        for topic in sorted({tp.topic for tp in partitions}):
            state = await self.definitions.get_state(self.uid, _PREFIX + topic)
            kept = _decode(state[0]) if state is not None else None

            if kept is None or kept.epoch < self.reset_epoch:
                continue

            commits = {TopicPartition(topic, number): Committed(*commit) for number, commit in kept.partitions.items()}
            found.update(
                (tp, commit)
                for tp, commit in commits.items()
                if tp in partitions and PartitionProgress.was_made_in(commit, topic_ids[topic])
            )

        return found

    async def keep(self, commits: Mapping[TopicPartition, Committed], topic_ids: Mapping[str, str]) -> None:
        """Keep these commits, unless the connector is gone. Never fails: they are kept by the broker in the first place."""
        topics: dict[str, dict[int, Committed]] = defaultdict(dict)

        for tp, commit in commits.items():
            topics[tp.topic][tp.partition] = commit

        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                if topics and await self._is_defined():
                    for topic, ours in sorted(topics.items()):
                        await self._merge(topic, ours, topic_ids[topic])
        except Exception as error:  # noqa: BLE001 - whatever it is, the task has stopped well
            self.log.warning("bookmarks_not_kept topics=%s error=%s", ",".join(sorted(topics)), error)

    async def _is_defined(self) -> bool:
        """Tell whether the connector is there still: one that is made again under its name must not find bookmarks."""
        return any(definition.uid == self.uid for definition in await self.definitions.all())

    async def _merge(self, topic: str, ours: Mapping[int, Committed], topic_id: str) -> None:
        for attempt in range(_TRIES):
            state = await self.definitions.get_state(self.uid, _PREFIX + topic)
            kept = _decode(state[0]) if state is not None else None
            valid = kept if kept is not None and kept.epoch >= self.reset_epoch else None
            merged = (
                kept if kept is not None and kept.epoch > self.epoch else _merged(valid, ours, self.epoch, topic_id)
            )

            if merged == kept:
                return

            try:
                await self.definitions.put_state(
                    self.uid,
                    _PREFIX + topic,
                    msgspec.json.encode(merged),
                    expected=None if state is None else state[1],
                )
            except ConflictError:  # another task was faster
                if attempt == _TRIES - 1:
                    raise
            else:
                return


def _merged(kept: _Kept | None, ours: Mapping[int, Committed], epoch: int, topic_id: str) -> _Kept:
    """Take our commits in, where they are no older than what is kept."""
    partitions = dict(kept.partitions) if kept is not None else {}

    for number, commit in ours.items():
        found = partitions.get(number)

        if found is None or found[0] <= commit.offset or not PartitionProgress.was_made_in(Committed(*found), topic_id):
            partitions[number] = commit.offset, commit.metadata

    return _Kept(epoch, partitions)


def _decode(text: bytes) -> _Kept | None:
    """Read a state; a damaged one says nothing."""
    try:
        return msgspec.json.decode(text, type=_Kept)
    except ValueError:
        return None
