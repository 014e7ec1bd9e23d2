"""JSON out. Knows how to encode, not what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["json_response", "no_content"]


def json_response(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON. `no-store`: every answer is a snapshot of something that moves."""
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def no_content() -> Response:
    """Answer that it is done."""
    return Response(status_code=204)
