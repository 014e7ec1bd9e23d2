"""Partitioners by time, in the layout that Hive's tables have."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from streamhouse_connect.partitioners.calendars import Calendar
from streamhouse_connect.partitioners.interface import NO_PARTITION, Partitioner
from streamhouse_connect.partitioners.layouts import Layout
from streamhouse_connect.partitioners.times import TimeConfig, Times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhouse_connect.records import Batch

__all__ = ["DailyPartitioner", "HourlyPartitioner"]


class _TimePartitioner(Partitioner[TimeConfig]):
    config_class = TimeConfig
    pattern: ClassVar[str]

    def __init__(self, config: TimeConfig, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(config)
        times = Times(config, clock)
        self._layout = Layout([Calendar(self.pattern, missing=NO_PARTITION, zone=times.zone)], times)
        self.weakened = self._layout.weakened

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        return self._layout.split(batch)


class HourlyPartitioner(_TimePartitioner):
    """Files records by the hour of their time: `year=2026/month=02/day=10/hour=14`."""

    name = "hourly"
    pattern = "year={0:%Y}/month={0:%m}/day={0:%d}/hour={0:%H}"


class DailyPartitioner(_TimePartitioner):
    """Files records by the day of their time: `year=2026/month=02/day=10`."""

    name = "daily"
    pattern = "year={0:%Y}/month={0:%m}/day={0:%d}"
