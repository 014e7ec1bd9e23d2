"""Columns that a user declares, in each form, in each format."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamhouse_connect import RejectedRecords
from streamhouse_connect.formatters.avro import AvroConfig, AvroFormatter
from streamhouse_connect.formatters.parquet import ParquetConfig, ParquetFormatter
from streamhouse_connect.testing import make_batch

ARROW = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        ("price", pa.decimal128(20, 4)),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", "UTC")),
        ("tags", pa.list_(pa.string())),
        ("customer", pa.struct([("no", pa.int32()), ("photo", pa.binary())])),
        ("rate", pa.float64()),
        ("paid", pa.bool_()),
    ]
)
AVRO = {
    "type": "record",
    "name": "orders",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "price", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}]},
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "tags", "type": ["null", {"type": "array", "items": ["null", "string"]}]},
        {
            "name": "customer",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "customer",
                    "fields": [{"name": "no", "type": ["null", "int"]}, {"name": "photo", "type": ["null", "bytes"]}],
                },
            ],
        },
        {"name": "rate", "type": ["null", "double"]},
        {"name": "paid", "type": ["null", "boolean"]},
    ],
}
JSON_SCHEMA = {
    "$defs": {
        "customer": {
            "properties": {"no": {"type": "integer"}, "photo": {"type": "string", "contentEncoding": "base64"}}
        }
    },
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "day": {"type": ["string", "null"], "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "items": {"type": ["string", "null"]}},
        "customer": {"$ref": "#/$defs/customer"},
        "rate": {"type": "number"},
        "paid": {"type": "boolean"},
    },
}
FILES = {
    "arrow": ARROW.serialize().to_pybytes(),
    "avro": json.dumps(AVRO).encode(),
    "json schema": json.dumps(JSON_SCHEMA).encode(),
}
RECORD = {
    "id": 2**60,
    "day": date(2026, 2, 10),
    "at": datetime(2026, 2, 10, 12, 0, 0, 1, tzinfo=UTC),
    "tags": ["a", None],
    "customer": {"no": 7, "photo": b"\xff\x00"},
    "rate": 3.0,
    "paid": True,
}
PRICE = Decimal("1234567890123456.7800")
VALUE = b"""{"id":1152921504606846976,"price":1234567890123456.78,"day":"2026-02-10","at":"2026-02-10T14:00:00.000001+02:00",
"tags":["a",null],"customer":{"no":7,"photo":"/wA="},"rate":3,"paid":true,"other":1}"""


@pytest.fixture(params=FILES)
def schema_file(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a file of each form."""
    path = tmp_path / "schema"
    path.write_bytes(FILES[request.param])
    return str(path)


def parquet(schema_file: str, *values: bytes | None, **options: Any) -> Any:
    """Return the table of a Parquet file."""
    config = ParquetConfig(schema_file=schema_file, **options)
    assert [*config.problems()] == []
    out = io.BytesIO()
    ParquetFormatter(config).format(make_batch(values), out)
    return pq.ParquetFile(io.BytesIO(out.getvalue())).read()


def avro(schema_file: str, *values: bytes | None, **options: Any) -> Any:
    """Return a reader of an Avro file."""
    config = AvroConfig(schema_file=schema_file, **options)
    assert [*config.problems()] == []
    out = io.BytesIO()
    AvroFormatter(config).format(make_batch(values), out)
    return fastavro.reader(io.BytesIO(out.getvalue()))


def test_values_are_exactly_what_the_schema_says(schema_file: str) -> None:
    """In Parquet and Avro; fields that it does not have are left out."""
    for records in (parquet(schema_file, VALUE).to_pylist(), [*avro(schema_file, VALUE)]):
        (record,) = records
        price = record.pop("price", PRICE)  # JSON Schema has no decimals

        assert record == RECORD
        assert price == PRICE
        assert price.as_tuple().exponent == -4


def test_columns_are_those_of_the_schema_whatever_the_records_have(tmp_path: Path) -> None:
    """Types, order, and which may be null."""
    path = tmp_path / "schema"
    path.write_bytes(FILES["arrow"])
    table = parquet(str(path), b'{"paid":null,"id":1}')

    assert [(f.name, f.nullable) for f in table.schema] == [(f.name, f.nullable) for f in ARROW]
    assert [f.type for f in table.schema if f.name != "tags"] == [f.type for f in ARROW if f.name != "tags"]
    assert [f["name"] for f in avro(str(path), b'{"id":1}').writer_schema["fields"]] == ARROW.names


@pytest.mark.parametrize("write", [parquet, avro])
def test_the_envelope_stands_before_declared_columns(schema_file: str, write: Any) -> None:
    """As before others."""
    found = write(schema_file, VALUE, envelope="true")
    (record,) = found.to_pylist() if write is parquet else [*found]

    assert [*record][:7] == ["_topic", "_partition", "_offset", "_timestamp", "_key", "_headers", "id"]


