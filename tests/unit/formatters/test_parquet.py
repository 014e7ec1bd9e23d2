"""Parquet files."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamhouse_connect import FatalError, RejectedRecords
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


NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)


def file_of(formatter: ParquetFormatter, *values: bytes | None, **columns: Any) -> pq.ParquetFile:
    """Return the file of a batch."""
    out = io.BytesIO()
    formatter.format(make_batch(values, **columns), out)
    return pq.ParquetFile(io.BytesIO(out.getvalue()))


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "none"])
def test_columns_are_compressed_as_asked(compression: Any) -> None:
    """Every reader finds in the file how."""
    file = file_of(ParquetFormatter(ParquetConfig(compression=compression)), b'{"a":"xxxxxxxxxxxxxxxx"}')
    found = file.metadata.row_group(0).column(0).compression

    assert found == {"none": "UNCOMPRESSED"}.get(compression, compression.upper())
    assert file.read().to_pylist() == [{"a": "x" * 16}]


def test_row_groups_have_the_size_that_was_asked_for() -> None:
    """The last one may be smaller."""
    file = file_of(ParquetFormatter(ParquetConfig(row_group_size=2)), *[b"{}"] * 5)

    assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [2, 2, 1]


def test_the_schema_that_was_learned_stands_in_the_file(formatter: ParquetFormatter) -> None:
    """Whoever finds nothing but files knows how they came about."""
    file = file_of(formatter, b'{"a":1,"b":[{"c":null}]}')

    assert file.metadata.metadata[b"streamhouse.schema"] == formatter.learned("orders")
    assert formatter.learned("orders") == b'{"version":1,"shape":{"a":"int","b":[{"c":"null"}]}}'


def test_a_file_that_says_another_count_is_not_written(
    formatter: ParquetFormatter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the footer says is compared with the batch before anybody sees the file."""
    write = pq.write_table
    monkeypatch.setattr(pq, "write_table", lambda table, *args, **options: write(table.slice(1), *args, **options))
    out = io.BytesIO()

    with pytest.raises(FatalError, match="footer of a Parquet file of 2 records says 1"):
        formatter.format(make_batch([b'{"a":1}', b'{"a":2}']), out)

    assert out.getvalue() == b""


def test_a_tombstone_is_a_row_of_nulls(formatter: ParquetFormatter) -> None:
    """Also the first record of all."""
    assert file_of(formatter, None).metadata.num_rows == 1
    assert file_of(formatter, None, b'{"a":1}', None).read().to_pylist() == [{"a": None}, {"a": 1}, {"a": None}]


class TestTimestamps:
    """Where `infer.timestamps` is true."""

    @pytest.fixture
    def formatter(self) -> ParquetFormatter:
        return ParquetFormatter(ParquetConfig(infer_timestamps=True))

    def test_exact_times_become_instants(self, formatter: ParquetFormatter) -> None:
        """On every level, with any offset, and in files whose schema is known."""
        for _ in range(2):
            table = write(
                formatter,
                {"a": "2026-02-10T12:00:00Z", "b": [{"c": "2026-02-10T14:00:00+02:00"}, None, {}]},
                {"a": None, "b": [{"c": None}]},
                {"b": None},
            )

            assert table.schema.field("a").type == pa.timestamp("us", "UTC")
            assert table.to_pylist() == [
                {"a": NOON, "b": [{"c": NOON}, None, {"c": None}]},
                {"a": None, "b": [{"c": None}]},
                {"a": None, "b": None},
            ]

    @pytest.mark.parametrize("other", ["x", "2026-02-10", "2026-02-10T12:00:00", "2026-02-10T12:00:00.1234567Z"])
    def test_another_string_makes_the_column_text_for_good(self, formatter: ParquetFormatter, other: str) -> None:
        """As it came, in its file and in all that follow."""
        write(formatter, {"a": ["2026-02-10T12:00:00Z"]})

        assert write(formatter, {"a": ["2026-02-10T12:00:00Z", other]}).to_pylist() == [
            {"a": ["2026-02-10T12:00:00Z", other]}
        ]
        assert write(formatter, {"a": ["2026-02-10T12:00:00Z"]}).to_pylist() == [{"a": ["2026-02-10T12:00:00Z"]}]

    def test_another_kind_makes_the_column_text(self, formatter: ParquetFormatter) -> None:
        """A number is no time."""
        write(formatter, {"a": "2026-02-10T12:00:00Z"})

        assert write(formatter, {"a": 1}).to_pylist() == [{"a": "1"}]

    def test_beside_a_column_of_mixed_kinds_they_are_instants_too(self, formatter: ParquetFormatter) -> None:
        """The slow way reads the same."""
        write(formatter, {"a": "2026-02-10T12:00:00Z", "b": 1}, {"b": "x"})

        assert write(formatter, {"a": "2026-02-10T12:00:00Z", "b": 2}).to_pylist() == [{"a": NOON, "b": "2"}]

    def test_a_column_that_was_learned_without_stays_text(self, formatter: ParquetFormatter) -> None:
        """And one of instants becomes text where they are no longer asked for."""
        without = ParquetFormatter(ParquetConfig())
        write(without, {"a": "2026-02-10T12:00:00Z"})
        formatter.adopt("orders", without.learned("orders") or b"")
        write(formatter, {"a": "2026-02-10T12:00:00Z", "b": "2026-02-10T12:00:00Z"})
        without.adopt("orders", formatter.learned("orders") or b"")

        assert write(formatter, {}).schema.field("a").type == pa.string()
        assert write(without, {}).schema.field("b").type == pa.string()


