"""One process: the REST API and the connectors of a worker, from the first request to the last signal.

    listen → answer `/live` → start the worker → serve … signal → accept no more → flush and commit → leave

Listening comes first: a port that is taken is known before a connector has started, and whoever watches the process while
brokers are out of reach is told so.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import signal
import socket
import threading
from contextlib import AsyncExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from streamhouse_connect import ConfigError, ConflictError, Problem
from streamhouse_connect_server.app import create_app
from streamhouse_connect_server.process import prepare, settled
from streamhouse_connect_server.startup import Startup
from streamhouse_connect_server.workers import make_worker, private_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.applications import Starlette

    from streamhouse_connect_server.settings import Settings

__all__ = ["serve"]

_LOG = logging.getLogger(__name__)

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_ANY_HOST: Final = "*"
_BACKLOG: Final = 2048
_KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients and load balancers keep a connection: who closes it first can't be met by a request on its way."""
_REQUESTS_SHARE: Final = 0.1
"""The part of the shutdown's time that requests under way may take up; the rest is for the connectors."""


async def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then flush and commit what the connectors hold, and return.

    `ready` is called with the URL once the worker has started. While its brokers are out of reach it is tried again and again;
    requests are answered with 503, except for `/live`. A second signal does what it did before `serve`. In a thread that is not
    the main one, cancel it instead.

    :raises ConfigError: if host, port or data directory can't be used.
    :raises ConflictError: if the port or the data directory is another process's.
    :raises FatalError: if the brokers refuse.
    """
    with closing(await _listen(settings)) as listener:
        prepare()
        worker = make_worker(settings, shutdown_timeout=settings.shutdown_timeout * (1 - _REQUESTS_SHARE))
        startup = Startup()
        app = create_app(
            worker,
            allowed_hosts=_allowed_hosts(settings, listener),
            limits=settings.limits,
            private_topics=private_topics(settings),
            startup=startup,
        )
        server = _Server(app, settings)

        async with AsyncExitStack() as stack:
            stack.enter_context(_on_first_signal(server.stop))
            serving = asyncio.create_task(server.serve(sockets=[listener]))

            try:
                if await startup.start(worker, stack, until=serving):
                    stack.enter_context(settled())
                    _started(_url(settings, listener), ready)

                await serving
            finally:
                server.abandon()
                serving.cancel()
                await asyncio.wait({serving})


class _Server(uvicorn.Server):
    """Leaves signals to `serve`."""

    def __init__(self, app: Starlette, settings: Settings) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="critical",  # the app logs what goes wrong, and less of it
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=settings.shutdown_timeout * _REQUESTS_SHARE,  # type: ignore[arg-type]  # handed on to wait_for
        )
        super().__init__(config)

    def stop(self) -> None:
        self.should_exit = True

    def abandon(self) -> None:
        """Let go of what is left where `serve` was cancelled; after an orderly end there is nothing."""
        for listening in getattr(self, "servers", ()):  # it has none before its start
            listening.close()

        for connection in list(self.server_state.connections):
            connection.shutdown()

        for task in list(self.server_state.tasks):
            task.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _started(url: str, ready: Callable[[str], None] | None) -> None:
    _LOG.info("serving url=%s", url)

    if ready is not None:
        ready(url)


async def _listen(settings: Settings) -> socket.socket:
    host, port = settings.host, settings.port

    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # `localhost` may be both ::1 and 127.0.0.1; the documented address is the latter.
        family, kind, protocol, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        # With a protocol number, which `socket.create_server` leaves out: without one asyncio leaves Nagle's algorithm on,
        # and every answer waits 40 ms for an acknowledgement.
        listener = socket.socket(family, kind, protocol)
    except UnicodeError:
        raise ConfigError([Problem("host", f"is {host[:100]!r}, which is no host name")]) from None
    except OSError as exc:
        raise _host_problem(host, exc) from exc

    try:
        # A restart need not wait until the last run's connections are forgotten.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()

        if exc.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is in use by another process; stop it, or take another port with --port"
            raise ConflictError(message, code="port_in_use") from exc

        if exc.errno == errno.EACCES:
            message = f"is {port}, which needs privileges that this process does not have; take one above 1023"
            raise ConfigError([Problem("port", message)]) from exc

        raise _host_problem(host, exc) from exc

    return listener


def _host_problem(host: str, exc: OSError) -> ConfigError:
    return ConfigError([Problem("host", f"is {host[:100]!r}, which is no address of this machine ({exc.strerror})")])


def _url(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _allowed_hosts(settings: Settings, listener: socket.socket) -> frozenset[str] | None:
    """Decide under which names requests are accepted; None: any.

    Who opens the API to a network gives it names that we can't know.
    """
    is_local = ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback

    if not is_local:
        _LOG.warning("open_to_network host=%s there_is_no_authentication", settings.host)

    if _ANY_HOST in settings.allowed_hosts or not (is_local or settings.allowed_hosts):
        return None

    return frozenset(name.lower() for name in (*settings.allowed_hosts, settings.host))


@contextmanager
def _on_first_signal(stop: Callable[[], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) or signal.SIG_DFL for number in _SIGNALS}

    def restore() -> None:
        for number, handler in previous.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def first(number: signal.Signals) -> None:
        restore()
        stop()
        _LOG.info("stopping signal=%s", number.name)

    for number in _SIGNALS:
        loop.add_signal_handler(number, first, number)

    try:
        yield
    finally:
        restore()
