"""What this distribution adds to StreamHouse Connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamhouse_connect import hookimpl
from streamhouse_postgres_sink._sink import PostgresSink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamhouse_connect import Sink

__all__ = ["streamhouse_register_sinks"]


@hookimpl
def streamhouse_register_sinks() -> Iterable[type[Sink[Any]]]:
    return [PostgresSink]
