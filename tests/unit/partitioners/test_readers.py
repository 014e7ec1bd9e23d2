"""Paths as those who query the files read them: pyarrow and DuckDB, without a schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from streamhouse_connect.partitioners import NO_PARTITION, FieldPartitioner, PatternPartitioner
from streamhouse_connect.partitioners.field import FieldConfig
from streamhouse_connect.partitioners.pattern import PatternConfig
from streamhouse_connect.testing import make_batch

NOON = 1_770_724_800_000  # 2026-02-10T12:00:00Z
TEXTS = [
    "a/b",
    "a=b",
    "..",
    "50% off",
    "Zürich 東京",
    'quo"te',
    "true",
    "null-ish",
    "1",
    "line\nbreak",
    "a\\b",
    "+",
    "#?",
]


Reader = Callable[..., list[dict[str, object]]]


def file(root: Path, partitioner: FieldPartitioner | PatternPartitioner, values: list[dict[str, object]]) -> None:
    """Write each path's records, by their numbers, into a file under it."""
    batch = make_batch([json.dumps(value).encode() for value in values], timestamps=[NOON] * len(values))

    for path, indexes in partitioner.split(batch):
        (root / path).mkdir(parents=True)
        pq.write_table(pa.table({"number": [*indexes]}), root / path / "batch.parquet")


def by_pyarrow(root: Path, *columns: str) -> list[dict[str, object]]:
    """Return all rows in the order of their numbers."""
    table = ds.dataset(root, partitioning="hive").to_table(["number", *columns])
    return sorted(table.to_pylist(), key=lambda row: row["number"])


def by_duckdb(root: Path, *columns: str) -> list[dict[str, object]]:
    """Return all rows in the order of their numbers."""
    names = ", ".join(f'"{column}"' for column in ("number", *columns))
    query = f"select {names} from read_parquet('{root}/**/*.parquet', hive_partitioning=true) order by number"
    relation = duckdb.sql(query)
    assert relation is not None
    return [dict(zip(("number", *columns), row, strict=True)) for row in relation.fetchall()]


@pytest.mark.parametrize("read", [by_pyarrow, by_duckdb])
class TestReaders:
    """What each reader makes of the paths."""

    def test_text_reads_back_as_it_was(self, tmp_path: Path, read: Reader) -> None:
        """Whatever is in it."""
        file(tmp_path, FieldPartitioner(FieldConfig(fields=("t",))), [{"t": text} for text in TEXTS])
        assert read(tmp_path, "t") == [{"number": number, "t": text} for number, text in enumerate(TEXTS)]

    def test_numbers_read_back_as_numbers(self, tmp_path: Path, read: Reader) -> None:
        """Readers infer them from the paths."""
        file(tmp_path, FieldPartitioner(FieldConfig(fields=("t", "u"))), [{"t": 7, "u": "a"}, {"t": -12, "u": "b"}])
        assert read(tmp_path, "t", "u") == [{"number": 0, "t": 7, "u": "a"}, {"number": 1, "t": -12, "u": "b"}]

    def test_a_missing_value_is_null(self, tmp_path: Path, read: Reader) -> None:
        """By the name that Hive has for it; the empty text has one of its own."""
        file(tmp_path, FieldPartitioner(FieldConfig(fields=("t",))), [{"t": "a"}, {}, {"t": None}, {"t": ""}])
        assert [row["t"] for row in read(tmp_path, "t")] == ["a", None, None, "__EMPTY__"]

    def test_time_and_field_are_columns(self, tmp_path: Path, read: Reader) -> None:
        """Of a pattern in the style of Hive."""
        config = PatternConfig(path="year=%Y/dt=%Y-%m-%d/tenant={field:tenant}")
        file(tmp_path, PatternPartitioner(config), [{"tenant": "a"}, {"tenant": "b"}])
        rows = [{key: str(value) for key, value in row.items()} for row in read(tmp_path, "year", "dt", "tenant")]
        assert rows == [
            {"number": number, "year": "2026", "dt": "2026-02-10", "tenant": tenant}
            for number, tenant in (("0", "a"), ("1", "b"))
        ]


def test_text_that_is_hives_null_is_told_apart_in_the_path_only(tmp_path: Path) -> None:
    """Readers decode before they compare: the record is in a directory of its own, and its file has what it is."""
    file(tmp_path, FieldPartitioner(FieldConfig(fields=("t",))), [{"t": NO_PARTITION}, {"t": None}, {"t": "a"}])
    assert len([*tmp_path.iterdir()]) == 3
    assert [row["t"] for row in by_pyarrow(tmp_path, "t")] == [None, None, "a"]
