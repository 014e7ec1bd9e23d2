"""Partitioners: under which path of its topic a record is filed. Pure functions of the records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect.records import Batch

__all__ = [
    "NO_PARTITION",
    "DailyPartitioner",
    "HourlyPartitioner",
    "NonePartitioner",
    "Partitioner",
    "PlainConfig",
]

NO_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name of the path of records that have no value to file them by."""

C = TypeVar("C")

_HOUR_MS: Final = 3_600_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END_MS: Final = 253_402_300_800_000  # the first millisecond of the year 10000


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


@attrs.frozen(kw_only=True)
class PlainConfig:
    """There is nothing to choose."""


class NonePartitioner(Partitioner[PlainConfig]):
    """Files every record directly under its topic."""

    name = "none"
    config_class = PlainConfig

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        return [("", range(len(batch)))] if len(batch) else []


class _TimePartitioner(Partitioner[PlainConfig]):
    """Files records by their timestamp, in UTC.

    A timestamp that is unknown, negative or beyond the year 9999 (nanoseconds by mistake, say) goes to `NO_PARTITION`:
    the record is kept, and the path shows that something is wrong.
    """

    config_class = PlainConfig
    width_ms: ClassVar[int]
    pattern: ClassVar[str]

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        timestamps = batch.timestamps

        if not timestamps:
            return []

        low, high = self._bucket(min(timestamps)), self._bucket(max(timestamps))

        if low == high and low is not None:
            return [(self._path(low), range(len(batch)))]

        return self._split_each(timestamps)

    def _split_each(self, timestamps: Sequence[int]) -> Sequence[tuple[str, Sequence[int]]]:
        width = self.width_ms
        indexes: dict[int, list[int]] = {}
        unknown: list[int] = []

        for index, timestamp in enumerate(timestamps):
            if not 0 <= timestamp < _END_MS:
                unknown.append(index)
                continue

            bucket = timestamp // width

            if bucket in indexes:
                indexes[bucket].append(index)
            else:
                indexes[bucket] = [index]

        paths: list[tuple[str, Sequence[int]]] = [(self._path(bucket), found) for bucket, found in indexes.items()]
        return [*paths, (NO_PARTITION, unknown)] if unknown else paths

    def _bucket(self, timestamp: int) -> int | None:
        return timestamp // self.width_ms if 0 <= timestamp < _END_MS else None

    def _path(self, bucket: int) -> str:
        return _path(self.pattern, bucket * self.width_ms)


class HourlyPartitioner(_TimePartitioner):
    """Files records by the hour of their timestamp, in UTC: `year=2026/month=02/day=10/hour=14`."""

    name = "hourly"
    width_ms = _HOUR_MS
    pattern = "year={:%Y}/month={:%m}/day={:%d}/hour={:%H}"


class DailyPartitioner(_TimePartitioner):
    """Files records by the day of their timestamp, in UTC: `year=2026/month=02/day=10`."""

    name = "daily"
    width_ms = 24 * _HOUR_MS
    pattern = "year={:%Y}/month={:%m}/day={:%d}"


@lru_cache(maxsize=4096)
def _path(pattern: str, start_ms: int) -> str:
    start = _EPOCH + timedelta(milliseconds=start_ms)
    return pattern.format(*[start] * 4)
