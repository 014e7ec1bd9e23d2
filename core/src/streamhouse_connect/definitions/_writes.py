"""What is to be written into the topic of definitions, decided from what it says: pure functions of a view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from streamhouse_connect.definitions import codec
from streamhouse_connect.definitions._errors import (
    connector_exists,
    damaged,
    state_changed,
)
from streamhouse_connect.definitions._view import DefinitionKey, StateKey, encode_key, encode_state

if TYPE_CHECKING:
    from streamhouse_connect.definitions._view import View
    from streamhouse_connect.definitions.interface import Definition

__all__ = ["Write", "create", "delete", "put_state", "replace"]

R = TypeVar("R")


@attrs.frozen
class Write(Generic[R]):
    """Records to be written together, with their keys, and what the writer is told then."""

    records: tuple[tuple[bytes, bytes | None], ...] = attrs.field(repr=False)
    result: R


def create(view: View, definition: Definition) -> Write[Definition]:
    if definition.name in view.damaged:
        raise damaged(definition.name, view.damaged[definition.name])

    if definition.name in view.definitions:
        raise connector_exists(definition.name)

    return _defined(attrs.evolve(definition, version=1))


def replace(view: View, definition: Definition, *, expected: int | None) -> Write[Definition]:
    if definition.name in view.damaged:
        raise damaged(definition.name, view.damaged[definition.name])

    version = codec.find(view.definitions, definition.name, expected=expected).version
    return _defined(attrs.evolve(definition, version=version + 1))


def delete(view: View, name: str, *, expected: int | None) -> Write[None]:
    """Decide to forget a definition; a damaged one, whose states nobody knows, goes too."""
    gone = encode_key(DefinitionKey(name)), None

    if name in view.damaged:
        if expected is not None:
            raise damaged(name, view.damaged[name])

        return Write((gone,), None)

    uid = codec.find(view.definitions, name, expected=expected).uid
    states = [(encode_key(StateKey(*place)), None) for place in view.states if place[0] == uid]
    return Write((*states, gone), None)


def put_state(view: View, uid: str, key: str, value: bytes, *, expected: int | None) -> Write[int]:
    found = view.states.get((uid, key))
    version = None if found is None else found[1]

    if version != expected:
        raise state_changed(key, expected=expected, found=version)

    next_version = (version or 0) + 1
    return Write(((encode_key(StateKey(uid, key)), encode_state(value, next_version)),), next_version)


def _defined(definition: Definition) -> Write[Definition]:
    return Write(((encode_key(DefinitionKey(definition.name)), codec.encode(definition)),), definition)
