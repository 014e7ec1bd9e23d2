"""Parquet files."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamhouse_connect import RejectedRecords
from streamhouse_connect.formatters.parquet import ParquetConfig, ParquetFormatter
from streamhouse_connect.testing import make_batch


@pytest.fixture
def formatter() -> ParquetFormatter:
    return ParquetFormatter(ParquetConfig())


def write(formatter: ParquetFormatter, *values: Any) -> pa.Table:
    """Write a file of these records and read it."""
    out = io.BytesIO()
    formatter.format(make_batch([v if isinstance(v, bytes) else json.dumps(v).encode() for v in values]), out)
    return pq.ParquetFile(io.BytesIO(out.getvalue())).read()


def test_columns_have_the_types_of_their_values(formatter: ParquetFormatter) -> None:
    """Text stays text, dates too; every column may be null."""
    table = write(
        formatter, {"i": 1, "d": 0.5, "s": "2026-02-10T14:00:00Z", "b": True, "l": [1], "o": {"x": "y"}, "n": None}
    )

    assert table.schema.remove_metadata() == pa.schema(
        [
            ("i", pa.int64()),
            ("d", pa.float64()),
            ("s", pa.string()),
            ("b", pa.bool_()),
            ("l", pa.list_(pa.field("element", pa.int64()))),
            ("o", pa.struct([("x", pa.string())])),
            ("n", pa.null()),
        ]
    )


def test_files_are_compressed_with_zstd(formatter: ParquetFormatter) -> None:
    """Every column is."""
    out = io.BytesIO()
    formatter.format(make_batch([b'{"a":1,"b":"x"}']), out)
    group = pq.ParquetFile(io.BytesIO(out.getvalue())).metadata.row_group(0)

    assert {group.column(index).compression for index in range(group.num_columns)} == {"ZSTD"}


def test_a_later_file_keeps_the_columns_of_the_earlier(formatter: ParquetFormatter) -> None:
    """Columns widen, and never go or narrow, even where a file has no value for them."""
    write(formatter, {"a": 1, "b": {"c": "x"}})
    write(formatter, {"a": 0.5, "d": None})
    table = write(formatter, {"a": 2})

    assert table.to_pylist() == [{"a": 2.0, "b": None, "d": None}]
    assert table.schema.field("a").type == pa.float64()
    assert table.schema.field("b").type == pa.struct([("c", pa.string())])


def test_mixed_kinds_become_text(formatter: ParquetFormatter) -> None:
    """In the file in which they meet, and in those after it."""
    assert write(formatter, {"a": 1}, {"a": 2}).to_pylist() == [{"a": 1}, {"a": 2}]
    assert write(formatter, {"a": "x"}, {"a": {"b": [1.5, None]}}, {"a": True}).to_pylist() == [
        {"a": "x"},
        {"a": '{"b":[1.5,null]}'},
        {"a": "true"},
    ]
    assert write(formatter, {"a": 3}, {"a": None}, {"a": 10**30}).to_pylist() == [
        {"a": "3"},
        {"a": None},
        {"a": str(10**30)},
    ]


def test_fields_that_come_beside_mixed_ones_are_learned(formatter: ParquetFormatter) -> None:
    """A topic with a mixed column goes on learning the others."""
    write(formatter, {"a": 1}, {"a": "x"})

    assert write(formatter, {"a": 1, "b": [1]}, {"b": [0.5]}).to_pylist() == [
        {"a": "1", "b": [1.0]},
        {"a": None, "b": [0.5]},
    ]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400])
def test_integers_beyond_64_bits_keep_every_digit(formatter: ParquetFormatter, number: int) -> None:
    """They are text, and so are their neighbours."""
    write(formatter, {"a": 1})

    assert write(formatter, {"a": number}, {"a": 2}).to_pylist() == [{"a": str(number)}, {"a": "2"}]


def test_a_number_that_no_double_holds_is_text(formatter: ParquetFormatter) -> None:
    """It is not infinity."""
    write(formatter, {"a": 0.5})

    assert write(formatter, b'{"a":1e400}', b'{"a":0.5}').to_pylist() == [{"a": "1e400"}, {"a": "0.5"}]


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"x": [{"y": v}]}])
def test_an_integer_is_not_rounded_among_fractions(formatter: ParquetFormatter, wrap: Any) -> None:
    """Where a double would round one, the column becomes text; a large fraction does not make it so."""
    write(formatter, {"a": wrap(0.5)})
    exact = write(formatter, {"a": wrap(2**53)}, {"a": wrap(1e300)})
    rounded = write(formatter, {"a": wrap(2**53 + 1)})

    assert exact.to_pylist() == [{"a": wrap(float(2**53))}, {"a": wrap(1e300)}]
    assert rounded.to_pylist() == [{"a": wrap(str(2**53 + 1))}]


def test_the_last_of_doubled_keys_wins(formatter: ParquetFormatter) -> None:
    """As in most readers of JSON; also inside, and beside records that are well."""
    values = [b'{"a":1,"a":2}', b'{"b":{"c":1,"c":null}}', b'{"a":3}']

    assert write(formatter, *values).to_pylist() == [
        {"a": 2, "b": None},
        {"a": None, "b": {"c": None}},
        {"a": 3, "b": None},
    ]
    assert write(formatter, *values).num_rows == 3


def test_a_list_of_nulls_takes_whatever_comes(formatter: ParquetFormatter) -> None:
    """Strings do not slip in before the column knows that it holds strings."""
    assert write(formatter, {"a": []}, {"a": [None, None]}).to_pylist() == [{"a": []}, {"a": [None, None]}]
    write(formatter, {"a": ["x"]})

    assert write(formatter, {"a": [1]}).to_pylist() == [{"a": ["1"]}]


def test_an_object_without_fields_has_a_placeholder(formatter: ParquetFormatter) -> None:
    """It goes as soon as there is a field; an empty object is not null."""
    assert write(formatter, {"a": {}}, {"a": None}).to_pylist() == [{"a": {"_": None}}, {"a": None}]
    assert write(formatter, {"a": {"b": 1}}, {"a": {}}).to_pylist() == [{"a": {"b": 1}}, {"a": {"b": None}}]


def test_a_field_with_the_placeholders_name_is_a_field(formatter: ParquetFormatter) -> None:
    """Nothing is lost to the stand-in."""
    write(formatter, {"a": {}})

    assert write(formatter, {"a": {"_": 1}}, {"_": 2}).to_pylist() == [{"a": {"_": 1}, "_": None}, {"a": None, "_": 2}]


def test_records_that_are_no_objects_are_rejected(formatter: ParquetFormatter) -> None:
    """Columns need names."""
    with pytest.raises(RejectedRecords) as caught:
        write(formatter, b"1", {"a": 1}, b"[{}]", b"null")

    assert list(caught.value.reasons) == [0, 2, 3]


def test_objects_on_one_line_are_rejected(formatter: ParquetFormatter) -> None:
    """Arrow's reader would take the second for a record of its own."""
    with pytest.raises(RejectedRecords):
        write(formatter, b'{"a":1}{"a":2}')


def test_a_record_may_be_larger_than_arrows_blocks(formatter: ParquetFormatter) -> None:
    """A batch is read as one block."""
    table = write(formatter, {"a": "x" * (5 << 20)}, {"a": "y"})

    assert table.column("a").to_pylist() == ["x" * (5 << 20), "y"]