@pytest.mark.parametrize("write", [parquet, avro])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{}", "its field id is missing"),
        (b'{"id":1.5}', "its field id is not an integer"),
        (b'{"id":true}', "its field id is not an integer"),
        (b'{"id":9223372036854775808}', "its field id is beyond 64 bits"),
        (b'{"id":1,"day":"2026-02-30"}', "its field day is not a date, such as 2026-02-10"),
        (b'{"id":1,"day":"20260210"}', "its field day is not a date, such as 2026-02-10"),
        (
            b'{"id":1,"at":"2026-02-10T14:00:00"}',
            "its field at is not a time with an offset, such as 2026-02-10T14:00:00Z",
        ),
        (b'{"id":1,"at":"2026-02-10T14:00:00.1234567Z"}', "its field at has more digits than us"),
        (b'{"id":1,"at":"2026-02-30T14:00:00Z"}', "its field at is not a time that there is"),
        (b'{"id":1,"tags":[1]}', "its field tags.item is not a string"),
        (b'{"id":1,"tags":"a"}', "its field tags is not an array"),
        (b'{"id":1,"customer":{"no":"7"}}', "its field customer.no is not an integer"),
        (b'{"id":1,"customer":{"photo":"/w"}}', "its field customer.photo is not base64"),
        (b'{"id":1,"rate":"1"}', "its field rate is not a number"),
        (b'{"id":1,"rate":1e400}', "its field rate is beyond a number of 64 bits"),
        (b'{"id":1,"rate":1%s}' % (b"0" * 400), "its field rate is beyond a number of 64 bits"),
        (b'{"id":1,"paid":1}', "its field paid is not a boolean"),
    ],
)
def test_a_record_that_does_not_fit_is_rejected(schema_file: str, write: Any, value: bytes, reason: str) -> None:
    """With its field and the reason."""
    with pytest.raises(RejectedRecords) as caught:
        write(schema_file, VALUE, value)

    assert caught.value.reasons == {1: reason}


@pytest.mark.parametrize(
    ("number", "fits"),
    [
        (b"0.00010", True),
        (b'"12.5"', True),
        (b"1e3", True),
        (b"-0.0", True),
        (b"9999999999999999.9999", True),
        (b"10000000000000000", False),
        (b"0.00001", False),
        (b'"x"', False),
        (b'"NaN"', False),
        (b"true", False),
    ],
)
def test_decimals_are_exact_or_rejected(tmp_path: Path, number: bytes, fits: bool) -> None:
    """No digit is lost, and none is made up."""
    path = tmp_path / "schema"
    path.write_bytes(FILES["avro"])
    value = b'{"id":1,"price":%b}' % number

    if not fits:
        with pytest.raises(RejectedRecords, match="its field price"):
            parquet(str(path), value)

        return

    wanted = Decimal(json.loads(number, parse_float=str)).quantize(Decimal("1.0000"))
    assert parquet(str(path), value)["price"].to_pylist() == [wanted]
    assert [record["price"] for record in avro(str(path), value)] == [wanted]


def test_other_fields_are_rejected_where_schemas_are_strict(schema_file: str) -> None:
    """On every level."""
    with pytest.raises(RejectedRecords) as caught:
        parquet(schema_file, b'{"id":1}', b'{"id":1,"x":1}', b'{"id":1,"customer":{"y":1}}', schema_evolution="strict")

    assert caught.value.reasons == {
        1: "its field x is not in the schema",
        2: "its field customer.y is not in the schema",
    }


def test_nothing_is_learned(schema_file: str) -> None:
    """What is declared need not be kept."""
    formatter = ParquetFormatter(ParquetConfig(schema_file=schema_file))
    formatter.format(make_batch([VALUE]), io.BytesIO())

    assert formatter.learned("orders") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read: No such file or directory"),
        (b"not a schema", "is no Arrow schema in IPC form"),
        (b"{", "is not JSON"),
        (b"{}", "is neither an Avro record, nor a JSON Schema with properties, nor an Arrow schema in IPC form"),
        (b'{"type":"record","name":"a"}', "is no valid schema: KeyError('fields')"),
        (
            b'{"type":"record","name":"a","fields":[{"name":"m","type":{"type":"map","values":"int"}}]}',
            "has the type map",
        ),
        (
            b'{"type":"record","name":"a","fields":[{"name":"m","type":["int","string"]}]}',
            "has a union of 2 types in m",
        ),
        (b'{"properties":{"a":{"type":["string","integer"]}}}', "has the type string or integer of .a"),
        (b'{"properties":{"a":{"$ref":"#/$defs/b"}}}', "refers to #/$defs/b, which is not in the file"),
        (
            pa.schema([("m", pa.map_(pa.string(), pa.int64()))]).serialize().to_pybytes(),
            "has the type map<string, int64",
        ),
        (
            pa.schema([("_key", pa.string())]).serialize().to_pybytes(),
            "has a column _key, and so has the envelope; rename it",
        ),
    ],
)
def test_a_file_that_is_of_no_use_is_a_problem(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Before anything runs, with the reason."""
    path = tmp_path / "schema"

    if content is not None:
        path.write_bytes(content)

    for config in (
        ParquetConfig(schema_file=str(path), envelope="true"),
        AvroConfig(schema_file=str(path), envelope="true"),
    ):
        (problem,) = config.problems()
        assert str(problem).startswith(f"schema.file {path} {message}")


def test_avro_has_no_nanoseconds(tmp_path: Path) -> None:
    """Parquet has."""
    path = tmp_path / "schema"
    path.write_bytes(pa.schema([("t", pa.timestamp("ns"))]).serialize().to_pybytes())
    (problem,) = AvroConfig(schema_file=str(path)).problems()

    assert "has times in ns in t; Avro has ms and us" in str(problem)
    assert parquet(str(path), b'{"t":"2026-02-10T14:00:00.123456789"}')["t"].cast(pa.int64()).to_pylist() == [
        1_770_732_000_123_456_789
    ]


def test_raw_values_have_no_schema(schema_file: str) -> None:
    """Nobody looks at them."""
    (problem,) = ParquetConfig(schema_file=schema_file, envelope="raw").problems()

    assert "has no use with envelope=raw" in str(problem)
