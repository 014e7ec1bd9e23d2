from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streamhouse_connect.cli.parquet_files import Totals, find_files, read_totals, tree


def write(file: Path, distances: list[int | None]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"year": [2013] * len(distances), "distance": pa.array(distances, pa.int64())})
    pq.write_table(table, file)


def test_rows_and_distances_are_added_up(tmp_path: Path) -> None:
    """Of all files; the directories' names are not columns."""
    write(tmp_path / "t" / "year=1" / "a.parquet", [1, 2, None])
    write(tmp_path / "t" / "year=2" / "b.parquet", [None])
    assert read_totals(find_files(tmp_path)) == Totals(4, 3)


def test_no_files_are_nothing(tmp_path: Path) -> None:
    """As before the first is written."""
    assert find_files(tmp_path / "missing") == []
    assert read_totals([]) == Totals(0, 0)


def test_a_long_directory_is_shortened(tmp_path: Path) -> None:
    """The rest is counted; names of files too."""
    for day in range(1, 6):
        (tmp_path / "t" / f"day={day}").mkdir(parents=True)

    (tmp_path / "t" / "day=1" / "batch-0a1b2c3d-0000-5000-8000-000000000000.parquet").write_bytes(b"x" * 1500)
    assert list(tree(tmp_path / "t")) == [
        "t/",
        "├── day=1/",
        "│   └── batch-0a1b2c3d….parquet  1.5 kB",
        "├── day=2/",
        "└── … 3 more directories",
    ]


def test_nothing_is_shortened_by_one_line(tmp_path: Path) -> None:
    """Three entries take as much room as two and a count."""
    for name in ("a", "b", "c"):
        (tmp_path / "t" / name).mkdir(parents=True)

    assert list(tree(tmp_path / "t")) == ["t/", "├── a/", "├── b/", "└── c/"]