class TestStrict:
    """Where `schema.evolution` is strict."""

    @pytest.fixture
    def formatter(self) -> ParquetFormatter:
        formatter = ParquetFormatter(ParquetConfig(schema_evolution="strict"))
        write(formatter, {"a": 1, "b": {"c": "x"}, "n": None}, {"a": 2})
        return formatter

    def test_records_that_do_not_fit_are_rejected_with_their_field(self, formatter: ParquetFormatter) -> None:
        """All of them at once; nothing is learned of them."""
        learned = formatter.learned("orders")

        with pytest.raises(RejectedRecords) as caught:
            write(formatter, {"a": 1}, {"a": 0.5}, {"b": {"d": 1}}, {"a": 3})

        assert caught.value.reasons == {
            1: "its field a does not fit the column of int that is known",
            2: "its field b.d is not in the schema that is known",
        }
        assert formatter.learned("orders") == learned

    def test_records_that_fit_are_written(self, formatter: ParquetFormatter) -> None:
        """And a column of nulls takes its first type."""
        assert write(formatter, {"a": 2**60}, {"n": 0.5}).to_pylist() == [
            {"a": 2**60, "b": None, "n": None},
            {"a": None, "b": None, "n": 0.5},
        ]

        with pytest.raises(RejectedRecords):
            write(formatter, {"n": "x"})

    def test_the_schema_that_is_kept_wins(self, formatter: ParquetFormatter) -> None:
        """Of two workers that learned apart, the second takes over what the first has kept, and rejects by it."""
        other = ParquetFormatter(ParquetConfig(schema_evolution="strict"))
        write(other, {"a": "x"})
        other.adopt("orders", formatter.learned("orders") or b"")

        with pytest.raises(RejectedRecords):
            write(other, {"a": "x"})

        assert other.learned("orders") == formatter.learned("orders")


class TestEnvelope:
    """Where `envelope` is true, or raw."""

    @pytest.fixture
    def formatter(self) -> ParquetFormatter:
        return ParquetFormatter(ParquetConfig(envelope="true"))

    def test_records_stand_before_their_values(self, formatter: ParquetFormatter) -> None:
        """The columns of the envelope never move."""
        table = file_of(formatter, b'{"a":1}', None, keys=[b"x", b"y"], timestamps=[1_770_724_800_000, -1]).read()

        assert table.to_pylist() == [
            {
                "_topic": "orders",
                "_partition": 0,
                "_offset": 0,
                "_timestamp": NOON,
                "_key": b"x",
                "_headers": [],
                "a": 1,
            },
            {
                "_topic": "orders",
                "_partition": 0,
                "_offset": 1,
                "_timestamp": None,
                "_key": b"y",
                "_headers": [],
                "a": None,
            },
        ]

    def test_a_record_with_a_field_of_such_a_name_is_rejected(self, formatter: ParquetFormatter) -> None:
        """Whether or not it is the first; inner fields may be called what they like."""
        for _ in range(2):
            with pytest.raises(RejectedRecords, match="_key has the name of a column of the envelope") as caught:
                file_of(formatter, b'{"a":{"_key":1}}', b'{"_key":1}')

            assert list(caught.value.reasons) == [1]
            file_of(formatter, b'{"a":{"_key":1}}')

    def test_a_column_of_such_a_name_that_was_learned_before_goes(self, formatter: ParquetFormatter) -> None:
        """Records had such a field before there was an envelope."""
        before = ParquetFormatter(ParquetConfig())
        file_of(before, b'{"_key":{"x":1},"a":1}')
        formatter.adopt("orders", before.learned("orders") or b"")

        assert file_of(formatter, b'{"a":1}').schema_arrow.names[5:] == ["_headers", "a"]

    def test_raw_values_may_be_any_bytes(self) -> None:
        """They are not looked at, and there is nothing to learn."""
        formatter = ParquetFormatter(ParquetConfig(envelope="raw"))
        table = file_of(formatter, b"\xff\x00", b"", None, b"{}", headers=[(("a", b"\xff"),), (), (), ()]).read()

        assert table.column("_value").to_pylist() == [b"\xff\x00", b"", None, b"{}"]
        assert table.column("_headers")[0].as_py() == [{"name": "a", "value": b"\xff"}]
        assert table.column("_offset").to_pylist() == [0, 1, 2, 3]
        assert formatter.learned("orders") is None
