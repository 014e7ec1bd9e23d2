"""The product as a process of its own, as its users run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx

from services.ports import free_port


@attrs.frozen
class Server:
    """A `streamhouse-connect serve` that answers at `url`."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def request(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """Send a request with a JSON body and return the JSON of the answer, which must have this status."""
        answer = httpx.request(method, f"{self.url}/api/v1{path}", json=body, timeout=60)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def drained(self, name: str, *, within: float = 120.0) -> Any:
        """Wait until a connector has delivered all that is in its topics, and return it."""
        deadline = time.monotonic() + within

        while True:
            shown = self.request("GET", f"/connectors/{name}")
            partitions = shown["status"]["partitions"]

            if partitions and not any(partition["lag"] for partition in partitions):
                return shown

            assert shown["state"] != "failed", shown["errorMessage"]
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)

    def stop(self) -> int:
        """Ask it to end and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def serving(directory: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a server with its data in `directory`; it is killed at the end if it still runs."""
    port = free_port()
    log = directory / "serve.log"
    command = [sys.executable, "-m", "streamhouse_connect", "serve", "--port", str(port)]

    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--data-dir", str(directory / "data")],
            stdout=out,
            stderr=out,
            env={**os.environ, **(environment or {})},
        )

    server = Server(process, f"http://127.0.0.1:{port}", log)

    try:
        _wait_until_ready(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + 30

    while True:
        assert server.process.poll() is None, server.log.read_text()
        assert time.monotonic() < deadline, server.log.read_text()

        try:
            if httpx.get(f"{server.url}/ready", timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
