"""The documents are true: links lead somewhere, option tables are current, and the README's commands work.

`UPDATE_DOCS=1 pytest tests/test_docs.py` writes the generated tables anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from processes import serving
from streamhouse_connect import OptionInfo, Registry

ROOT = Path(__file__).parents[1]
SINKS = ("file-sink", "s3-sink", "postgres-sink", "elasticsearch-sink")
HEADER = """\
# Connectors and their options

Generated from the code; `streamhouse-connect plugins describe NAME` prints the same for what is installed. Values may be
given as text, numbers or booleans. Sizes take units (`64 MiB`), lists are separated by commas.
"""


def connectors_page() -> str:
    """Return docs/connectors.md as it has to be."""
    registry = Registry()
    parts = [HEADER]

    for name in SINKS:
        info = registry.describe(name)
        aliases = ", ".join(f"`{alias}`" for alias in info.aliases)
        parts += [
            f"## {name}\n",
            f"{info.doc} Also called {aliases}.\n",
            "| option | type | default | |",
            "|---|---|---|---|",
        ]
        parts += [row(option) for option in info.options]
        parts.append("")

    return "\n".join(parts)


def row(option: OptionInfo) -> str:
    """Return an option's line of the table."""
    kind = " · ".join(option.choices) or option.type
    default = "**required**" if option.required else f"`{option.default}`" if option.default not in (None, "") else ""
    return f"| `{option.key}` | {kind} | {default} | {option.doc} |"


def test_the_option_tables_are_current() -> None:
    """docs/connectors.md says what the code says."""
    page = ROOT / "docs" / "connectors.md"

    if os.environ.get("UPDATE_DOCS"):
        page.write_text(connectors_page())

    assert page.read_text() == connectors_page(), "run: UPDATE_DOCS=1 pytest tests/test_docs.py"


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a document names a file that is there."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_metric_is_documented() -> None:
    """docs/operations.md names each metric that a worker exposes."""
    source = (ROOT / "core/src/streamhouse_connect/metrics.py").read_text()
    names = set(re.findall(r'"(connector_[a-z_]+)"', source))
    text = (ROOT / "docs" / "operations.md").read_text()
    assert {name for name in names if name not in text} == set()


@pytest.mark.timeout(120)
def test_the_readmes_commands_work(tmp_path: Path) -> None:
    """What the README tells a new user to type leads to a file with the record in it."""
    text = (ROOT / "README.md").read_text()
    script = re.search(r"<!-- run by tests/test_docs.py -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert script is not None
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "streamhouse-connect"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m streamhouse_connect "$@"\n')
    command.chmod(0o755)

    with serving(tmp_path) as server:
        shell = "set -e\n" + script[1].replace("http://127.0.0.1:8080", server.url).replace(
            "./out", str(tmp_path / "out")
        )
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "STREAMHOUSE_CONNECT_URL": server.url}
        ran = subprocess.run(
            ["/bin/sh", "-c", shell],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        server.request("POST", "/connectors/orders-to-files/resume")
        server.drained("orders-to-files")
        assert server.stop() == 0

    files = list((tmp_path / "out" / "orders").glob("*.json"))
    assert [json.loads(line) for file in files for line in file.read_text().splitlines()] == [
        {"order_id": "o-1", "amount": 12.5}
    ]
