"""What of a connector's configuration may be shown, and how an answer that was sent back gets its secrets again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.config import bare_type, declared, excerpt, find, is_prefix
from streamhouse_connect.errors import ConfigError, Problem
from streamhouse_connect.secrets import LEADS_SOMEWHERE, MASK, Secret, SecretUrl, secret_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamhouse_connect.config import Fields

__all__ = ["mask", "restore"]

_NAMED: Final = 5


def mask(classes: Sequence[type], raw: Mapping[str, object]) -> dict[str, object]:
    """Return `raw` as it may be shown; what nobody has declared is masked if it sounds secret: it may be misspelt."""
    fields = declared(classes)
    return {key: _shown(key, value, fields) for key, value in raw.items()}


def restore(classes: Sequence[type], raw: Mapping[str, object], stored: Mapping[str, object]) -> dict[str, object]:
    """Put the stored secrets back where `raw`, an answer that was sent back, holds masks.

    A secret is only put back while every URL among the options keeps its scheme, user, host and port, and what it says
    about TLS: otherwise a
    stranger could have a secret sent to a server of their own. Of properties that go to a client library, and of options
    that nobody has declared, all must be kept that may lead it elsewhere. What is not secret is taken as it is.

    :raises ConfigError: naming each key whose mask can't be replaced.
    """
    fields = declared(classes)
    moved = _Moves(fields, raw, stored)
    restored = dict(raw)
    problems = []

    for key, value in raw.items():
        masked = _secret(fields, key, value) if isinstance(value, str) and MASK in value else None

        if masked is None or not masked.is_masked:
            continue

        kept = _secret(fields, key, str(stored[key])) if key in stored and not moved.of(key) else None
        secret = masked.restored(kept) if type(kept) is type(masked) else None

        if secret is None:
            problems.append(Problem(f"config.{key}", _why_not_restored(key, stored, moved.of(key))))
        else:
            restored[key] = stored[key] if secret is kept else secret.reveal()

    if problems:
        raise ConfigError(excerpt(problems, field="config"))

    return restored


@attrs.frozen
class _Moves:
    """Which options would send secrets elsewhere than before."""

    fields: Fields
    raw: Mapping[str, object]
    stored: Mapping[str, object]
    _of_prefix: dict[str | None, list[str]] = attrs.field(factory=dict, init=False)

    def of(self, key: str) -> list[str]:
        """Return the options that send the secret of `key` elsewhere."""
        found = find(self.fields, key)
        prefix = "" if found is None else found[1].key if is_prefix(found[1].key) else None

        if prefix not in self._of_prefix:
            self._of_prefix[prefix] = self._urls() if prefix is None else self._properties(prefix)

        return self._of_prefix[prefix]

    def _urls(self) -> list[str]:
        urls = [key for key, (field, _) in self.fields.items() if bare_type(field.type) is SecretUrl]
        return [url for url in urls if _origin(self.raw, url) != _origin(self.stored, url)]

    def _properties(self, prefix: str) -> list[str]:
        """Compare the properties of a prefix; none: what nobody has declared, and the URLs that somebody has."""
        ours = (key for key in sorted({*self.raw, *self.stored}) if key.startswith(prefix))
        moved = [
            key
            for key in ours
            if (prefix or find(self.fields, key) is None)
            and self._leads_somewhere(key)
            and self._shown(key, self.raw) != self._shown(key, self.stored)
        ]
        return moved if prefix else [*self._urls(), *moved]

    def _leads_somewhere(self, key: str) -> bool:
        return LEADS_SOMEWHERE.search(key) is not None or "://" in f"{self.raw.get(key)} {self.stored.get(key)}"

    def _shown(self, key: str, options: Mapping[str, object]) -> object:
        return _shown(key, options.get(key), self.fields)


def _why_not_restored(key: str, stored: Mapping[str, object], moved: Sequence[str]) -> str:
    if key not in stored:
        return "is masked, but no secret is stored for it; give the secret itself"

    names = ", ".join(moved[:_NAMED]) + (", …" if len(moved) > _NAMED else "")
    where = f" of {names}" if moved else ""
    return f"is masked, and scheme, user, host, port or TLS parameters{where} changed; give the secret again"


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

    if value in (None, ""):
        return None

    url = SecretUrl(str(value))
    return url.origin() or url.masked()  # of what is not one URL, such as several, all of it has to stay
