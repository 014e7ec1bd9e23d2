"""Definitions that are forgotten with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamhouse_connect.definitions.interface import DefinitionStore
from streamhouse_connect.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from streamhouse_connect.definitions.interface import Definition

__all__ = ["MemoryDefinitionStore"]


class MemoryDefinitionStore(DefinitionStore):
    """Keeps definitions as long as it exists."""

    durable = False

    def __init__(self) -> None:
        self._definitions: dict[str, Definition] = {}
        self._states: dict[tuple[str, str], tuple[bytes, int]] = {}

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def all(self) -> list[Definition]:
        return [self._definitions[name] for name in sorted(self._definitions)]

    async def create(self, definition: Definition) -> None:
        if definition.name in self._definitions:
            raise ConflictError(f"a connector called {definition.name!r} exists", code="connector_exists")

        self._definitions[definition.name] = definition

    async def replace(self, definition: Definition) -> None:
        self._find(definition.name)
        self._definitions[definition.name] = definition

    async def delete(self, name: str) -> None:
        uid = self._find(name).uid
        del self._definitions[name]
        self._states = {key: state for key, state in self._states.items() if key[0] != uid}

    async def get_state(self, uid: str, key: str) -> tuple[bytes, int] | None:
        return self._states.get((uid, key))

    async def put_state(self, uid: str, key: str, value: bytes, *, expected: int | None) -> int:
        found = self._states.get((uid, key))

        if (found[1] if found else None) != expected:
            raise ConflictError(f"state {key!r} was changed by somebody else", code="state_changed")

        version = (expected or 0) + 1
        self._states[uid, key] = (value, version)
        return version

    def _find(self, name: str) -> Definition:
        if name not in self._definitions:
            raise NotFoundError(f"there is no connector called {name!r}", code="unknown_connector")

        return self._definitions[name]
