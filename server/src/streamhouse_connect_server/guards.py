"""Middleware that keeps web pages away from an API without passwords on somebody's own machine.

A page can make its visitor's browser send requests to 127.0.0.1. It cannot hide where they come from: the browser names
the page in `Origin`, and a name that was rebound to 127.0.0.1 in `Host`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
from starlette.datastructures import Headers

from streamhouse_connect_server.errors import error_response

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["ForeignRequests"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@attrs.define
class ForeignRequests:
    """Refuses requests under a foreign name, and changes asked for by pages of other origins.

    `allowed_hosts` are names besides `localhost` and IP addresses (an address can't be rebound); None: any name.
    """

    app: ASGIApp
    allowed_hosts: frozenset[str] | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")

        if not self._is_ours(host):
            message = f"this server does not answer to the host name {host[:100]!r}; call it by its IP address or as localhost"
            return error_response(403, "foreign_host", message)

        origin = headers.get("origin")

        if origin is not None and scope["method"] not in _SAFE_METHODS and _netloc(origin) != host.lower():
            message = f"pages of {origin[:100]!r} may not change anything here"
            return error_response(403, "foreign_origin", message)

        return None

    def _is_ours(self, host: str) -> bool:
        if self.allowed_hosts is None:
            return True

        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False

        return name == "localhost" or name in self.allowed_hosts or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False

    return True


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
