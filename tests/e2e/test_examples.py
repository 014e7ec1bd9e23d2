"""The examples do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_embedding_works(tmp_path: Path) -> None:
    """The ten lines of examples/embed.py put the three records into a file."""
    subprocess.run([sys.executable, EXAMPLES / "embed.py", tmp_path], check=True, timeout=60)
    (file,) = (tmp_path / "out" / "orders").glob("batch-*.json")
    assert file.read_bytes() == b'{"id": 1}\n{"id": 2}\n{"id": 3}\n'


def test_the_webhook_sink_is_short() -> None:
    """A sink of one's own takes fewer than 40 lines."""
    assert len((EXAMPLES / "webhook_sink" / "webhook_sink.py").read_text().splitlines()) < 40
