from __future__ import annotations

import json
from pathlib import Path

from .conftest import Run

GOOD = {
    "name": "a",
    "connectorType": "sink",
    "connectorClass": "file-sink",
    "topics": ["t"],
    "config": {"file.path": "x"},
}


def write(directory: Path, name: str, body: object) -> Path:
    file = directory / name
    file.write_text(json.dumps(body))
    return file


def test_a_good_definition_is_valid(run: Run, tmp_path: Path) -> None:
    """One line says so."""
    file = write(tmp_path, "a.json", GOOD)
    outcome = run("validate", file)
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{file}: valid\n", "")


def test_every_problem_of_every_file_is_told(run: Run, tmp_path: Path) -> None:
    """Each in a line with its file and its field."""
    good = write(tmp_path, "good.json", GOOD)
    bad = write(tmp_path, "bad.json", {**GOOD, "topics": [], "config": {"batch.size": "many"}})
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    outcome = run("validate", good, bad, broken)
    assert outcome.code == 2
    assert outcome.out == f"{good}: valid\n"
    lines = outcome.err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    assert [
        field for field in ("topics", "file.path", "batch.size") if f"{bad}: " in outcome.err and field in outcome.err
    ]
    assert any(f"{broken}: line 1" in line for line in lines)


def test_what_is_odd_is_a_warning(run: Run, tmp_path: Path) -> None:
    """A misspelt option does not make it invalid."""
    file = write(tmp_path, "a.json", {**GOOD, "config": {"file.path": "x", "frmat": "json"}})
    outcome = run("validate", file)
    assert outcome.code == 0
    assert "did you mean format?" in outcome.err


def test_standard_input_has_a_name(run: Run) -> None:
    """In errors too."""
    assert run("validate", "-", stdin=json.dumps(GOOD).encode()).out == "standard input: valid\n"
    assert run("validate", "-", stdin=b"[]").err.startswith("error: standard input: not a JSON object")


def test_a_script_gets_json(run: Run, tmp_path: Path) -> None:
    """A list of verdicts, with an exit code that says whether all is well."""
    good = write(tmp_path, "good.json", GOOD)
    bad = write(tmp_path, "bad.json", {**GOOD, "config": {}})
    outcome = run("validate", "-o", "json", good, bad)
    assert outcome.code == 2
    first, second = json.loads(outcome.out)
    assert (first["valid"], first["problems"]) == (True, [])
    assert (second["valid"], second["problems"]) == (False, [{"field": "config.file.path", "message": "is required"}])


def test_the_destination_is_asked_where_that_is_wanted(run: Run, tmp_path: Path) -> None:
    """What is in its way is told with the option, and nothing is left there."""
    (tmp_path / "taken").touch()
    good = write(tmp_path, "good.json", {**GOOD, "config": {"file.path": str(tmp_path / "out")}})
    bad = write(tmp_path, "bad.json", {**GOOD, "config": {"file.path": str(tmp_path / "taken")}})

    assert run("validate", bad).code == 0
    assert run("validate", "--connect", good).out == f"{good}: valid\n"
    outcome = run("validate", "--connect", bad)
    assert outcome.code == 2
    assert f"{bad}: config.file.path: can't write" in outcome.err
    assert not (tmp_path / "out").exists()
