"""Definitions: what was asked for, kept."""

from streamhouse_connect.definitions.interface import Definition, DefinitionStore, TargetState

__all__ = ["Definition", "DefinitionStore", "TargetState"]
