"""`/api/v1/connectors`: every connector, what is wanted of it, and what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import attrs

from streamhouse_connect import ConfigError, Problem
from streamhouse_connect_server.bodies import parse_object, read_json
from streamhouse_connect_server.privacy import PrivateTopics
from streamhouse_connect_server.resources import resource
from streamhouse_connect_server.responses import json_response, no_content
from streamhouse_connect_server.schemas import ConnectorBody, ValidBody
from streamhouse_connect_server.threads import off_loop
from streamhouse_connect_server.versions import etag, expected_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from streamhouse_connect import ConnectorInfo, Worker
    from streamhouse_connect_server.resources import Handler
    from streamhouse_connect_server.settings import Limits

__all__ = ["Connectors"]

_PATH = "/api/v1/connectors"


@attrs.frozen
class Connectors:
    """The handlers of connectors."""

    worker: Worker
    limits: Limits
    private: PrivateTopics

    def routes(self) -> list[BaseRoute]:
        """List the paths."""
        actions = {
            "pause": self.worker.pause,
            "resume": self.worker.resume,
            "restart": self.worker.restart,
            "stop": self.worker.stop,
        }

        return [
            resource(_PATH, get=self.list, post=self.create),
            resource("/api/v1/validate", post=self.validate),
            resource(f"{_PATH}/{{name}}", get=self.get, put=self.update, delete=self.delete),
            *(
                resource(f"{_PATH}/{{name}}/{action}", post=handler, put=handler)
                for action, handler in ((action, self._acting(method)) for action, method in actions.items())
            ),
        ]

    async def list(self, _request: Request) -> Response:
        """Answer with every connector, by name."""
        return json_response([ConnectorBody.of(info) for info in await self.worker.connectors()])

    async def get(self, request: Request) -> Response:
        """Answer with one connector."""
        return _answer(await self.worker.get(request.path_params["name"]))

    async def create(self, request: Request) -> Response:
        """Make a connector."""
        info = await self.worker.create(await self._body(request))
        return _answer(info, status=201, headers={"Location": f"{_PATH}/{quote(info.name, safe='')}"})

    async def validate(self, request: Request) -> Response:
        """Say what making a connector would be answered with; make none."""
        body = await self._body(request)
        connects = request.query_params.get("connect", "false")

        if connects not in {"true", "false"}:
            raise ConfigError([Problem("connect", f"must be true or false, but is {connects[:80]!r}")])

        warnings = await self.worker.check(body) if connects == "true" else self.worker.validate(body)
        return json_response(ValidBody(warnings=warnings))

    async def update(self, request: Request) -> Response:
        """Replace a connector's configuration."""
        name = request.path_params["name"]
        body = await self._body(request)
        expected = await expected_version(request, self.worker, name)
        return _answer(await self.worker.update(name, body, expected_version=expected))

    async def delete(self, request: Request) -> Response:
        """Remove a connector and its committed offsets."""
        name = request.path_params["name"]
        await self.worker.delete(name, expected_version=await expected_version(request, self.worker, name))
        return no_content()

    def _acting(self, method: _Action) -> Handler:
        async def act(request: Request) -> Response:
            name = request.path_params["name"]
            expected = await expected_version(request, self.worker, name)
            return _answer(await method(name, expected_version=expected))

        return act

    async def _body(self, request: Request) -> dict[str, object]:
        body = await off_loop(parse_object, await read_json(request, limit=self.limits.body_bytes))
        self.private.check_connector(body)
        return body


class _Action(Protocol):
    def __call__(self, name: str, /, *, expected_version: int | None) -> Awaitable[ConnectorInfo]: ...


def _answer(info: ConnectorInfo, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return json_response(ConnectorBody.of(info), status=status, headers={**etag(info), **(headers or {})})
