"""Definitions that are forgotten with the process: for tests, and for applications that define connectors in code."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

import attrs

from streamhouse_connect.definitions import codec
from streamhouse_connect.definitions._errors import (
    connector_exists,
    state_changed,
)
from streamhouse_connect.definitions.interface import Definition, DefinitionStore

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MemoryDefinitionStore"]


class MemoryDefinitionStore(DefinitionStore):
    """Keeps definitions as long as the object lives; closing it loses nothing."""

    durable: ClassVar[bool] = False

    def __init__(self) -> None:
        # As text, as in the durable stores: what cannot be kept there fails here too, and nobody can change what is kept.
        self._definitions: dict[str, bytes] = {}
        self._states: Mapping[tuple[str, str], tuple[bytes, int]] = {}
        self._guard = threading.Lock()

    async def open(self) -> None:
        """Nothing has to be opened."""

    async def close(self) -> None:
        """Nothing is let go: a worker that is started again finds what it had."""

    async def all(self) -> list[Definition]:
        with self._guard:
            return [codec.decode(self._definitions[name]) for name in sorted(self._definitions)]

    async def create(self, definition: Definition) -> Definition:
        definition = attrs.evolve(definition, version=1)
        text = codec.encode(definition)

        with self._guard:
            if definition.name in self._definitions:
                raise connector_exists(definition.name)

            self._definitions[definition.name] = text

        return definition

    async def replace(self, definition: Definition, *, expected: int | None = None) -> Definition:
        with self._guard:
            version = codec.find(self._definitions, definition.name, expected=expected).version
            definition = attrs.evolve(definition, version=version + 1)
            self._definitions[definition.name] = codec.encode(definition)

        return definition

    async def delete(self, name: str, *, expected: int | None = None) -> None:
        with self._guard:
            uid = codec.find(self._definitions, name, expected=expected).uid
            del self._definitions[name]
            self._states = {place: state for place, state in self._states.items() if place[0] != uid}

    async def get_state(self, uid: str, key: str) -> tuple[bytes, int] | None:
        return self._states.get((uid, key))

    async def put_state(self, uid: str, key: str, value: bytes, *, expected: int | None) -> int:
        with self._guard:
            found = self._states.get((uid, key))
            version = None if found is None else found[1]

            if version != expected:
                raise state_changed(key, expected=expected, found=version)

            self._states = {**self._states, (uid, key): (bytes(value), (version or 0) + 1)}
            return (version or 0) + 1
