"""Errors over HTTP: which status each gets, and the one JSON shape that all of them have.

    {"error_code": 400, "code": "invalid_config", "message": "…", "problems": [{"field": "config.s3.bucket", "message": "…"}]}

An error that nobody expected is answered with 500 and nothing else: what it says may hold what a user must not see.
"""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from streamhouse_connect import (
    ConfigError,
    ConflictError,
    NotFoundError,
    PluginError,
    Problem,
    RetriableError,
    StreamHouseError,
)
from streamhouse_connect_server.responses import json_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["EXCEPTION_HANDLERS", "RequestError", "UnexpectedErrors", "error_response"]

_LOG = logging.getLogger(__name__)

_STATUSES: Final[tuple[tuple[type[StreamHouseError], int], ...]] = (
    (ConfigError, 400),
    (PluginError, 400),  # the user chose the plugin, and can choose another
    (NotFoundError, 404),
    (ConflictError, 409),
    (StreamHouseError, 500),
)

_CODES: Final = {404: "not_found", 405: "method_not_allowed"}
_CHANGED: Final = "version_changed"
_UNAVAILABLE: Final = "unavailable"
_RETRY_AFTER: Final = 1.0


@attrs.frozen
class RequestError(Exception):
    """A request that goes no further; where it is the body's or the query's fault, `problems` says what is."""

    status: int
    code: str
    message: str
    problems: Sequence[Problem] = ()


class _ProblemBody(msgspec.Struct, frozen=True):
    field: str
    message: str


class _ErrorBody(msgspec.Struct, frozen=True):
    error_code: int
    code: str
    message: str
    problems: list[_ProblemBody]


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with an error."""
    listed = [_ProblemBody(problem.field, problem.message) for problem in problems]
    return json_response(_ErrorBody(status, code, message, listed), status=status, headers=headers)


async def _on_http_exception(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    message = exc.detail

    if exc.status_code == 404:  # noqa: PLR2004 - raised by the router, which says no more than "Not Found"
        raw: bytes = request.scope.get("raw_path") or b""
        where = (
            raw.decode("latin-1") if b"%2f" in raw.lower() else request.url.path
        )  # decoded, it would be another path
        message = f"nothing is at {where}; the API is at /api/v1/connectors, /api/v1/topics, …"

    return error_response(exc.status_code, _CODES.get(exc.status_code, "http_error"), message, headers=exc.headers)


async def _on_request_error(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestError)
    return error_response(exc.status, exc.code, exc.message, problems=exc.problems)


async def _on_streamhouse_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, StreamHouseError)

    if isinstance(exc, RetriableError):
        return _unavailable(request, str(exc), exc.retry_after)

    status = next(status for kind, status in _STATUSES if isinstance(exc, kind))
    problems = exc.problems if isinstance(exc, ConfigError) else ()

    if exc.code == _CHANGED and "if-match" in request.headers:
        status = 412

    if status >= 500:  # noqa: PLR2004 - the server's own trouble
        _LOG.error("request_failed method=%s path=%s code=%s", request.method, request.url.path, exc.code)

    return error_response(status, exc.code, str(exc), problems=problems)


async def _on_outage(request: Request, exc: Exception) -> Response:
    return _unavailable(request, f"the broker does not answer ({str(exc) or type(exc).__name__})", None)


def _unavailable(request: Request, reason: str, retry_after: float | None) -> Response:
    _LOG.warning("unavailable method=%s path=%s reason=%s", request.method, request.url.path, reason)
    headers = {"Retry-After": str(max(1, round(retry_after or _RETRY_AFTER)))}
    return error_response(503, _UNAVAILABLE, reason, headers=headers)


EXCEPTION_HANDLERS: Final[dict[Any, Callable[[Request, Exception], Awaitable[Response]]]] = {
    HTTPException: _on_http_exception,
    RequestError: _on_request_error,
    StreamHouseError: _on_streamhouse_error,
    # The library takes these for "later", as its sinks' do.
    ConnectionError: _on_outage,
    TimeoutError: _on_outage,
}


@attrs.define
class UnexpectedErrors:
    """Middleware: answers what no handler expected, so that no traceback reaches a client, or a log that others read.

    What the exception says goes to the log at DEBUG only, since it may quote a configuration.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception as exc:
            where = "".join(traceback.format_tb(exc.__traceback__))
            _LOG.error("unexpected_error path=%s type=%s\n%s", scope.get("path"), type(exc).__qualname__, where)
            _LOG.debug("unexpected_error", exc_info=True)

            if started or scope["type"] != "http":
                raise

            message = f"unexpected {type(exc).__name__}; the server's log has the details"
            await error_response(500, "internal_error", message)(scope, receive, send)
