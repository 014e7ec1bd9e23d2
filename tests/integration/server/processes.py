"""Servers in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import httpx2 as httpx

PROGRAM = """
import asyncio, json, logging, sys
from streamhouse_connect import StreamHouseError
from streamhouse_connect_server import Settings, serve

logging.basicConfig(level=logging.INFO)
# It tells of each attempt to connect: more than fits into a pipe that is read at the end.
logging.getLogger("streamhouse_connect.librdkafka").setLevel(logging.CRITICAL)

try:
    asyncio.run(serve(Settings(**json.loads(sys.argv[1])), ready=lambda url: print(url, flush=True)))
except StreamHouseError as error:
    print(f"{type(error).__name__} {error.code}: {error}", file=sys.stderr)
    sys.exit(1)
"""
DEADLINE = 20.0


@attrs.frozen
class Process:
    """A server that runs."""

    popen: subprocess.Popen[str]
    http: httpx.Client

    @property
    def port(self) -> int:
        return self.http.base_url.port or 0

    def post(self, path: str, body: object = None) -> httpx.Response:
        return self.http.post(path, json=body) if body is not None else self.http.post(path)

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def reach(self, name: str, **fields: object) -> Any:
        """Wait until the connector's fields have these values."""
        deadline = time.monotonic() + DEADLINE

        while True:
            shown = self.get(f"/api/v1/connectors/{name}")

            if {key: shown[key] for key in fields} == fields:
                return shown

            assert time.monotonic() < deadline, shown
            time.sleep(0.02)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit code and what was logged."""
        self.popen.send_signal(number)
        _, errors = self.popen.communicate(timeout=DEADLINE)
        return self.popen.returncode, errors


def spawn(*, cwd: Path | None = None, **settings: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(settings, default=str)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )
