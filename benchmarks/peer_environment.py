"""The environment of the peer: made once by uv, beside the servers that the tests have downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from services.cache import cache_directory

__all__ = ["PEER", "peer_python"]

PEER = "quixstreams 3.28.1"
_REQUIREMENTS = ("quixstreams[elasticsearch,parquet,postgresql]==3.28.1",)
_SHARED = ("elasticsearch", "pyarrow")
"""In the versions that we have: what is compared is what is made of them."""


def peer_python() -> Path:
    """Return the environment's Python; the first time, installing it takes a minute."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    requirements = [*_REQUIREMENTS, *(f"{name}=={version(name)}" for name in _SHARED)]
    home = cache_directory() / f"{PEER.replace(' ', '-')}-python{python}"
    made = home / "requirements.txt"
    wanted = "\n".join(requirements)

    if not made.exists() or made.read_text() != wanted:
        uv = str(Path(sys.executable).with_name("uv"))
        shutil.rmtree(home, ignore_errors=True)
        environment = {**os.environ, "VIRTUAL_ENV": str(home)}
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", *requirements], check=True, env=environment)
        made.write_text(wanted)

    return home / "bin" / "python"
