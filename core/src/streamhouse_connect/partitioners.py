"""Partitioners: under which path of its topic a record is filed. Pure functions of the records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect.records import Batch

__all__ = ["Partitioner"]

C = TypeVar("C")


class Partitioner(ABC, Generic[C]):
    """Splits the records of one topic into output paths."""

    name: ClassVar[str]
    """The value of the option `partitioning`."""
    config_class: ClassVar[type]

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        """Return (path, ascending indexes); the path is relative to the topic's, without slashes at its ends.

        :raises RejectedRecords: for records that have no path.
        """
