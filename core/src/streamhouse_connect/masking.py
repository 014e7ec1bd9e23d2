"""What of a connector's configuration may be shown, and how an answer that was sent back gets its secrets again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from streamhouse_connect.config import bare_type, declared
from streamhouse_connect.errors import ConfigError, Problem
from streamhouse_connect.secrets import MASK, Secret, SecretUrl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamhouse_connect.config import Fields

__all__ = ["mask", "restore"]

_SENSITIVE = re.compile(r"pass|secret|token|credential|key$|auth", re.IGNORECASE)


def mask(classes: Sequence[type], raw: Mapping[str, object]) -> dict[str, object]:
    """Return `raw` as it may be shown; unknown keys that sound secret are masked too, as they may be misspelt."""
    return {key: _shown(key, value, declared(classes)) for key, value in raw.items()}


def restore(classes: Sequence[type], raw: Mapping[str, object], stored: Mapping[str, object]) -> dict[str, object]:
    """Put the stored secrets back where `raw`, an answer that was sent back, holds masks.

    A secret is only put back while every URL among the options keeps its scheme, user, host and port: otherwise a
    stranger could have a secret sent to a server of their own.

    :raises ConfigError: naming each key whose mask can't be replaced.
    """
    fields = declared(classes)
    moved = [key for key in fields if _is_a(fields, key, SecretUrl) and _origin(raw, key) != _origin(stored, key)]
    restored = dict(raw)
    problems = []

    for key, value in raw.items():
        if not isinstance(value, str) or MASK not in value:
            continue

        kind = SecretUrl if _is_a(fields, key, SecretUrl) else Secret
        secret = kind(value).restored(kind(str(stored[key]))) if key in stored and not moved else None

        if secret is None or MASK in secret.reveal():
            problems.append(Problem(f"config.{key}", _why_not_restored(key, stored, moved)))
        else:
            restored[key] = stored[key] if kind is Secret and value == MASK else secret.reveal()

    if problems:
        raise ConfigError(problems)

    return restored


def _why_not_restored(key: str, stored: Mapping[str, object], moved: Sequence[str]) -> str:
    if key not in stored:
        return "is masked, but no secret is stored for it; give the secret itself"

    where = f" of {', '.join(moved)}" if moved else ""
    return f"is masked, and scheme, user, host or port{where} changed; give the secret again"


def _shown(key: str, value: object, fields: Fields) -> object:
    if value in (None, ""):
        return value

    if key not in fields:
        if _SENSITIVE.search(key):
            return MASK

        return SecretUrl(value).masked() if isinstance(value, str) and "://" in value else value

    base = bare_type(fields[key][0].type)
    return base(str(value)).masked() if isinstance(base, type) and issubclass(base, Secret) else value


def _is_a(fields: Fields, key: str, kind: type) -> bool:
    return key in fields and bare_type(fields[key][0].type) is kind


def _origin(raw: Mapping[str, object], key: str) -> object:
    value = raw.get(key)
    return SecretUrl(str(value)).origin() if value not in (None, "") else None
