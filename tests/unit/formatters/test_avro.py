"""Avro files."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest

from streamhouse_connect import RejectedRecords
from streamhouse_connect.formatters.avro import AvroConfig, AvroFormatter
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


def batch_file(formatter: AvroFormatter, *values: bytes | None, **columns: Any) -> Any:
    """Return a reader of the file of a batch."""
    out = io.BytesIO()
    formatter.format(make_batch(values, **columns), out)
    return fastavro.reader(io.BytesIO(out.getvalue()))


@pytest.mark.parametrize("compression", ["deflate", "zstandard", "snappy", "null"])
def test_blocks_are_compressed_as_asked(compression: Any) -> None:
    """The header says how."""
    config = AvroConfig(compression=compression)
    reader = batch_file(AvroFormatter(config), b'{"a":1}')

    assert [*config.problems()] == []
    assert reader.codec == compression
    assert [*reader] == [{"a": 1}]


def test_a_compression_whose_library_is_missing_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install, before anything runs."""
    monkeypatch.setitem(sys.modules, "cramjam", None)
    (problem,) = AvroConfig(compression="snappy").problems()

    assert str(problem) == (
        'compression snappy needs cramjam: pip install "streamhouse-connect[snappy]", or choose deflate'
    )


def test_the_schema_that_was_learned_stands_in_the_file(formatter: AvroFormatter) -> None:
    """With the names as the records have them."""
    reader = batch_file(formatter, b'{"order-id":1}')

    assert reader.metadata["streamhouse.schema"] == '{"version":1,"shape":{"order-id":"int"}}'
    assert formatter.learned("orders") == b'{"version":1,"shape":{"order-id":"int"}}'


def test_a_tombstone_is_a_record_of_nulls(formatter: AvroFormatter) -> None:
    """Also the first of all."""
    assert [*batch_file(formatter, None)] == [{}]
    assert [*batch_file(formatter, b'{"a":1}', None)] == [{"a": 1}, {"a": None}]


NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)


def test_exact_times_become_instants_where_asked_for() -> None:
    """On every level; the first other string makes the column text."""
    formatter = AvroFormatter(AvroConfig(infer_timestamps=True))

    for _ in range(2):
        assert write(formatter, {"a": "2026-02-10T12:00:00Z", "b": [{"c": "2026-02-10T14:00:00+02:00"}, None]}) == [
            {"a": NOON, "b": [{"c": NOON}, None]}
        ]

    assert write(formatter, {"a": "2026-02-10"}, {"b": [{"c": 1}]}) == [
        {"a": "2026-02-10", "b": None},
        {"a": None, "b": [{"c": "1"}]},
    ]


def test_strict_schemas_reject_what_does_not_fit() -> None:
    """With the field."""
    formatter = AvroFormatter(AvroConfig(schema_evolution="strict"))
    write(formatter, {"a": 1})

    with pytest.raises(RejectedRecords) as caught:
        write(formatter, {"a": 2}, {"a": "x"}, {"b": 1})

    assert caught.value.reasons == {
        1: "its field a does not fit the column of int that is known",
        2: "its field b is not in the schema that is known",
    }


ENVELOPE = {"_topic": "orders", "_partition": 0, "_offset": 0, "_timestamp": NOON, "_key": b"\xff"}


def test_records_stand_before_their_values() -> None:
    """The value's names are escaped, inner records may have any."""
    formatter = AvroFormatter(AvroConfig(envelope="true"))
    reader = batch_file(
        formatter,
        b'{"header":{"_key":1},"a b":2}',
        keys=[b"\xff"],
        timestamps=[1_770_724_800_000],
        headers=[(("x", b"\x00"), ("x", None))],
    )

    assert [*reader] == [
        {
            **ENVELOPE,
            "_headers": [{"name": "x", "value": b"\x00"}, {"name": "x", "value": None}],
            "header": {"_key": 1},
            "a_x20_b": 2,
        }
    ]
    assert next(iter(batch_file(formatter, None)))["_timestamp"] is None


def test_a_record_with_a_field_of_such_a_name_is_rejected() -> None:
    """Whether or not it is the first, and whatever was learned before there was an envelope."""
    formatter = AvroFormatter(AvroConfig(envelope="true"))
    before = AvroFormatter(AvroConfig())
    write(before, {"_key": "x", "a": 1})
    formatter.adopt("orders", before.learned("orders") or b"")

    for _ in range(2):
        with pytest.raises(RejectedRecords, match="_key has the name of a column of the envelope") as caught:
            write(formatter, {"a": 1}, {"_key": "x"})

        assert list(caught.value.reasons) == [1]
        write(formatter, {"a": 1})


def test_raw_values_may_be_any_bytes() -> None:
    """They are not looked at, and there is nothing to learn."""
    formatter = AvroFormatter(AvroConfig(envelope="raw"))
    reader = batch_file(formatter, b"\xff\x00", b"", None, topic="a-b")

    assert [(record["_topic"], record["_offset"], record["_value"]) for record in reader] == [
        ("a-b", 0, b"\xff\x00"),
        ("a-b", 1, b""),
        ("a-b", 2, None),
    ]
    assert formatter.learned("a-b") is None
