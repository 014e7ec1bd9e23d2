"""The contract of a formatter: how a batch becomes the bytes of one file. Knows nothing of where files go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from streamhouse_connect.records import Batch

__all__ = ["Formatter"]

C = TypeVar("C")


class Formatter(ABC, Generic[C]):
    """Writes files in one format. Its methods block and are called in threads, possibly several at a time."""

    name: ClassVar[str]
    """The value of the option `format`."""
    config_class: ClassVar[type]
    at_once: ClassVar[int | None] = None
    """How many files are made at a time; 1 where Python's lock lets no more than one go on. None: as many as there are."""
    learns: ClassVar[bool] = False
    """Whether files depend on what earlier records of the topic were like: then there are `learned` and `adopt`."""
    extension: str
    """With its dot: `.parquet`."""
    content_type: str
    content_encoding: str | None = None
    """How HTTP calls the compression of the whole file, `gzip`; None where it has none, or the format compresses inside."""

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def format(self, batch: Batch, out: BinaryIO) -> None:
        """Write one complete file with every record of the batch, in order.

        :raises RejectedRecords: for records that the format can't hold; what is in `out` by then is discarded.
        :raises FatalError: if no file of this format can hold the topic's records, whichever of them are taken out.
        """

    @abstractmethod
    def count(self, source: BinaryIO) -> int:
        """Return the number of records in a complete file that this formatter wrote earlier.

        :raises ValueError: if it is no such file.
        """

    def learned(self, topic: str) -> bytes | None:  # noqa: ARG002 - for those that learn
        """Return what has been learned of a topic's records so far, to be kept; None: there is nothing to keep.

        Whoever calls `format` keeps it before anybody sees the file, and gives it back after a restart.
        """
        return None

    def adopt(self, topic: str, learned: bytes) -> None:
        """Widen what is known of a topic by what was kept, here or by another worker.

        :raises FatalError: if it can't be read.
        """
