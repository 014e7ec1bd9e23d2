from __future__ import annotations

import json

import pytest

from streamhouse_connect import OptionInfo, Registry
from streamhouse_connect.cli import plugins as module

from .conftest import Run


def test_the_list_is_what_is_installed(run: Run) -> None:
    """With and without its command."""
    outcome = run("plugins")
    assert outcome.code == 0
    assert outcome.out.splitlines()[0].split() == ["KIND", "NAME", "INSTALLED", "WITH", "DESCRIPTION"]
    assert any(line.split()[:2] == ["sink", "file-sink"] for line in outcome.out.splitlines())
    assert run("plugins", "list").out == outcome.out


def test_a_script_gets_every_option(run: Run) -> None:
    """Of plugins that work; the others are apart."""
    listed = json.loads(run("plugins", "list", "-o", "json").out)
    assert set(listed) == {"plugins", "broken"}
    sink = next(plugin for plugin in listed["plugins"] if plugin["name"] == "file-sink")
    assert "file.path" in [option["key"] for option in sink["options"]]
    assert json.loads(run("plugins", "describe", "file", "-o", "json").out) == sink


def test_the_output_may_be_chosen_before_the_command(run: Run) -> None:
    """`plugins` alone lists, and takes what `list` does; what is given last counts."""
    listed = run("plugins", "list", "-o", "json").out
    assert run("plugins", "-o", "json").out == listed
    assert run("plugins", "-o", "json", "list").out == listed
    assert run("plugins", "-o", "json", "list", "-o", "table").out == run("plugins").out
    assert json.loads(run("plugins", "-o", "json", "describe", "file").out)["name"] == "file-sink"


def test_a_broken_plugin_is_listed_with_the_reason(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is installed, and of no use."""

    class Plugin:
        __name__ = "odd"

    monkeypatch.setattr(module, "Registry", lambda: Registry(entry_points=False, plugins=[Plugin()]))
    (line,) = [line for line in run("plugins").out.splitlines() if line.startswith("broken")]
    assert "hook" in line


def test_an_alias_leads_to_the_plugin(run: Run) -> None:
    """Every option has its type, default and description."""
    outcome = run("plugins", "describe", "file")
    assert outcome.code == 0
    assert outcome.out.startswith("sink:           file-sink\n")
    (path,) = [line for line in outcome.out.splitlines() if line.startswith("file.path")]
    assert path.split()[1:3] == ["string", "required"]
    assert "none | all" in outcome.out
    assert "64 MiB" in outcome.out


def test_a_misspelt_plugin_is_guessed(run: Run) -> None:
    """It is no failure of the command line's usage."""
    outcome = run("plugins", "describe", "file-snk")
    assert outcome.code == 1
    assert "did you mean file-sink?" in outcome.err


@pytest.mark.parametrize(
    ("default", "shown"),
    [(None, "-"), ("", '""'), (True, "true"), (5, "5"), (3 << 20, "3 MiB"), (0, "0"), (1500, "1500")],
)
def test_defaults_are_shown_as_they_are_written(default: object, shown: str) -> None:
    """An absent one is told from an empty one."""
    option = OptionInfo(key="x", type="size", required=False, default=default, doc="")
    assert module._default(option) == shown
