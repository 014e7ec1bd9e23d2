"""Every format of ours, by the suite for all."""

import gzip
import io
import json
import tempfile
from base64 import b64decode
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pyarrow.parquet as pq
import pytest

from streamhouse_connect import Formatter
from streamhouse_connect.formatters.avro import AvroConfig, AvroFormatter
from streamhouse_connect.formatters.avronames import original_name
from streamhouse_connect.formatters.envelopes import COLUMNS
from streamhouse_connect.formatters.json import JsonConfig, JsonFormatter
from streamhouse_connect.formatters.parquet import ParquetConfig, ParquetFormatter
from streamhouse_connect.testing import make_batch
from streamhouse_connect.testing.formatters import RECORD_SETS, FormatterConformance


class TestJson(FormatterConformance):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return JsonFormatter(JsonConfig())

    def read(self, file: bytes) -> list[Any]:
        assert file.endswith(b"\n")
        return [json.loads(line) for line in file.split(b"\n")[:-1]]


class TestJsonInGzip(TestJson):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return JsonFormatter(JsonConfig(compression="gzip"))

    def read(self, file: bytes) -> list[Any]:
        return super().read(gzip.decompress(file))


class TestJsonInEnvelopes(TestJson):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return JsonFormatter(JsonConfig(envelope="true"))

    def read(self, file: bytes) -> list[Any]:
        return [record["value"] for record in super().read(file)]


class TestJsonByDuckDb(TestJson):
    def read(self, file: bytes) -> list[Any]:
        return [
            json.loads(text) for (text,) in _by_duckdb(file, "file.json", "SELECT json FROM read_ndjson_objects(?)")
        ]


class TestJsonInZstdByDuckDb(TestJsonByDuckDb):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return JsonFormatter(JsonConfig(compression="zstd"))

    def read(self, file: bytes) -> list[Any]:
        rows = _by_duckdb(file, "file.json.zst", "SELECT json FROM read_ndjson_objects(?)")
        return [json.loads(text) for (text,) in rows]


class TestParquet(FormatterConformance):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return ParquetFormatter(ParquetConfig())

    def read(self, file: bytes) -> list[Any]:
        return pq.ParquetFile(io.BytesIO(file)).read().to_pylist()  # type: ignore[no-any-return]  # pyarrow is untyped


class TestParquetInEnvelopes(TestParquet):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return ParquetFormatter(ParquetConfig(envelope="true", compression="snappy", row_group_size=2))

    def read(self, file: bytes) -> list[Any]:
        return [_without_envelope(record) for record in super().read(file)]


class TestParquetByDuckDb(TestParquet):
    def read(self, file: bytes) -> list[Any]:
        (columns,) = zip(
            *_by_duckdb(file, "file.parquet", "SELECT column_name FROM (DESCRIBE FROM read_parquet(?))"), strict=True
        )
        rows = _by_duckdb(file, "file.parquet", "SELECT * FROM read_parquet(?)")
        return [dict(zip(columns, row, strict=True)) for row in rows]

    @pytest.mark.parametrize("records", RECORD_SETS.values(), ids=RECORD_SETS.keys())
    def test_reads_back_equal(self, formatter: Formatter[Any], records: list[dict[str, Any]]) -> None:
        """But for fields without a name, which DuckDB does not have."""
        super().test_reads_back_equal(formatter, _without_nameless(records))


class TestAvro(FormatterConformance):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return AvroFormatter(AvroConfig())

    def read(self, file: bytes) -> list[Any]:
        return [_with_original_names(record) for record in fastavro.reader(io.BytesIO(file))]


class TestAvroInEnvelopes(TestAvro):
    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        return AvroFormatter(AvroConfig(envelope="true", compression="null"))

    def read(self, file: bytes) -> list[Any]:
        return [_without_envelope(record) for record in super().read(file)]


VALUES = [
    b"\xff\x00",
    b"",
    None,
    *(json.dumps(record).encode() for records in RECORD_SETS.values() for record in records),
]
KEYS = [b"\xfe", None, *[b"key"] * (len(VALUES) - 2)]
TIMES = [1_770_724_800_123, -1, *[0] * (len(VALUES) - 2)]
HEADERS = [(("a", b"\xff"), ("a", None)), *[()] * (len(VALUES) - 1)]
RAW = [
    ("orders", 0, offset, *record)
    for offset, record in enumerate(
        zip([t if t >= 0 else None for t in TIMES], KEYS, [[*map(tuple, h)] for h in HEADERS], VALUES, strict=True)
    )
]


def raw_file(formatter: Formatter[Any]) -> bytes:
    """Return an archive of records of any kind."""
    out = io.BytesIO()
    formatter.format(make_batch(VALUES, keys=KEYS, timestamps=TIMES, headers=HEADERS), out)
    assert formatter.count(io.BytesIO(out.getvalue())) == len(VALUES)
    return out.getvalue()


def test_raw_json_holds_every_byte() -> None:
    """What is bytes is base64."""
    rows = []

    for line in raw_file(JsonFormatter(JsonConfig(envelope="raw"))).splitlines():
        topic, partition, offset, time, key, headers, value = json.loads(line).values()
        pairs = [(name, _from_base64(data)) for name, data in headers]
        rows.append((topic, partition, offset, time, _from_base64(key), pairs, _from_base64(value)))

    assert rows == RAW


def test_raw_parquet_holds_every_byte() -> None:
    """For pyarrow and for DuckDB."""
    file = raw_file(ParquetFormatter(ParquetConfig(envelope="raw")))
    by_pyarrow = [tuple(row.values()) for row in pq.ParquetFile(io.BytesIO(file)).read().to_pylist()]
    columns = "_topic, _partition, _offset, epoch_ms(_timestamp), _key, _headers, _value"
    by_duckdb = _by_duckdb(file, "file.parquet", f"SELECT {columns} FROM read_parquet(?)")

    assert [*map(_raw_row, by_pyarrow)] == RAW
    assert [*map(_raw_row, by_duckdb)] == RAW


def test_raw_avro_holds_every_byte() -> None:
    """For fastavro."""
    file = raw_file(AvroFormatter(AvroConfig(envelope="raw")))

    records: Any = fastavro.reader(io.BytesIO(file))

    assert [_raw_row(tuple(record.values())) for record in records] == RAW


def _raw_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    topic, partition, offset, time, key, headers, value = row
    milliseconds = round(time.timestamp() * 1_000) if isinstance(time, datetime) else time
    return topic, partition, offset, milliseconds, key, [(h["name"], h["value"]) for h in headers], value


def _from_base64(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)


def _by_duckdb(file: bytes, name: str, query: str) -> list[tuple[Any, ...]]:
    with tempfile.TemporaryDirectory() as directory, duckdb.connect() as database:
        path = Path(directory) / name
        path.write_bytes(file)
        return database.execute(query, [str(path)]).fetchall()


def _without_nameless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nameless(item) for name, item in value.items() if name}

    return [*map(_without_nameless, value)] if isinstance(value, list) else value


def _without_envelope(record: dict[str, Any]) -> dict[str, Any]:
    assert [*record][: len(COLUMNS)] == [*COLUMNS]
    return {name: value for name, value in record.items() if name not in COLUMNS}


def _with_original_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {original_name(name): _with_original_names(item) for name, item in value.items()}

    return [_with_original_names(item) for item in value] if isinstance(value, list) else value
