"""Progress in one partition: what may be committed, and what a restart has to know. Pure.

Terms as in the delivery algorithm: *C* the committed offset, *M[p]* the mark of a path, below which every record of the path
is durable. A record at offset o of path p is skipped when o < M.get(p, C). The marks above C are committed with it, as
text: version, a tag of the topic's id and one of the connector's uid, the number of records processed, the connector's epoch, and
for each mark the path's 64-bit hash and its distance from C. The tags tell a commit apart that was made in another topic of that
name, or by another connector of that name, which is gone; version 3 had no epoch, which was 0, version 2 the topic's tag only, and
version 1 none. In another epoch a path may be another one under the same name: the offset and the number count, the marks do not.

Both *C* and the marks stand where objects begin or end. Where the sink can't tell yet how far an object reaches
(`ReplayFrom`), neither moves beyond its start, and its records are not counted as processed.
"""

from __future__ import annotations

import base64
from bisect import bisect_left
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.brokers import Committed
from streamhouse_connect.sinks import Held, ReplayFrom

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_METADATA", "PartitionProgress", "Unsettled"]

_VERSION: Final = b"\x04"
_TAG_BYTES: Final = 8
_TAGS: Final = {b"\x01": 0, b"\x02": 1, b"\x03": 2, _VERSION: 2}
"""How many tags each version has."""

MAX_METADATA: Final = 3 << 10
"""Of a commit, in bytes: Kafka takes 4,096 by default. Beyond it the path that holds the offset back has to be flushed."""


@attrs.frozen
class Unsettled:
    """Offsets of which something may have been written that is not committed; `end` is behind the last, None where it is not known."""

    first: int
    end: int | None

    def __str__(self) -> str:
        return f"from offset {self.first} on" if self.end is None else f"offsets {self.first} to {self.end - 1}"


@attrs.define
class PartitionProgress:
    """Where a task stands in a partition.

    `position` is the next offset to be read. `processed` counts the records that the destination holds since the
    connector was created.
    """

    position: int
    topic_id: str = ""
    uid: str = ""
    committed: Committed | None = None
    processed: int = 0
    marks: dict[int, int] = attrs.field(factory=dict)
    written: bool = False
    """Whether anything was written since the last commit."""
    epoch: int = attrs.field(default=0, kw_only=True)
    _replays: dict[int, _Replay] = attrs.field(factory=dict, init=False)
    _start: int | None = attrs.field(init=False)
    _begin: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._start = self._begin = self.position

    @classmethod
    def restored(
        cls,
        position: int,
        committed: Committed | None,
        *,
        topic_id: str,
        uid: str,
        epoch: int = 0,
        is_held: bool = False,
        is_forgotten: bool = False,
    ) -> PartitionProgress:
        """Go on from a commit that was made in this topic, by this connector. Marks count only where reading goes on from that commit, in its epoch.

        `is_held` says whether the position is the destination's own word, and so worth a commit where there is none;
        `is_forgotten` that the broker has the commit no more, so that it is to be made again.
        """
        if committed is None:
            progress = cls(position, topic_id, uid, epoch=epoch)
            progress._start = None if is_held else position
            return progress

        found = _decode(committed)
        marks = found.marks if position == committed.offset and found.epoch == epoch else {}
        progress = cls(
            position, topic_id, uid, None if is_forgotten else committed, found.processed, marks, epoch=epoch
        )
        progress._start = None
        return progress

    def mark(self, path: str) -> int:
        """Return the offset below which the records of a path are durable; 0 where there is no mark."""
        return self.marks.get(_path_hash(path), 0) if self.marks else 0

    def wrote(self, path: str, next_offset: int, records: int) -> None:
        """Note that a path's records are durable up to an offset."""
        key = _path_hash(path)
        replay = self._replays.pop(key, None)
        self.marks[key] = max(next_offset, self.marks.get(key, 0))
        self.processed += records + (replay.records if replay is not None else 0)
        self.written = True

    def delivered(self, path: str, offsets: Sequence[int], held: int | Held | ReplayFrom | None) -> None:
        """Note that these records of a path are at the destination, as a write was answered."""
        if isinstance(held, Held):
            self.wrote(path, held.next_offset, len(offsets) + held.more)
            return

        if not isinstance(held, ReplayFrom):
            self.wrote(path, max(offsets[-1] + 1, held or 0), len(offsets))
            return

        sure = bisect_left(offsets, held.offset)
        replay = self._replays.get(_path_hash(path))

        if sure or (replay is not None and replay.start != held.offset):
            self.wrote(path, held.offset, sure)
            replay = None

        records = replay.records if replay is not None else 0
        self._replays[_path_hash(path)] = _Replay(held.offset, records + len(offsets) - sure)

    def next_commit(self, lowest: int | None, *, marked: bool) -> Committed:
        """Return what is to be committed when `lowest` is the lowest offset that is not durable (None: all read are).

        `marked` says whether the sink routes, so that records above the offset may be durable and have to be marked.
        """
        replays = (replay.start for replay in self._replays.values())
        offset = min(self.position if lowest is None else lowest, self.position, *replays)
        ahead = {key: mark for key, mark in self.marks.items() if mark > offset}
        said = _Metadata(_tag(self.topic_id), _tag(self.uid), self.processed, ahead if marked else {}, self.epoch)
        return Committed(offset, _encode(said, offset))

    @property
    def unsettled(self) -> Unsettled | None:
        """What was read, or is durable on some path, and is not committed; None: there is nothing."""
        first = self._begin if self.committed is None else self.committed.offset

        if self._replays:
            return Unsettled(first, None)

        end = max(self.position, *self.marks.values()) if self.marks else self.position
        return Unsettled(first, end) if end > first else None

    def is_news(self, commit: Committed) -> bool:
        """Tell whether a commit says more than the last one, or than a start without one."""
        if self.committed is None:
            return commit.offset != self._start or self.processed > 0

        return commit != self.committed

    def processed_by(self, commit: Committed) -> int:
        """Return how many records a commit counts that the last one did not."""
        before = self.processed_of(self.committed) if self.committed is not None else 0
        return self.processed_of(commit) - before

    def has_committed(self, commit: Committed) -> None:
        """Note that a commit was taken."""
        self.committed = commit
        self.marks = {key: mark for key, mark in self.marks.items() if mark > commit.offset}

    @staticmethod
    def processed_of(committed: Committed) -> int:
        """Return the number of records processed that a commit carries."""
        return _decode(committed).processed

    @staticmethod
    def was_made_in(committed: Committed, topic_id: str) -> bool:
        """Tell whether a commit is about the topic of this id, as far as it says what it is about."""
        return _decode(committed).topic_tag in (b"", _tag(topic_id))

    @staticmethod
    def was_made_by(committed: Committed, uid: str) -> bool:
        """Tell whether a commit is the connector's of this uid, as far as it says whose it is."""
        return _decode(committed).uid_tag in (b"", _tag(uid))


