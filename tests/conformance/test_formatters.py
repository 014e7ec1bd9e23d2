"""Every format of ours, by the suite for all."""

import io
import json
from typing import Any

import fastavro
import pyarrow.parquet as pq
import pytest

from streamhouse_connect import Formatter
from streamhouse_connect.formatters.avro import AvroConfig, AvroFormatter
from streamhouse_connect.formatters.avronames import original_name
from streamhouse_connect.formatters.json import JsonConfig, JsonFormatter
from streamhouse_connect.formatters.parquet import ParquetConfig, ParquetFormatter
from streamhouse_connect.testing.formatters import FormatterConformance


class TestJson(FormatterConformance):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return JsonFormatter(JsonConfig())

    def read(self, file: bytes) -> list[Any]:
        assert file.endswith(b"\n")
        return [json.loads(line) for line in file.split(b"\n")[:-1]]


class TestParquet(FormatterConformance):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return ParquetFormatter(ParquetConfig())

    def read(self, file: bytes) -> list[Any]:
        return pq.ParquetFile(io.BytesIO(file)).read().to_pylist()  # type: ignore[no-any-return]  # pyarrow is untyped


class TestAvro(FormatterConformance):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return AvroFormatter(AvroConfig())

    def read(self, file: bytes) -> list[Any]:
        return [_with_original_names(record) for record in fastavro.reader(io.BytesIO(file))]


def _with_original_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {original_name(name): _with_original_names(item) for name, item in value.items()}

    return [_with_original_names(item) for item in value] if isinstance(value, list) else value
