"""Free TCP ports on the loopback address: none is given twice, neither by one process of a test run nor by two.

A server that is stopped for a moment leaves its port free, and gets it back.
"""

import os
import random
import socket
from typing import Final

# Below the range that outgoing connections use: a client that retries while the server is down could otherwise be
# given the server's port as its own, connect to itself, and keep the server from coming back.
_FIRST, _LAST = 20_000, 32_000

_given: Final[set[int]] = set()


def free_port(first: int = _FIRST, last: int = _LAST) -> int:
    """A port that nobody listens on now, of those that are this process's."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ours = range(first + number, last, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))

    for port in random.SystemRandom().sample(ours, len(ours)):
        if port in _given:
            continue

        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue

            _given.add(port)
            return port

    raise OSError(f"no free port between {first} and {last}")


def accepts(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
