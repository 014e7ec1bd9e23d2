from __future__ import annotations

import socket
from contextlib import closing

import pytest
from starlette.applications import Starlette

from streamhouse_connect_server import Settings
from streamhouse_connect_server.serving import _allowed_hosts, _listen, _Server, _url


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False

    return True


def test_connections_are_kept_longer_than_clients_keep_them() -> None:
    """Some clients keep them for 5 s, load balancers for 60: a request must not meet a connection that we are closing."""
    assert _Server(Starlette(), Settings()).config.timeout_keep_alive > 60


async def test_answers_do_not_wait_for_acknowledgements() -> None:
    """Only with a protocol number on its socket does asyncio turn Nagle's algorithm off: 40 ms an answer."""
    with closing(await _listen(Settings(port=0))) as listener:
        assert listener.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://localhost:"),
        pytest.param("::1", "http://[::1]:", marks=pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6")),
    ],
)
async def test_the_url_has_the_host_and_the_port_that_was_taken(host: str, url: str) -> None:
    """Port 0 takes a free one."""
    settings = Settings(host=host, port=0)

    with closing(await _listen(settings)) as listener:
        assert _url(settings, listener) == f"{url}{listener.getsockname()[1]}"
        assert listener.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "given", "allowed"),
    [
        ("127.0.0.1", (), {"127.0.0.1"}),
        ("127.0.0.1", ("Connect.Example",), {"127.0.0.1", "connect.example"}),
        ("127.0.0.1", ("*",), None),
        ("0.0.0.0", (), None),
        ("0.0.0.0", ("connect",), {"connect", "0.0.0.0"}),
    ],
)
async def test_which_names_are_ours(host: str, given: tuple[str, ...], allowed: set[str] | None) -> None:
    """On loopback no foreign name leads to us; on a network any may, unless some are given."""
    settings = Settings(host=host, port=0, allowed_hosts=given)

    with closing(await _listen(settings)) as listener:
        assert _allowed_hosts(settings, listener) == allowed
