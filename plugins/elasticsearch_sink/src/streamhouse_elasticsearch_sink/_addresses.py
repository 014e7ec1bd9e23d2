"""The addresses in `connection.url`, apart from the credentials that may stand in the same URL.

What is wrong with a URL is said without quoting it: it may hold a password.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import attrs

if TYPE_CHECKING:
    from streamhouse_connect import SecretUrl

__all__ = ["Address", "addresses", "label"]

_PORTS: Final = {"http": 80, "https": 443}
_BLANK: Final = re.compile(r"[\s\x00-\x1f\x7f]")
# A comma in a password is no separator: only what begins a URL of its own follows one.
_NEXT: Final = re.compile(r"\s*,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)")


@attrs.frozen
class Address:
    """A server's address, taken apart from the credentials that stand in the same URL."""

    scheme: str
    host: str
    port: int
    path: str = ""
    user: str | None = None
    password: str = attrs.field(default="", repr=False)

    @staticmethod
    def of(text: str) -> Address:
        """Read a URL.

        :raises ValueError: with a message that completes "connection.url …" and does not quote the URL.
        """
        if _BLANK.search(text):
            raise ValueError("must not hold spaces, line breaks or control characters")

        try:
            parts = urlsplit(text)
            host, port, user, password = parts.hostname, parts.port, parts.username, parts.password
        except ValueError:
            raise ValueError(
                "is not a URL such as http://user:password@host:9200; "
                "write special characters of user and password as %XX (@ is %40, / is %2F)"
            ) from None

        if parts.scheme not in _PORTS:
            raise ValueError("must start with http:// or https://")

        # What follows the host is never a secret, unless an unencoded / ? or # cut a password in two.
        if "@" in parts.path or parts.query or parts.fragment:
            raise ValueError(
                "must be no more than scheme, credentials, host, port and path; "
                "write special characters of user and password as %XX (@ is %40, / is %2F, ? is %3F, # is %23)"
            )

        if host and "," in host:
            raise ValueError("must name each of several nodes by a URL of its own: http://one:9200,http://other:9200")

        if not host or port == 0:
            raise ValueError("names no host or no usable port; write it as http://host:9200")

        return Address(
            scheme=parts.scheme,
            host=host,
            port=port or _PORTS[parts.scheme],
            path=parts.path.rstrip("/"),
            user=None if user is None and password is None else unquote(user or ""),
            password=unquote(password or ""),
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def addresses(url: SecretUrl) -> tuple[Address, ...]:
    """Read one URL, or several with commas between them, which are nodes of one cluster.

    :raises ValueError: with a message that completes "connection.url …" and does not quote the URL.
    """
    found = tuple(Address.of(text) for text in _NEXT.split(url.reveal().strip()))

    # The mask of a URL covers the password of one; of several it would cover hosts as well.
    if len(found) > 1 and any(address.user is not None for address in found):
        raise ValueError(
            "must not hold credentials when it names several nodes; use connection.username and connection.password"
        )

    if len({str(address) for address in found}) < len(found):
        raise ValueError("names a node twice")

    return found


def label(nodes: tuple[Address, ...]) -> str:
    """Return how messages name the nodes."""
    return ", ".join(map(str, nodes))
