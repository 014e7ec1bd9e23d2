from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import streamhouse_connect_server
from streamhouse_connect.cli import serve as module
from streamhouse_connect_server import Settings

from .conftest import Run


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What would have been served."""
    served: list[Settings] = []

    async def serve(settings: Settings, *, ready: Callable[[str], None]) -> None:
        served.append(settings)

    monkeypatch.setattr(streamhouse_connect_server, "serve", serve)
    monkeypatch.setattr(module, "configure_logging", lambda **_: None)
    return served


def test_without_the_server_there_is_a_remedy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a distribution of its own."""
    monkeypatch.setattr(module, "_SERVER", "not_installed_here")
    outcome = run("serve")
    assert outcome.code == 2
    assert outcome.err == 'error: serve needs the server: pip install "streamhouse-connect[server]"\n'


def test_kafka_is_reached_as_its_file_says(run: Run, served: list[Settings], tmp_path: Path) -> None:
    """The command line counts more than the file."""
    file = tmp_path / "kafka.properties"
    file.write_text("bootstrap.servers=a:1\nsasl.password=hunter2\n")
    kafka = ("serve", "--broker", "kafka", "--broker-config", file)
    assert run(*kafka).code == 0
    assert (
        run(*kafka, "--bootstrap-servers", "b:2", "--group", "g", "--worker-id", "w", "--definitions", "sqlite").code
        == 0
    )
    first, second = served
    assert (first.bootstrap_servers, first.broker_properties) == ("a:1", {"sasl.password": "hunter2"})
    assert (first.group, first.definitions, first.worker_id) == ("streamhouse-connect", None, None)
    assert (second.bootstrap_servers, second.broker_properties["sasl.password"]) == ("b:2", "hunter2")
    assert (second.group, second.definitions, second.worker_id) == ("g", "sqlite", "w")


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (("--broker", "kafka"), ["bootstrap_servers is required"]),
        (("--bootstrap-servers", "a:1", "--definitions", "kafka"), ["bootstrap_servers is for", "definitions is for"]),
        (("--group", "a b", "--worker-id", ""), ["group must be", "worker_id must be"]),
    ],
)
def test_what_does_not_fit_is_told_at_once(
    run: Run, served: list[Settings], options: tuple[str, ...], wrong: list[str]
) -> None:
    """A line for each, and exit code 2."""
    outcome = run("serve", *options)
    assert (outcome.code, served) == (2, [])
    assert [line.startswith(f"error: {text}") for line, text in zip(outcome.err.splitlines(), wrong, strict=True)]


def test_a_bad_file_of_properties_is_told_without_its_values(run: Run, served: list[Settings], tmp_path: Path) -> None:
    """Before anything is opened."""
    file = tmp_path / "kafka.properties"
    file.write_text("sasl.password=hunter1\nhunter2\n")
    outcome = run("serve", "--broker", "kafka", "--bootstrap-servers", "a:1", "--broker-config", file)
    assert (outcome.code, served) == (2, [])
    assert outcome.err == f"error: {file}, line 2: has no value; write it as name=value\n"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, [("broker", "embedded"), ("data directory", "/d")]),
        (
            {"broker": "kafka", "bootstrap_servers": "a:1,b:1", "group": "g"},
            [("broker", "Kafka at a:1,b:1"), ("group", "g")],
        ),
        (
            {"broker": "kafka", "bootstrap_servers": "a:1", "definitions": "sqlite"},
            [("broker", "Kafka at a:1"), ("data directory", "/d")],
        ),
    ],
)
def test_the_announcement_says_where_things_are(given: dict[str, Any], told: list[tuple[str, str]]) -> None:
    """The broker, and what holds the connectors."""
    assert module._places(Settings(data_dir=Path("/d"), **given)) == told


@pytest.mark.parametrize(
    "option", [("--port", "65536"), ("--port", "http"), ("--shutdown-timeout", "-1"), ("--log-level", "loud")]
)
def test_bad_options_are_refused(run: Run, tmp_path: Path, option: tuple[str, str]) -> None:
    """Before anything is opened."""
    assert run("serve", *option, "--data-dir", tmp_path / "data").code == 2
    assert not (tmp_path / "data").exists()
