"""The application: lists of routes, of middleware and of exception handlers over a worker that somebody else runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware

from streamhouse_connect_server.connectors import Connectors
from streamhouse_connect_server.errors import EXCEPTION_HANDLERS, UnexpectedErrors
from streamhouse_connect_server.guards import ForeignRequests
from streamhouse_connect_server.health import Health
from streamhouse_connect_server.metrics import Metrics
from streamhouse_connect_server.plugins import Plugins
from streamhouse_connect_server.privacy import PrivateTopics
from streamhouse_connect_server.records import Records
from streamhouse_connect_server.settings import Limits
from streamhouse_connect_server.startup import Startup, UntilStarted
from streamhouse_connect_server.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamhouse_connect import Worker

__all__ = ["create_app"]


def create_app(
    worker: Worker,
    *,
    allowed_hosts: Collection[str] | None = None,
    limits: Limits | None = None,
    private_topics: Collection[str] = (),
    startup: Startup | None = None,
) -> Starlette:
    """Make the application; it neither starts nor stops the worker.

    `allowed_hosts` are the names under which it may be called besides `localhost` and IP addresses; None: any. What is in
    `private_topics` is not for clients. With a `startup`, requests are answered that come before the worker's start.
    """
    limits = limits or Limits()
    private = PrivateTopics(frozenset(private_topics))

    routes = [
        *Connectors(worker, limits, private).routes(),
        *Topics(worker, limits, private).routes(),
        *Records(worker.broker, limits, private).routes(),
        *Plugins(worker.registry).routes(),
        *Metrics(worker.metrics).routes(),
        *Health(worker).routes(),
    ]
    middleware = [
        Middleware(UnexpectedErrors),
        Middleware(ForeignRequests, allowed_hosts=None if allowed_hosts is None else frozenset(allowed_hosts)),
        Middleware(UntilStarted, startup=startup or Startup(reason=None)),
    ]

    app = Starlette(routes=routes, middleware=middleware, exception_handlers=EXCEPTION_HANDLERS)
    # A redirect is no answer to a client that does not follow it; a 404 says what is wrong.
    app.router.redirect_slashes = False

    return app
