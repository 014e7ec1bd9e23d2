"""The contract of a partitioner: how a topic's records are split into output paths. Knows nothing of files or destinations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect.records import Batch

__all__ = ["NO_PARTITION", "Partitioner", "PlainConfig"]

NO_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name of the path of records that have no value to file them by."""

C = TypeVar("C")


class Partitioner(ABC, Generic[C]):
    """Splits the records of one topic into output paths."""

    name: ClassVar[str]
    """The value of the option `partitioning`."""
    config_class: ClassVar[type]
    weakened: str | None = None
    """Why a record that is read again may get another path, in words; None: its path is a function of the record."""

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        """Return (path, ascending indexes); the path is relative to the topic's, without slashes at its ends.

        :raises RejectedRecords: for records that have no path, all of them at once.
        """


@attrs.frozen(kw_only=True)
class PlainConfig:
    """There is nothing to choose."""
