"""What of a connector's configuration may be shown, and how an answer that was sent back gets its secrets again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from streamhouse_connect.config import bare_type, declared, find, is_prefix
from streamhouse_connect.errors import ConfigError, Problem
from streamhouse_connect.secrets import MASK, Secret, SecretUrl, secret_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamhouse_connect.config import Fields

__all__ = ["mask", "restore"]

_LEADS_SOMEWHERE: Final = re.compile(r"server|broker|url|host|endpoint|proxy|protocol|ssl|sasl", re.IGNORECASE)
"""Properties of a client library that decide who gets to see the password, and on which way."""


def mask(classes: Sequence[type], raw: Mapping[str, object]) -> dict[str, object]:
    """Return `raw` as it may be shown; what nobody has declared is masked if it sounds secret: it may be misspelt."""
    fields = declared(classes)
    return {key: _shown(key, value, fields) for key, value in raw.items()}


def restore(classes: Sequence[type], raw: Mapping[str, object], stored: Mapping[str, object]) -> dict[str, object]:
    """Put the stored secrets back where `raw`, an answer that was sent back, holds masks.

    A secret is only put back while every URL among the options keeps its scheme, user, host and port: otherwise a
    stranger could have a secret sent to a server of their own. Of properties that go to a client library all must be kept
    that may lead it elsewhere.

    :raises ConfigError: naming each key whose mask can't be replaced.
    """
    fields = declared(classes)
    restored = dict(raw)
    problems = []

    for key, value in raw.items():
        if not isinstance(value, str) or MASK not in value:
            continue

        moved = _moved(fields, key, raw, stored)
        kind = type(_secret(fields, key, value) or Secret(value))
        secret = kind(value).restored(kind(str(stored[key]))) if key in stored and not moved else None

        if secret is None or MASK in secret.reveal():
            problems.append(Problem(f"config.{key}", _why_not_restored(key, stored, moved)))
        else:
            restored[key] = stored[key] if kind is Secret and value == MASK else secret.reveal()

    if problems:
        raise ConfigError(problems)

    return restored


def _moved(fields: Fields, key: str, raw: Mapping[str, object], stored: Mapping[str, object]) -> list[str]:
    """Return the options that send the secret of `key` elsewhere than before."""
    prefix = next((own for own in fields if is_prefix(own) and key.startswith(own)), None)

    if prefix is None:
        urls = [url for url in fields if not is_prefix(url) and bare_type(fields[url][0].type) is SecretUrl]
        return [url for url in urls if _origin(raw, url) != _origin(stored, url)]

    leading = [own for own in {*raw, *stored} if own.startswith(prefix) and _LEADS_SOMEWHERE.search(own)]
    return sorted(own for own in leading if _shown(own, raw.get(own), fields) != _shown(own, stored.get(own), fields))


def _why_not_restored(key: str, stored: Mapping[str, object], moved: Sequence[str]) -> str:
    if key not in stored:
        return "is masked, but no secret is stored for it; give the secret itself"

    where = f" of {', '.join(moved)}" if moved else ""
    return f"is masked, and scheme, user, host or port{where} changed; give the secret again"


def _shown(key: str, value: object, fields: Fields) -> object:
    if value in (None, ""):
        return value

    secret = _secret(fields, key, str(value))
    return value if secret is None else secret.masked()


def _secret(fields: Fields, key: str, value: str) -> Secret | None:
    """Return what is secret in the value of an option; None if nothing is."""
    found = find(fields, key)

    if found is None or is_prefix(found[1].key):
        return secret_in(key, value)

    kind = bare_type(found[0].type)
    return kind(value) if isinstance(kind, type) and issubclass(kind, Secret) else None


def _origin(raw: Mapping[str, object], key: str) -> object:
    value = raw.get(key)
    return SecretUrl(str(value)).origin() if value not in (None, "") else None