@attrs.frozen
class _Replay:
    """A path that a restart has to show from `start` on, of which so many records were shown since."""

    start: int
    records: int


@lru_cache(maxsize=4096)
def _path_hash(path: str) -> int:
    """Return the 64-bit hash by which a mark knows its path."""
    return int.from_bytes(blake2b(path.encode("utf-8", "surrogatepass"), digest_size=8).digest())


@lru_cache(maxsize=4096)
def _tag(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=_TAG_BYTES).digest()


@attrs.frozen
class _Metadata:
    """What a commit says besides its offset."""

    topic_tag: bytes = b""
    uid_tag: bytes = b""
    processed: int = 0
    marks: dict[int, int] = attrs.field(factory=dict)
    epoch: int = 0


def _encode(said: _Metadata, offset: int) -> str:
    parts = [_VERSION, said.topic_tag, said.uid_tag, _varint(said.processed), _varint(said.epoch)]

    for key, mark in sorted(said.marks.items()):
        parts += [key.to_bytes(8), _varint(mark - offset)]

    return base64.b64encode(b"".join(parts)).decode("ascii")


def _decode(committed: Committed) -> _Metadata:
    """Read what `_encode` wrote; a text of somebody else's, or a damaged one, says nothing."""
    try:
        data = base64.b64decode(committed.metadata, validate=True)
        start = 1 + _TAGS[data[:1]] * _TAG_BYTES
        processed, at = _read_varint(data, start)
        epoch, at = _read_varint(data, at) if data[:1] == _VERSION else (0, at)
        marks = {}

        while at < len(data):
            key = int.from_bytes(data[at : at + 8])
            ahead, at = _read_varint(data, at + 8)
            marks[key] = committed.offset + ahead
    except (ValueError, IndexError, KeyError):  # no base64, cut short, or of another version
        return _Metadata()

    tags = data[1:start]
    return _Metadata(tags[:_TAG_BYTES], tags[_TAG_BYTES:], processed, marks, epoch)


def _varint(number: int) -> bytes:
    out = bytearray()

    while number >= 0x80:  # noqa: PLR2004 - LEB128
        out.append(number & 0x7F | 0x80)
        number >>= 7

    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0

    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7

        if byte < 0x80:  # noqa: PLR2004 - LEB128
            return number, at
