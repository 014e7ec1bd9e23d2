"""Any records at all, through the formats of columns."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import Formatter
from streamhouse_connect.formatters.avro import AvroConfig, AvroFormatter
from streamhouse_connect.formatters.avronames import avro_name
from streamhouse_connect.formatters.parquet import ParquetConfig, ParquetFormatter
from streamhouse_connect.formatters.shapes import EMPTY, Kind, ListOf, Shape, StructOf, widen
from streamhouse_connect.formatters.timestamps import read_timestamp
from streamhouse_connect.testing import make_batch

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
NAMES = st.sampled_from(["a", "b", "-type", "_", "", "a b", "x.y", "1"]) | TEXT
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
VALUES = st.recursive(SCALARS, lambda c: st.lists(c, max_size=3) | st.dictionaries(NAMES, c, max_size=3), max_leaves=8)
BATCHES = st.lists(st.lists(st.dictionaries(NAMES, VALUES, max_size=4), min_size=1, max_size=5), min_size=1, max_size=3)


def expected(shape: Shape, value: Any, *, avro: bool) -> Any:
    """Return what a file holds for a value, in a column of this shape."""
    if shape is Kind.TIMESTAMP and value is not None:
        return read_timestamp(value)

    if value is None or isinstance(shape, Kind):
        is_text = shape is Kind.TEXT and value is not None and not isinstance(value, str)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False) if is_text else value

    if isinstance(shape, ListOf):
        return [expected(shape.item, item, avro=avro) for item in value]

    fields = {
        avro_name(name) if avro else name: expected(field, value.get(name), avro=avro)
        for name, field in shape.fields.items()
    }
    return fields if fields or avro else {"_": None}


def same(one: Any, other: Any) -> bool:
    """Compare what was read with what was expected; text columns may write a number in another way."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)

    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))

    if isinstance(one, str) and isinstance(other, str) and one != other:
        return bool(json.loads(one) == json.loads(other))

    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def check(
    formatter: Formatter[Any], batches: list[list[dict[str, Any]]], *, avro: bool, timestamps: bool = False
) -> None:
    """Write each batch and compare its file."""
    shape: Shape = EMPTY

    for records in batches:
        for record in records:
            shape = widen(shape, record, timestamps=timestamps)

        out = io.BytesIO()
        formatter.format(make_batch([json.dumps(record).encode() for record in records]), out)
        source = io.BytesIO(out.getvalue())
        read = [*fastavro.reader(source)] if avro else pq.ParquetFile(source).read().to_pylist()

        assert isinstance(shape, StructOf)
        assert same(read, [expected(shape, record, avro=avro) for record in records])
        assert formatter.count(io.BytesIO(out.getvalue())) == len(records)


@given(BATCHES)
def test_parquet_holds_any_records(batches: list[list[dict[str, Any]]]) -> None:
    """Every file has the columns of all records so far, and every record in them."""
    check(ParquetFormatter(ParquetConfig()), batches, avro=False)


@given(BATCHES)
def test_avro_holds_any_records(batches: list[list[dict[str, Any]]]) -> None:
    """Every file has the columns of all records so far, and every record in them."""
    check(AvroFormatter(AvroConfig()), batches, avro=True)


TIMES = st.sampled_from(["2026-02-10T14:00:00Z", "2026-02-10T14:00:00.123456+02:00", "1900-01-01T00:00:00-23:59"])
OTHERS: st.SearchStrategy[Any] = st.sampled_from(
    [None, 1, "x", "2026-02-10", "2026-02-30T14:00:00Z", "2026-02-10T14:00:00.1234567Z", {}, []]
)
MOMENTS = TIMES | TIMES | TIMES | OTHERS
TIMED = st.dictionaries(st.sampled_from("abc"), MOMENTS | st.lists(MOMENTS) | st.fixed_dictionaries({"d": MOMENTS}))
TIMED_BATCHES = st.lists(st.lists(TIMED, min_size=1, max_size=4), min_size=1, max_size=3)


@given(TIMED_BATCHES)
def test_parquet_holds_any_instants(batches: list[list[dict[str, Any]]]) -> None:
    """Exactly, or else as text, whatever came before."""
    check(ParquetFormatter(ParquetConfig(infer_timestamps=True)), batches, avro=False, timestamps=True)


@given(TIMED_BATCHES)
def test_avro_holds_any_instants(batches: list[list[dict[str, Any]]]) -> None:
    """Exactly, or else as text, whatever came before."""
    check(AvroFormatter(AvroConfig(infer_timestamps=True)), batches, avro=True, timestamps=True)
