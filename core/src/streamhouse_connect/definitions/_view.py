"""What the topic of definitions says: the last record of each key. Knows neither brokers nor clocks.

    key                        value
    ["definition", name]       the definition, as `codec` writes it
    ["state", uid, key]        {"value": base64, "version": number}

A record without a value says that there is nothing under its key. The last record of a write has its name in a header, so
that the writer knows it again.
"""

from __future__ import annotations

from typing import Final

import attrs
import msgspec

from streamhouse_connect.definitions import codec

__all__ = ["WRITE_HEADER", "Applied", "DefinitionKey", "StateKey", "View", "encode_key", "encode_state"]

WRITE_HEADER: Final = "write"


class DefinitionKey(msgspec.Struct, frozen=True, array_like=True, tag="definition", forbid_unknown_fields=True):
    """Where the definition of that name is."""

    name: str


class StateKey(msgspec.Struct, frozen=True, array_like=True, tag="state", forbid_unknown_fields=True):
    """Where a small state of a sink is."""

    uid: str
    key: str


class _State(msgspec.Struct):
    value: bytes
    version: int


_KEYS: Final = msgspec.json.Decoder(DefinitionKey | StateKey)
_STATES: Final = msgspec.json.Decoder(_State)


def encode_key(key: DefinitionKey | StateKey) -> bytes:
    return msgspec.json.encode(key)


def encode_state(value: bytes, version: int) -> bytes:
    return msgspec.json.encode(_State(value, version))


@attrs.frozen
class Applied:
    """What a record was about: the definition of `name`, or none; `problem` says why it could not be read, and nothing of its value."""

    name: str | None = None
    problem: str | None = None


@attrs.define
class View:
    """The definitions, as text, and the states. Which they are depends on the last record of each key only.

    A name whose definition cannot be read is in `damaged`, with the reason, and in nothing else.
    """

    definitions: dict[str, bytes] = attrs.field(factory=dict)
    damaged: dict[str, str] = attrs.field(factory=dict)
    states: dict[tuple[str, str], tuple[bytes, int]] = attrs.field(factory=dict)

    def apply(self, key: bytes | None, value: bytes | None) -> Applied:
        """Take a record in."""
        try:
            found = _KEYS.decode(key or b"")
        except ValueError as error:
            return Applied(problem=f"unknown key: {error}")

        if isinstance(found, DefinitionKey):
            return Applied(found.name, self._define(found.name, value))

        return Applied(problem=self._keep((found.uid, found.key), value))

    def differing(self, other: View) -> frozenset[str]:
        """Return the names whose definitions are not the same in the other one."""
        names = {*self.definitions, *other.definitions}
        return frozenset(name for name in names if self.definitions.get(name) != other.definitions.get(name))

    def _define(self, name: str, value: bytes | None) -> str | None:
        self.definitions.pop(name, None)
        self.damaged.pop(name, None)

        if value is None:
            return None

        try:
            is_misplaced = codec.decode(value).name != name
        except ValueError as error:
            self.damaged[name] = str(error)
            return f"the definition of {name!r}: {error}"

        if is_misplaced:
            self.damaged[name] = "it is another connector's"
            return f"the definition of {name!r} is another connector's"

        self.definitions[name] = value
        return None

    def _keep(self, place: tuple[str, str], value: bytes | None) -> str | None:
        self.states.pop(place, None)

        if value is None:
            return None

        try:
            state = _STATES.decode(value)
        except ValueError as error:
            return f"the state {place[1]!r} of {place[0]}: {error}"

        self.states[place] = state.value, state.version
        return None
