"""Values that must never be shown: how they print, how they are masked in an answer, and what a message must not say.

This module knows nothing of options or connectors; `config` decides which values are secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["LEADS_SOMEWHERE", "MASK", "Redactor", "Secret", "SecretUrl", "secret_in", "sounds_secret"]

MASK: Final = "********"
"""What is shown where a secret stands."""

LEADS_SOMEWHERE: Final = re.compile(r"server|broker|url|host|endpoint|proxy|protocol|ssl|sasl|channel", re.IGNORECASE)
"""Properties of a client library that decide who gets to see the password, and on which way."""

_SENSITIVE = re.compile(r"pass|pasw|pwd|secret|token|credential|key(\.pem)?$|auth(?!bearer)|jaas", re.IGNORECASE)

# The password ends at the last @: an unencoded one may itself hold / or @.
_USERINFO = re.compile(r"(?P<before>://[^:@/?#]*:)(?P<secret>.*)(?P<after>@)", re.DOTALL)
_QUERY = re.compile(r"(?P<before>[?&][^=&#]*(?:password|secret|token|key)=)(?P<secret>[^&#]*)", re.IGNORECASE)


class Secret:
    """A value that prints as a mask; `reveal()` gives it to the client library that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def masked(self) -> str:
        """Return what may be shown."""
        return MASK

    def secrets(self) -> frozenset[str]:
        """Return every text that must not appear in a message, in each spelling a client library may use."""
        return frozenset({self._value} - {""})

    @property
    def is_masked(self) -> bool:
        """Whether this is no secret, but what was shown of one."""
        return self._value == MASK

    def restored(self, stored: Secret) -> Secret | None:
        """Fill in what is masked here from `stored`; None if the two do not belong together."""
        return stored if self.is_masked else self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.masked()!r})"

    def __str__(self) -> str:
        return self.masked()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and other._value == self._value

    def __hash__(self) -> int:
        return hash((type(self), self._value))


class SecretUrl(Secret):
    """A URL whose password, in the user part or in the query, is masked; the rest is shown."""

    __slots__ = ()

    def masked(self) -> str:
        """Return the URL with its passwords masked."""
        value = _USERINFO.sub(rf"\g<before>{MASK}\g<after>", self._value)
        return _QUERY.sub(rf"\g<before>{MASK}", value)

    def secrets(self) -> frozenset[str]:
        """Return the passwords in the URL, as written and decoded."""
        found = [m["secret"] for pattern in (_USERINFO, _QUERY) for m in pattern.finditer(self._value)]
        return frozenset(text for raw in found for text in (raw, unquote(raw), quote(unquote(raw), safe="")) if text)

    def origin(self) -> tuple[str, str | None, str | None, int | None, frozenset[str]] | None:
        """Return scheme, user, host, port, and the parameters about the way there: where, and how safely, the password is sent.

        None for what is not a URL. Several hosts, each with its port, are one host without a port.
        """
        try:
            parts = urlsplit(self.masked())
            hosts = parts.netloc.rpartition("@")[2]

            if "," in hosts and parts.path.startswith("//"):  # several URLs, not one
                return None

            way = frozenset(pair for pair in parts.query.split("&") if LEADS_SOMEWHERE.search(pair.partition("=")[0]))

            if "," in hosts:
                return parts.scheme, parts.username, hosts.lower(), None, way

            return parts.scheme, parts.username, parts.hostname, parts.port, way
        except ValueError:
            return None

    @property
    def is_masked(self) -> bool:
        """Whether a password in it is masked, or holds a mask; elsewhere it may hold what looks like one."""
        return any(MASK in password for password in self.secrets())

    def restored(self, stored: Secret) -> Secret | None:
        """Fill in the masked passwords from `stored`; None unless both have the same `origin`.

        Only a password that is the mask and nothing else is filled in: next to `@host/` readers of URLs disagree on what
        the host is, and one of them might send the password there.
        """
        if not self.is_masked:
            return self

        if not isinstance(stored, SecretUrl) or self.origin() is None or self.origin() != stored.origin():
            return None

        value = self._value

        for pattern in (_USERINFO, _QUERY):
            kept = {m["before"]: m["secret"] for m in pattern.finditer(stored.reveal())}
            value = pattern.sub(lambda m, kept=kept: _filled(m, kept), value)  # type: ignore[misc]  # bound default

        filled = SecretUrl(value)
        return None if filled.is_masked else filled


def _filled(found: re.Match[str], kept: Mapping[str, str]) -> str:
    if found["secret"] != MASK or found["before"] not in kept:
        return found[0]

    return found[0].replace(MASK, kept[found["before"]])


def sounds_secret(name: str) -> bool:
    """Tell whether the value of an option or property of this name is probably secret."""
    return _SENSITIVE.search(name) is not None


def secret_in(name: str, value: str) -> Secret | None:
    """Return what is probably secret in the value of a property that nobody has declared; None if nothing is."""
    if sounds_secret(name):
        return Secret(value)

    return SecretUrl(value) if "://" in value else None


class Redactor:
    """Takes known secrets out of a text."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        texts = {text for secret in secrets for text in secret.secrets()}
        longest_first = sorted(texts, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Return `text` with every known secret masked."""
        return self._pattern.sub(MASK, text) if self._pattern else text
