"""`/metrics`: the numbers, as Prometheus reads them or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec
from starlette.responses import Response

from streamhouse_connect_server.resources import resource
from streamhouse_connect_server.responses import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from streamhouse_connect import Metrics as WorkerMetrics

__all__ = ["Metrics"]


class _SampleBody(msgspec.Struct, frozen=True):
    name: str
    labels: Mapping[str, str]
    value: float


@attrs.frozen
class Metrics:
    """The handlers of metrics."""

    metrics: WorkerMetrics

    def routes(self) -> list[BaseRoute]:
        """List the paths."""
        return [resource("/metrics", get=self.get), resource("/api/v1/metrics", get=self.get)]

    async def get(self, request: Request) -> Response:
        """Answer with every sample."""
        if _prefers_json(request.headers.get("accept", "")):
            samples = self.metrics.samples()
            return json_response([_SampleBody(sample.name, sample.labels, sample.value) for sample in samples])

        # Not `media_type`, which would add a second charset.
        return Response(self.metrics.text(), headers={"Content-Type": self.metrics.content_type})


def _prefers_json(accept: str) -> bool:
    """Whether nothing is wanted as much as JSON (RFC 9110, 12.5.1); who would rather have anything else gets text."""
    json, others = 0.0, 0.0

    for wish in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in wish.split(";"))

        if media_type in ("application/json", "application/*"):
            json = max(json, _quality(parameters))
        else:
            others = max(others, _quality(parameters))

    return json > others


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter.removeprefix("q="))
            except ValueError:
                return 0.0

    return 1.0
