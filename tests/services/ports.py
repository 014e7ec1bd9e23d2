"""Free TCP ports on the loopback address."""

import random
import socket

# Below the range that outgoing connections use: a client that retries while the server is down could otherwise be
# given the server's port as its own, connect to itself, and keep the server from coming back.
_FIRST, _LAST = 20_000, 32_000


def free_port(first: int = _FIRST, last: int = _LAST) -> int:
    """A port that nobody listens on now."""
    for port in random.SystemRandom().sample(range(first, last), min(last - first, 200)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue

            return port

    raise OSError(f"no free port between {first} and {last}")


def accepts(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
