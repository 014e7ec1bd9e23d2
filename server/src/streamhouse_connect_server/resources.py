"""A resource: one path and what each method does there. Knows nothing of what the handlers serve."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import attrs
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["Handler", "resource"]

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def resource(
    path: str,
    *,
    get: Handler | None = None,
    post: Handler | None = None,
    put: Handler | None = None,
    delete: Handler | None = None,
) -> Route:
    """Make a route that knows all of its methods: HEAD is GET, OPTIONS lists them, any other is a 405 that does too.

    (One starlette `Route` a method would answer 405 with the methods of the first one only.)
    """
    given = {"GET": get, "HEAD": get, "POST": post, "PUT": put, "DELETE": delete}
    return _Route(path, _Resource({method: handler for method, handler in given.items() if handler}))


class _Route(Route):
    """An encoded slash is part of a name, and there is none with a slash: it does not divide a path, it leads nowhere."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        raw: bytes = scope.get("raw_path") or b""
        return (Match.NONE, {}) if b"%2f" in raw.lower() else super().matches(scope)


@attrs.frozen
class _Resource:
    handlers: Mapping[str, Handler]

    @property
    def allow(self) -> str:
        return ", ".join([*self.handlers, "OPTIONS"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": self.allow})

        handler = self.handlers.get(request.method)

        if handler is None:
            message = f"{request.method} is not possible on {request.url.path}; use one of {self.allow}"
            raise HTTPException(405, message, headers={"Allow": self.allow})

        return await handler(request)
