"""`/api/v1/connector-plugins`: what is installed, and what is installed but broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_connect_server.resources import resource
from streamhouse_connect_server.responses import json_response
from streamhouse_connect_server.schemas import PluginBody

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from streamhouse_connect import Registry

__all__ = ["Plugins"]


@attrs.frozen
class Plugins:
    """The handlers of plugins."""

    registry: Registry

    def routes(self) -> list[BaseRoute]:
        """List the paths."""
        return [resource("/api/v1/connector-plugins", get=self.list)]

    async def list(self, _request: Request) -> Response:
        """Answer with every plugin: first those that work, by kind and name."""
        working = [PluginBody.of(info) for info in self.registry.plugins()]
        broken = [PluginBody.of_broken(plugin) for plugin in self.registry.broken()]
        return json_response([*working, *broken])
