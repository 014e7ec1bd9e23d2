"""Definitions as text, for the stores that keep text. Secrets are written as they were given: who keeps it, keeps it private."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from streamhouse_connect.definitions._errors import unknown_connector, version_changed
from streamhouse_connect.definitions.interface import Definition, TargetState
from streamhouse_connect.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["decode", "encode", "find"]


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    """The form on disk: what is added later needs a default, so that older ones can be read."""

    name: str
    connector_class: str
    topics: tuple[str, ...]
    config: dict[str, object]
    uid: str
    epoch: int
    target: TargetState
    created_at: datetime
    updated_at: datetime
    version: int = 1
    restarts: int = 0
    reset_epoch: int = 0


def encode(definition: Definition) -> bytes:
    """Return the definition as JSON.

    :raises ConfigError: if its configuration holds what JSON cannot say.
    """
    stored = _Stored(
        name=definition.name,
        connector_class=definition.connector_class,
        topics=definition.topics,
        config=dict(definition.config),
        uid=definition.uid,
        epoch=definition.epoch,
        target=definition.target,
        created_at=definition.created_at,
        updated_at=definition.updated_at,
        version=definition.version,
        restarts=definition.restarts,
        reset_epoch=definition.reset_epoch,
    )

    try:
        return msgspec.json.encode(stored)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        # UnicodeEncodeError shows what it cannot encode, which may be a part of a password.
        reason = "a text is not valid Unicode" if isinstance(error, UnicodeError) else str(error)
        raise ConfigError([Problem("config", f"cannot be stored: {reason}")]) from None


def decode(text: bytes) -> Definition:
    """Return what `encode` was given.

    :raises ValueError: if the text is something else; its message holds nothing of the text.
    """
    stored = msgspec.json.decode(text, type=_Stored)

    return Definition(
        name=stored.name,
        connector_class=stored.connector_class,
        topics=stored.topics,
        config=stored.config,
        uid=stored.uid,
        epoch=stored.epoch,
        target=stored.target,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        version=stored.version,
        restarts=stored.restarts,
        reset_epoch=stored.reset_epoch,
    )


def find(texts: Mapping[str, bytes], name: str, *, expected: int | None) -> Definition:
    """Return the definition of that name, in the `expected` version if one is.

    :raises NotFoundError: with the code `unknown_connector`.
    :raises ConflictError: with the code `version_changed`.
    """
    if name not in texts:
        raise unknown_connector(name)

    found = decode(texts[name])

    if expected not in (None, found.version):
        raise version_changed(name, expected=expected, found=found.version)

    return found
