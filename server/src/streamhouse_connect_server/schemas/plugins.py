"""Plugins on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from streamhouse_connect import BrokenPlugin, PluginInfo

__all__ = ["PluginBody"]


class OptionBody(Struct, frozen=True, kw_only=True):
    """One option of a plugin."""

    key: str
    type: str
    required: bool
    default: Any
    doc: str
    choices: tuple[str, ...]
    secret: bool


class PluginBody(Struct, frozen=True, kw_only=True):
    """A plugin that can be used; or one that can't, with the reason in `error`."""

    kind: str | None
    name: str
    aliases: tuple[str, ...] = ()
    distribution: str | None
    version: str | None = None
    doc: str | None = None
    options: list[OptionBody] = []
    error: str | None = None

    @classmethod
    def of(cls, info: PluginInfo) -> PluginBody:
        """Show a plugin that works."""
        return cls(
            kind=info.kind,
            name=info.name,
            aliases=tuple(info.aliases),
            distribution=info.distribution,
            version=info.version,
            doc=info.doc,
            options=[
                OptionBody(**{name: getattr(option, name) for name in OptionBody.__struct_fields__})
                for option in info.options
            ],
        )

    @classmethod
    def of_broken(cls, plugin: BrokenPlugin) -> PluginBody:
        """Show a plugin that does not work."""
        return cls(kind=None, name=plugin.entry_point, distribution=plugin.distribution, error=plugin.error)
