"""Partitioners: under which path of its topic a record is filed. Pure functions of the records, but for the wall clock."""

from streamhouse_connect.partitioners.field import FieldPartitioner
from streamhouse_connect.partitioners.interface import NO_PARTITION, Partitioner, PlainConfig
from streamhouse_connect.partitioners.none import NonePartitioner
from streamhouse_connect.partitioners.pattern import PatternPartitioner
from streamhouse_connect.partitioners.timed import DailyPartitioner, HourlyPartitioner

__all__ = [
    "NO_PARTITION",
    "DailyPartitioner",
    "FieldPartitioner",
    "HourlyPartitioner",
    "NonePartitioner",
    "Partitioner",
    "PatternPartitioner",
    "PlainConfig",
]
