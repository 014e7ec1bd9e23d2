"""Plugins: what is installed, found by entry points and chosen by name."""

from streamhouse_connect.plugins.registry import BrokenPlugin, PluginInfo, Registry
from streamhouse_connect.plugins.specs import hookimpl

__all__ = ["BrokenPlugin", "PluginInfo", "Registry", "hookimpl"]
