"""The options of the connection: which nodes, who we are, whom we trust, how long we wait, how much we ask at once.

Knows nothing of the client library.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect import Problem, Secret, SecretUrl, option
from streamhouse_elasticsearch_sink._addresses import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ConnectionOptions"]

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_FINGERPRINT: Final = re.compile(r"(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class ConnectionOptions:
    """How the cluster is reached."""

    connection_url: SecretUrl = option(
        "connection.url",
        default=SecretUrl("http://localhost:9200"),
        doc="Where Elasticsearch or OpenSearch answers, http or https: one node, or several of a cluster with commas between "
        "them; one may have user:password@ for basic authentication.",
    )
    username: str | None = option(
        "connection.username", default=None, doc="The user, for basic authentication, with connection.password."
    )
    password: Secret | None = option("connection.password", default=None, doc="The password of connection.username.")
    api_key: Secret | None = option(
        "connection.api.key",
        default=None,
        doc="The API key to authenticate with: as Elasticsearch encodes it, or id:api_key.",
    )
    bearer_token: Secret | None = option(
        "connection.bearer.token",
        default=None,
        doc="The token to authenticate with: of a service account, or of OAuth.",
    )
    ca_file: str | None = option(
        "connection.ca.file", default=None, doc="A PEM file of authorities to trust besides those of the system."
    )
    certificate_file: str | None = option(
        "connection.certificate.file",
        default=None,
        doc="A PEM file with our own certificate, and its key if that has no file.",
    )
    key_file: str | None = option(
        "connection.key.file", default=None, doc="A PEM file with the key of connection.certificate.file."
    )
    key_password: Secret | None = option(
        "connection.key.password", default=None, doc="What the key of connection.certificate.file is encrypted with."
    )
    fingerprints: tuple[str, ...] = option(
        "connection.fingerprint",
        default=(),
        doc="SHA-256 fingerprints of the nodes' own certificates, which are trusted whoever signed them; no others are then.",
    )
    connect_timeout_ms: int = option(
        "connection.timeout.ms", default=30_000, minimum=1, doc="How long a connection may take to be made, with TLS."
    )
    request_timeout_ms: int = option(
        "request.timeout.ms",
        default=30_000,
        minimum=1,
        doc="How long a request may take from its first byte to the last of its answer; then it is sent again.",
    )
    max_in_flight: int = option(
        "max.in.flight",
        default=2,
        minimum=1,
        maximum=64,
        doc="How many bulk requests are on their way at once, for each task; fewer while the server says that it is too busy.",
    )

    @property
    def pins(self) -> frozenset[bytes]:
        """The fingerprints that are trusted."""
        return frozenset(bytes.fromhex(text.replace(":", "")) for text in self.fingerprints)

    @property
    def authorization(self) -> str | None:
        """The header that says who we are; None if nobody has to know."""
        if self.api_key:
            return f"ApiKey {_encoded(self.api_key.reveal())}"

        if self.bearer_token:
            return f"Bearer {self.bearer_token.reveal()}"

        node = addresses(self.connection_url)[0]
        user = node.user if self.username is None else self.username

        if user is None:
            return None

        password = self.password.reveal() if self.password else node.password
        return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"

    def connection_problems(self) -> Iterator[Problem]:
        """Say what is wrong with these options, beyond their types."""
        try:
            nodes = addresses(self.connection_url)
        except ValueError as error:
            yield Problem("connection.url", str(error))
            return

        yield from self._wrong_identity(nodes[0].user)
        yield from self._wrong_tls(has_tls=any(node.scheme == "https" for node in nodes))

    def _wrong_identity(self, user: str | None) -> Iterator[Problem]:
        ways = {
            "connection.url": user,
            "connection.username": self.username,
            "connection.api.key": self.api_key,
            "connection.bearer.token": self.bearer_token,
        }
        given = [key for key, value in ways.items() if value is not None]

        if len(given) > 1:
            yield Problem(given[-1], f"says who we are, and so does {given[0]}; give one of them")

        if (self.username is None) != (self.password is None):
            yield Problem("connection.username", "belongs to connection.password; give both or none")

        for key, secret in (("connection.api.key", self.api_key), ("connection.bearer.token", self.bearer_token)):
            if secret and not _TOKEN.fullmatch(secret.reveal()):
                yield Problem(key, "holds a space, a line break or another character that can't be part of it")

    def _wrong_tls(self, *, has_tls: bool) -> Iterator[Problem]:
        given = {
            "connection.ca.file": self.ca_file,
            "connection.certificate.file": self.certificate_file,
            "connection.fingerprint": self.fingerprints,
        }

        for key in [key for key, value in given.items() if value and not has_tls]:
            yield Problem(key, "has no effect without https:// in connection.url")

        for key, value in (("connection.key.file", self.key_file), ("connection.key.password", self.key_password)):
            if value and not self.certificate_file:
                yield Problem(key, "belongs to connection.certificate.file, which is missing")

        if self.ca_file and self.fingerprints:
            yield Problem("connection.ca.file", "has no effect beside connection.fingerprint; give one of them")

        for text in self.fingerprints:
            if not _FINGERPRINT.fullmatch(text):
                yield Problem(
                    "connection.fingerprint", f"is {text!r}; write 64 hexadecimal digits, with or without colons"
                )


def _encoded(api_key: str) -> str:
    """Encode an API key that is given as its two parts; Base64 has no colon."""
    return b64encode(api_key.encode()).decode() if ":" in api_key else api_key
