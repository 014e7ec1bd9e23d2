"""The reference of the API, docs/rest.md: what it shows is run, and what it lists is all there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from starlette.routing import Route

from streamhouse_connect import MemoryBroker, Worker
from streamhouse_connect_server import create_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from .processes import Process

REFERENCE = (Path(__file__).parents[3] / "docs" / "rest.md").read_text()
EXAMPLES = re.findall(r"```sh\n(.*?)```\n(?:```json\n(.*?)```)?", REFERENCE, re.DOTALL)
PATIENCE = 10.0


def matches(documented: Any, answered: Any) -> bool:
    """Compare; a documented … stands for anything."""
    if isinstance(documented, dict):
        return (
            isinstance(answered, dict)
            and list(documented) == list(answered)
            and all(matches(value, answered[key]) for key, value in documented.items())
        )

    if isinstance(documented, list):
        return (
            isinstance(answered, list) and len(documented) == len(answered) and all(map(matches, documented, answered))
        )

    return documented in ("…", answered)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_every_example_answers_as_documented(start: Callable[..., Process], tmp_path: Path) -> None:
    """From top to bottom, each with curl, as a user would; one without an answer is expected to succeed."""
    process = start(cwd=tmp_path)
    (tmp_path / ".curlrc").write_text("silent\nfail-with-body\nnoproxy = *\n")

    assert len(EXAMPLES) > 10

    for command, expected in EXAMPLES:
        text = command.replace("http://127.0.0.1:8080", str(process.http.base_url).rstrip("/"))
        documented = json.loads(expected) if expected else None
        deadline = time.monotonic() + PATIENCE

        while True:
            ran = subprocess.run(
                ["sh", "-c", text],
                check=False,
                capture_output=True,
                text=True,
                env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            )
            fails = documented is not None and "error_code" in documented
            assert ran.returncode == (22 if fails else 0), (command, ran.stdout, ran.stderr)
            answered = json.loads(ran.stdout) if ran.stdout else None

            if documented is None or matches(documented, answered):
                break

            # What a connector does takes its time; a change must not be asked for twice.
            assert "-X" not in command, (command, answered)
            assert time.monotonic() < deadline, (command, answered)
            time.sleep(0.05)


def test_every_path_is_in_the_reference() -> None:
    """Each path is listed with its methods."""
    listed = dict(re.findall(r"^\| \[?`(/[^`]*)`.* \| ([A-Z, ]+) \|$", REFERENCE, re.MULTILINE))
    listed |= {"/api/v1/metrics": listed["/metrics"], "/ready": listed["/live"], "/health": listed["/live"]}
    allowed = {
        route.path: route.app.allow.replace("HEAD, ", "").replace(", OPTIONS", "")  # type: ignore[attr-defined]  # ours
        for route in cast("list[Route]", create_app(Worker(MemoryBroker())).routes)
    }

    assert listed == allowed
