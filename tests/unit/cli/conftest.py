"""The command line inside the test's process, and a server that answers what it is told."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Protocol

import attrs
import pytest

from streamhouse_connect.cli import main


@attrs.frozen
class Outcome:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


class Run(Protocol):
    """Runs the command line."""

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Outcome: ...


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `streamhouse-connect` with these arguments."""
    monkeypatch.delenv("STREAMHOUSE_CONNECT_URL", raising=False)
    monkeypatch.delenv("STREAMHOUSE_CONNECT_DEBUG", raising=False)

    def call(*arguments: object, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@attrs.define
class ScriptedServer:
    """Answers every request with `status` and `body`, and remembers what it was asked."""

    url: str
    status: int = 200
    body: bytes = b"[]"
    breaks: bool = False
    """Whether it hangs up instead."""
    requests: list[tuple[str, str, bytes]] = attrs.field(factory=list)


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """A server on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length", 0))
            script.requests.append((self.command, self.path, self.rfile.read(length)))

            if script.breaks:
                return

            self.send_response(script.status)
            self.send_header("content-length", str(len(script.body)))
            self.end_headers()
            self.wfile.write(script.body)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    script = ScriptedServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    server.shutdown()
    thread.join()
    server.server_close()
