"""The plugins that come with the core. They register through the same hooks as everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect.files import FileSink
from streamhouse_connect.formatters.json import JsonFormatter
from streamhouse_connect.partitioners import (
    DailyPartitioner,
    FieldPartitioner,
    HourlyPartitioner,
    NonePartitioner,
    PatternPartitioner,
)
from streamhouse_connect.plugins.specs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamhouse_connect.formatters import Formatter
    from streamhouse_connect.partitioners import Partitioner
    from streamhouse_connect.sinks import Sink

__all__ = ["EXTRA_FORMATTERS", "ExtraFormatter"]


@attrs.frozen
class ExtraFormatter:
    """A formatter whose library is heavy, and optional: it is imported when somebody asks for it."""

    name: str
    module: str
    class_name: str
    requires: str

    @property
    def remedy(self) -> str:
        """What to tell a user who lacks the library."""
        return f'format "{self.name}" needs {self.requires}: pip install "streamhouse-connect[{self.name}]"'


EXTRA_FORMATTERS: Final = (
    ExtraFormatter("parquet", "streamhouse_connect.formatters.parquet", "ParquetFormatter", "pyarrow"),
    ExtraFormatter("avro", "streamhouse_connect.formatters.avro", "AvroFormatter", "fastavro"),
)


@hookimpl
def streamhouse_register_sinks() -> Iterable[type[Sink[Any]]]:
    return [FileSink]


@hookimpl
def streamhouse_register_formatters() -> Iterable[type[Formatter[Any]]]:
    return [JsonFormatter]


@hookimpl
def streamhouse_register_partitioners() -> Iterable[type[Partitioner[Any]]]:
    return [NonePartitioner, HourlyPartitioner, DailyPartitioner, FieldPartitioner, PatternPartitioner]
