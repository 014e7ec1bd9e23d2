"""Avro files."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamhouse_connect import RejectedRecords
from streamhouse_connect.formatters.avro import AvroConfig, AvroFormatter, avro_name, original_name
from streamhouse_connect.testing import make_batch


@pytest.fixture
def formatter() -> AvroFormatter:
    return AvroFormatter(AvroConfig())


def file_of(formatter: AvroFormatter, *values: Any, topic: str = "orders") -> bytes:
    """Return a file of these records."""
    out = io.BytesIO()
    lines = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    formatter.format(make_batch(lines, topic=topic), out)
    return out.getvalue()


def write(formatter: AvroFormatter, *values: Any) -> list[Any]:
    """Write a file of these records and read it."""
    return [*fastavro.reader(io.BytesIO(file_of(formatter, *values)))]


def test_columns_have_the_types_of_their_values(formatter: AvroFormatter) -> None:
    """Every field may be null, and is by default; inner records are named by their place."""
    file = file_of(
        formatter, {"i": 1, "d": 0.5, "s": "x", "b": True, "l": [1], "o": {"x": {"y": None}}}, topic="shop.orders"
    )
    schema: Any = fastavro.reader(io.BytesIO(file)).writer_schema

    assert schema["name"] == "shop_x2E_orders"
    assert [(field["name"], field["type"][1]) for field in schema["fields"][:4]] == [
        ("i", "long"),
        ("d", "double"),
        ("s", "string"),
        ("b", "boolean"),
    ]
    assert all(field["type"][0] == "null" and field["default"] is None for field in schema["fields"])
    assert schema["fields"][4]["type"] == ["null", {"type": "array", "items": ["null", "long"]}]
    assert schema["fields"][5]["type"][1]["name"] == "shop_x2E_orders.o"
    assert schema["fields"][5]["type"][1]["fields"][0]["type"][1]["name"] == "shop_x2E_orders.o.x"


def test_files_are_compressed_with_deflate(formatter: AvroFormatter) -> None:
    """The codec that every reader has."""
    assert fastavro.reader(io.BytesIO(file_of(formatter, {"a": 1}))).codec == "deflate"


def test_a_later_file_keeps_the_columns_of_the_earlier(formatter: AvroFormatter) -> None:
    """Columns widen, and never go or narrow."""
    write(formatter, {"a": 1, "b": {"c": "x"}})
    write(formatter, {"a": 0.5})

    assert write(formatter, {"a": 2}) == [{"a": 2.0, "b": None}]


def test_mixed_kinds_become_text(formatter: AvroFormatter) -> None:
    """In the file in which they meet, and in those after it."""
    write(formatter, {"a": 1})

    assert write(formatter, {"a": "x"}, {"a": {"b": [1.5]}}, {"a": True}) == [
        {"a": "x"},
        {"a": '{"b":[1.5]}'},
        {"a": "true"},
    ]
    assert write(formatter, {"a": 3, "b": 1}) == [{"a": "3", "b": 1}]


@pytest.mark.parametrize("value", [True, 1.5, "x", [1], {"b": 1}, 2**63, 10**400])
def test_no_value_is_bent_into_a_column_of_another_kind(formatter: AvroFormatter, value: Any) -> None:
    """Neither into one of integers, nor into one that was always null."""
    write(formatter, {"a": 1, "n": None, "l": [None]})
    (record,) = write(formatter, {"a": value, "n": value, "l": [value]})

    assert record["n"] in (value, str(value))
    assert record["l"] in ([value], [str(value)])
    assert record["a"] in (value, str(value), json.dumps(value, separators=(",", ":")))


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"x": [{"y": v}]}])
def test_an_integer_is_not_rounded_among_fractions(formatter: AvroFormatter, wrap: Any) -> None:
    """Where a double would round one, the column becomes text."""
    write(formatter, {"a": wrap(0.5)})

    assert write(formatter, {"a": wrap(2**53)}) == [{"a": wrap(float(2**53))}]
    assert write(formatter, {"a": wrap(2**53 + 1)}) == [{"a": wrap(str(2**53 + 1))}]


def test_a_hint_for_fastavro_is_a_field_like_others(formatter: AvroFormatter) -> None:
    """Fastavro reads `-type` in a record as the name of a branch; here it is data."""
    write(formatter, {"a": {"b": 1}})

    assert write(formatter, {"a": {"-type": "orders.a", "b": 1}, "-type": "orders"}) == [
        {"a": {"b": 1, "_x2D_type": "orders.a"}, "_x2D_type": "orders"}
    ]


def test_the_original_name_stands_in_the_doc(formatter: AvroFormatter) -> None:
    """Those who read the schema see what the field was called."""
    schema: Any = fastavro.reader(io.BytesIO(file_of(formatter, {"order id": 1, "plain": 1}))).writer_schema

    assert [(field["name"], field.get("doc")) for field in schema["fields"]] == [
        ("order_x20_id", "order id"),
        ("plain", None),
    ]


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("_xAF0é-", max_size=8))
@example("")
@example("_x_")
@example("_xé")
@example("1_x2D_")
def test_every_name_can_be_escaped_and_read_back(name: str) -> None:
    """Escaped names keep to Avro's rules, and no two names become one."""
    escaped = avro_name(name)

    assert escaped.isascii()
    assert escaped.isidentifier()
    assert original_name(escaped) == name


@pytest.mark.parametrize("name", ["a", "order_id", "_", "pos_x", "_x", "tax_x_1", "A1"])
def test_names_that_avro_allows_are_rarely_touched(name: str) -> None:
    """Only what looks like an escape is."""
    assert avro_name(name) == name or "_x_" in name


def test_a_file_that_lost_whole_blocks_is_not_counted(formatter: AvroFormatter) -> None:
    """The header says how many records there should be, as Avro has no footer."""
    file = file_of(formatter, *[{"a": f"{n}" * 500} for n in range(500)])
    blocks = [*fastavro.block_reader(io.BytesIO(file))]
    end_of_the_first = blocks[0].offset + blocks[0].size

    assert len(blocks) > 1

    with pytest.raises(ValueError, match="of 500 records"):
        formatter.count(io.BytesIO(file[:end_of_the_first]))


def test_records_that_are_no_objects_are_rejected(formatter: AvroFormatter) -> None:
    """Columns need names."""
    with pytest.raises(RejectedRecords) as caught:
        write(formatter, b"1", {"a": 1}, b"[{}]")

    assert list(caught.value.reasons) == [0, 2]
