from __future__ import annotations

import gc
import subprocess
import sys

from streamhouse_connect_server.process import settled

_SERVES = """
from streamhouse_connect_server.process import prepare
prepare()
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""


def test_arrow_takes_memory_from_the_system() -> None:
    """It decides when it is imported, and so in a process of its own here."""
    done = subprocess.run([sys.executable, "-c", _SERVES], capture_output=True, text=True, check=True)
    assert done.stdout == "system\n"


def test_importing_the_server_imports_no_arrow() -> None:
    """Else it would be too late to choose."""
    code = "import streamhouse_connect_server, sys; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_collector_is_as_it_was_afterwards() -> None:
    """`serve` may end before its process does."""
    before = gc.get_threshold()

    with settled():
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_freeze_count()

    assert gc.get_threshold() == before
    assert not gc.get_freeze_count()
