"""file-sink: batches become files in a directory, each written exactly once.

A file has no metadata that says which offsets it holds: its name says where it starts, and the number of its records
how far it reaches. Where that is beyond the records that met it, see `excess`.
"""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

import attrs

from streamhouse_connect.config import option
from streamhouse_connect.directories import Directory
from streamhouse_connect.errors import DeliveryError, FatalError, Problem, RetriableError
from streamhouse_connect.excess import Excess
from streamhouse_connect.objects import ObjectInfo, ObjectSink
from streamhouse_connect.sinks import Guarantee

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from streamhouse_connect.formatters import Formatter
    from streamhouse_connect.partitioners import Partitioner
    from streamhouse_connect.records import Batch, TopicPartition
    from streamhouse_connect.sinks import Held, Postponed, ReplayFrom, SinkContext

__all__ = ["FileConfig", "FileSink"]

_REMEDIES: Final = {
    errno.EACCES: "let the user who runs StreamHouse Connect write there",
    errno.EPERM: "choose a directory that allows writing and hard links",
    errno.EROFS: "mount it for writing, or choose another directory",
    errno.ENOTDIR: "choose a path whose every part is a directory",
    errno.EEXIST: "choose a path that is a directory",
    errno.EISDIR: "move that directory away",
    errno.ELOOP: "mend its symbolic links",
    errno.ENAMETOOLONG: "choose a shorter path or partitioning",
    errno.EXDEV: "choose a directory that lies on one filesystem as a whole",
    errno.EOPNOTSUPP: "choose a directory on a filesystem with hard links: without them a file could be overwritten",
    errno.ENOSYS: "choose a directory on a filesystem with hard links: without them a file could be overwritten",
    errno.EMLINK: "choose a directory on a filesystem with hard links: without them a file could be overwritten",
    errno.EINVAL: "choose a path that the filesystem allows",
}
"""What to do where waiting does not help; every other error may go away by itself, as a full disk does."""


@attrs.frozen(kw_only=True)
class FileConfig:
    """The options of file-sink."""

    path: str = option(
        "file.path", identity=True, doc="The directory that the files go to; it is made if it is missing."
    )


class FileSink(ObjectSink[FileConfig]):
    """Writes records as files into a local directory."""

    name = "file-sink"
    aliases: ClassVar[tuple[str, ...]] = ("file", "com.streamhouse.connect.file.FileSinkConnector")
    config_class = FileConfig

    def __init__(self, config: FileConfig, *, formatter: Formatter[Any], partitioner: Partitioner[Any]) -> None:
        super().__init__(config, formatter=formatter, partitioner=partitioner)
        self._root = Path(config.path).expanduser().absolute()
        self._directory: Directory | None = None
        self._excess: dict[tuple[TopicPartition, str], Excess] = {}

    @classmethod
    def guarantee(cls, config: FileConfig) -> Guarantee:  # noqa: ARG003 - it is the same for every directory
        return Guarantee(
            "exactly-once",
            "a file is named after the first record in it and never written over, and the number of its records says how far "
            "it reaches, so that a replay meets the files it wrote before; this ends where those files are removed in between, "
            "or where records not yet committed expire or are compacted: as many later ones may be taken for them",
        )

    async def check(self) -> Sequence[Problem]:
        try:
            await asyncio.to_thread(Directory(self._root, owner="check").check)
        except OSError as error:
            return [Problem("file.path", str(_translated(error, self._root)))]

        return ()

    async def open(self, context: SinkContext) -> None:
        await super().open(context)
        directory = Directory(self._root, owner=quote(context.uid, safe=""))

        try:
            await asyncio.to_thread(directory.open)
        except OSError as error:
            raise _translated(error, self._root) from error

        self._directory = directory

    async def resume(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        await self.release(partitions)  # reading may go on from elsewhere
        return {}

    async def write(self, batch: Batch) -> int | Held | Postponed | ReplayFrom | None:
        excess = self._excess.get((batch.spans[0].tp, batch.path))

        if excess is None:
            return await super().write(batch)

        await self._learning.format(batch, self._format)  # only what the format takes is in the file, and counts
        return self._show(batch, excess)

    async def create(self, key: str, body: memoryview, info: ObjectInfo) -> bool:  # noqa: ARG002 - files have no metadata
        try:
            return await asyncio.to_thread(self._opened().create, key, body)
        except OSError as error:
            raise _translated(error, self._root / key) from error

    async def held(self, key: str, batch: Batch, info: ObjectInfo) -> int | ReplayFrom:
        try:
            count = await asyncio.to_thread(self._count, key)
        except OSError as error:
            raise _translated(error, self._root / key) from error
        except ValueError as error:
            raise FatalError(
                f"{self._root / key} is in the way: it is not a complete {self.formatter.name} file of this connector "
                f"({error}); move it away, then restart the connector"
            ) from error

        return self._show(batch, Excess(info.first_offset, count))

    async def release(self, partitions: Collection[TopicPartition]) -> None:
        self._excess = {route: excess for route, excess in self._excess.items() if route[0] not in partitions}

    async def close(self) -> None:
        if self._directory is not None:
            await asyncio.to_thread(self._directory.close)

    def _show(self, batch: Batch, excess: Excess) -> int | ReplayFrom:
        route = (batch.spans[0].tp, batch.path)
        answer, left = excess.show(batch.offsets)

        if left is None:
            self._excess.pop(route, None)
        else:
            self._excess[route] = left

        return answer

    def _count(self, key: str) -> int:
        self._opened().sync(key)

        with (self._root / key).open("rb") as file:
            return self.formatter.count(file)

    def _opened(self) -> Directory:
        assert self._directory is not None, "open() comes first"
        return self._directory


def _translated(error: OSError, path: Path) -> DeliveryError:
    message = f"can't write {path}: {error.strerror or error}"
    remedy = _REMEDIES.get(error.errno or 0)
    return FatalError(f"{message}; {remedy}") if remedy else RetriableError(message)
