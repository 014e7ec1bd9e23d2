"""`/live`, `/ready` and `/health`: for what watches the process. None of them waits for a destination."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_connect import State, StreamHouseError
from streamhouse_connect_server.errors import error_response
from streamhouse_connect_server.resources import resource
from streamhouse_connect_server.responses import json_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from streamhouse_connect import Worker

__all__ = ["Health"]

_LOG = logging.getLogger(__name__)

_BROKER_TIMEOUT: Final = 2.0
_NO_GROUP: Final = "connect-.readiness"
"""Of a group that nobody uses nothing is known in memory: the broker has to look where it keeps its data.

It is called as connectors' groups are, which the worker must be allowed to see, and as no connector's can be.
"""
_TROUBLE: Final = frozenset({State.FAILED, State.DEGRADED, State.RETRYING})


class _StatusBody(msgspec.Struct, frozen=True):
    status: str


class _HealthBody(msgspec.Struct, frozen=True):
    status: str
    version: str
    connectors: dict[str, int]


@attrs.frozen
class Health:
    """The handlers of health."""

    worker: Worker

    def routes(self) -> list[BaseRoute]:
        """List the paths."""
        return [
            resource("/live", get=self.live),
            resource("/ready", get=self.ready),
            resource("/health", get=self.health),
        ]

    async def live(self, _request: Request) -> Response:
        """Answer that the process does."""
        return json_response(_StatusBody("live"))

    async def ready(self, _request: Request) -> Response:
        """Answer whether requests can be served: the worker's broker is open and answers."""
        try:
            async with asyncio.timeout(_BROKER_TIMEOUT):
                await self.worker.broker.committed(_NO_GROUP)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is why we are not ready
            reason = _reason(exc)
            _LOG.warning("not_ready reason=%s", reason)
            message = f"the broker is not usable: {reason}"
            return error_response(503, "not_ready", message, headers={"Retry-After": "1"})

        return json_response(_StatusBody("ready"))

    async def health(self, _request: Request) -> Response:
        """Answer with how many connectors are in which state; `degraded` if one of them needs a look."""
        states = Counter(info.state for info in await self.worker.connectors())
        status = "degraded" if _TROUBLE & states.keys() else "healthy"
        counts = {state.value: states[state] for state in State if states[state]}
        return json_response(_HealthBody(status, version("streamhouse-connect-server"), counts))


def _reason(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return f"it does not answer within {_BROKER_TIMEOUT:.0f} s"

    return str(exc) if isinstance(exc, StreamHouseError) else type(exc).__name__
