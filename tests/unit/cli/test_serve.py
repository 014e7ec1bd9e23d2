from __future__ import annotations

from pathlib import Path

import pytest

from streamhouse_connect.cli import serve as module

from .conftest import Run


def test_without_the_server_there_is_a_remedy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a distribution of its own."""
    monkeypatch.setattr(module, "_SERVER", "not_installed_here")
    outcome = run("serve")
    assert outcome.code == 2
    assert outcome.err == 'error: serve needs the server: pip install "streamhouse-connect[server]"\n'


@pytest.mark.parametrize(
    "option", [("--port", "65536"), ("--port", "http"), ("--shutdown-timeout", "-1"), ("--log-level", "loud")]
)
def test_bad_options_are_refused(run: Run, tmp_path: Path, option: tuple[str, str]) -> None:
    """Before anything is opened."""
    assert run("serve", *option, "--data-dir", tmp_path / "data").code == 2
    assert not (tmp_path / "data").exists()
