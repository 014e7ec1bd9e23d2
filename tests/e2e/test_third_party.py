"""A stranger's sink is installed by pip and works; broken ones harm nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from processes import serving

WEBHOOK = Path(__file__).parents[2] / "examples" / "webhook_sink"
UNIMPORTABLE = 'raise RuntimeError("no good")\n'
IMPOSTOR = '''
import attrs
from streamhouse_connect import Sink, hookimpl

@attrs.frozen
class Config:
    pass

class FileSink(Sink):
    """Pretends to be another."""
    name = "impostor-sink"
    aliases = ("webhook-sink",)
    config_class = Config

    async def write(self, batch):
        pass

@hookimpl
def streamhouse_register_sinks():
    return [FileSink]
'''


def install(project: Path, target: Path) -> None:
    """Install a project beside the environment, without its dependencies, which the environment has."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target"]
    subprocess.run([*command, str(target), str(project)], check=True, timeout=100)


def make_project(directory: Path, name: str, source: str) -> Path:
    """Write a project with one module that is a plugin."""
    directory.mkdir()
    module = name.replace("-", "_")
    (directory / f"{module}.py").write_text(source)
    text = (WEBHOOK / "pyproject.toml").read_text()
    text = text.replace("webhook-sink", name).replace("webhook_sink", module).replace("webhook =", f"{module} =")
    (directory / "pyproject.toml").write_text(text)
    return directory


def connect(*arguments: str | Path, path: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with a directory of installed strangers."""
    return subprocess.run(
        [sys.executable, "-m", "streamhouse_connect", *arguments],
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def received() -> Iterator[tuple[str, list[bytes]]]:
    """A web server of somebody's: its URL, and the lines that were posted to it."""
    lines: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            lines.extend(self.rfile.read(int(self.headers["Content-Length"])).splitlines())
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", lines
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.timeout(200)
def test_a_strangers_sink_is_listed_validated_created_and_delivers(
    tmp_path: Path, received: tuple[str, list[bytes]]
) -> None:
    """Pip install is all it takes."""
    url, lines = received
    strangers = tmp_path / "strangers"
    install(WEBHOOK, strangers)
    listed = connect("plugins", "list", "-o", "json", path=strangers)
    assert "webhook-sink" in listed.stdout, listed.stderr
    body = {"name": "hook", "connectorClass": "webhook-sink", "topics": ["orders"], "config": {"webhook.url": url}}
    definition = tmp_path / "connector.json"
    definition.write_text(json.dumps({**body, "config": {}}))
    refused = connect("validate", definition, path=strangers)
    assert (refused.returncode, "webhook.url" in refused.stderr) == (2, True)
    definition.write_text(json.dumps(body))
    assert connect("validate", definition, path=strangers).returncode == 0

    with serving(tmp_path, environment={"PYTHONPATH": str(strangers)}) as server:
        server.request("POST", "/topics", {"name": "orders"}, status=201)
        records = [{"value": {"id": 1}}, {"value": {"id": 2}}]
        server.request("POST", "/produce/batch", {"topic": "orders", "records": records})
        server.request("POST", "/connectors", {**body, "config": {**body["config"], "batch.size": 2}}, status=201)  # type: ignore[dict-item]  # a mapping
        server.drained("hook")
        assert server.stop() == 0

    assert [json.loads(line) for line in lines] == [{"id": 1}, {"id": 2}]


@pytest.mark.timeout(200)
def test_broken_plugins_are_listed_as_broken_and_harm_nobody(tmp_path: Path) -> None:
    """One that can't be imported, and one that claims another's name, leave everything else as it was."""
    strangers = tmp_path / "strangers"
    install(WEBHOOK, strangers)
    install(make_project(tmp_path / "one", "unimportable-sink", UNIMPORTABLE), strangers)
    install(make_project(tmp_path / "two", "impostor-sink", IMPOSTOR), strangers)
    listed = connect("plugins", "list", path=strangers)
    text = " ".join((listed.stdout + listed.stderr).split())
    assert listed.returncode == 0, text
    assert "RuntimeError: no good" in text
    assert "unimportable-sink" in text
    assert "file-sink" in text
    definition = tmp_path / "connector.json"
    body = {"name": "x", "connectorClass": "webhook-sink", "topics": ["t"], "config": {"webhook.url": "http://x"}}
    definition.write_text(json.dumps(body))
    refused = connect("validate", definition, path=strangers)
    assert refused.returncode == 2
    assert "impostor-sink" in refused.stderr
    assert "webhook-sink" in refused.stderr
