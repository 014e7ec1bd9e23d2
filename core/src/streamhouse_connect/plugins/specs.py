"""The hooks that a plugin may implement: a table of contents of what can be added.

A plugin is a distribution with an entry point in the group `streamhouse_connect` that names a module (or any object) whose
functions are marked with `hookimpl`:

    [project.entry-points.streamhouse_connect]
    webhook = "webhook_sink"

    @hookimpl
    def streamhouse_register_sinks():
        return [WebhookSink]

Hooks return classes; each is called once, when a `Registry` is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamhouse_connect.formatters import Formatter
    from streamhouse_connect.partitioners import Partitioner
    from streamhouse_connect.sinks import Sink

__all__ = ["ENTRY_POINT_GROUP", "hookimpl", "hookspec"]

ENTRY_POINT_GROUP: Final = "streamhouse_connect"

hookspec = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl = pluggy.HookimplMarker(ENTRY_POINT_GROUP)


@hookspec
def streamhouse_register_sinks() -> Iterable[type[Sink[Any]]]:  # type: ignore[empty-body]  # a specification
    """Return sink classes; a connector chooses one by its `name` or one of its `aliases`."""


@hookspec
def streamhouse_register_formatters() -> Iterable[type[Formatter[Any]]]:  # type: ignore[empty-body]  # a specification
    """Return formatter classes; the option `format` chooses one by its `name`."""


@hookspec
def streamhouse_register_partitioners() -> Iterable[type[Partitioner[Any]]]:  # type: ignore[empty-body]  # a specification
    """Return partitioner classes; the option `partitioning` chooses one by its `name`."""
