"""Definitions: what was asked for, kept."""

from streamhouse_connect.definitions.interface import Definition, DefinitionStore, TargetState
from streamhouse_connect.definitions.kafka import KafkaDefinitionStore
from streamhouse_connect.definitions.memory import MemoryDefinitionStore
from streamhouse_connect.definitions.sqlite import SqliteDefinitionStore

__all__ = [
    "Definition",
    "DefinitionStore",
    "KafkaDefinitionStore",
    "MemoryDefinitionStore",
    "SqliteDefinitionStore",
    "TargetState",
]
