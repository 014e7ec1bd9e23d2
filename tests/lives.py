"""The lives of a worker: a process of its own that delivers until it is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

__all__ = ["live"]

_WORKER = """
import asyncio, json, sys
from streamhouse_connect import SqliteBroker, State, Worker

async def main(directory, body, moment):
    async with Worker(SqliteBroker(directory)) as worker:
        name = (await worker.create(json.loads(body))).name

        while moment == "started" and (await worker.get(name)).state is State.STARTING:
            await asyncio.sleep(0.01)

        print("running", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


def live(
    data: Path,
    body: Mapping[str, object],
    *,
    seconds: float,
    first: str = "",
    after: Literal["created", "started"] = "started",
) -> None:
    """Run a connector on the embedded broker of a directory; kill -9 so many seconds after it has begun to deliver, or was made.

    `first` is what the process does before all else.
    """
    command = [sys.executable, "-c", first + _WORKER, str(data), json.dumps(body), after]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"

        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)

    assert process.returncode == -signal.SIGKILL, "it ended by itself"
