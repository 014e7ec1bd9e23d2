"""The options of the sink, and the address inside `connection.url`.

Knows nothing of the client library. What is wrong with a URL is said without quoting it: it may hold a password.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import attrs

from streamhouse_connect import Problem, SecretUrl, option
from streamhouse_elasticsearch_sink._ids import JsonField
from streamhouse_elasticsearch_sink._indexes import IndexTemplate

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Address", "ElasticsearchConfig"]

_PORTS: Final = {"http": 80, "https": 443}
_BLANK: Final = re.compile(r"[\s\x00-\x1f\x7f]")


@attrs.frozen(kw_only=True)
class ElasticsearchConfig:
    """The options of `elasticsearch-sink`."""

    connection_url: SecretUrl = option(
        "connection.url",
        default=SecretUrl("http://localhost:9200"),
        doc="Where Elasticsearch answers: http or https, with user:password@ for basic authentication.",
    )
    index_name: str = option(
        "index.name",
        identity=True,
        doc="The index that documents go to; {topic} stands for the record's topic. Upper case is lowered.",
    )
    document_id: str | None = option(
        "document.id",
        default=None,
        identity=True,
        doc="The JSON field whose value is the document's _id, nested as a.b; by default topic+partition+offset.",
    )

    def problems(self) -> Iterator[Problem]:
        """Say what is wrong with an option beyond its type."""
        for key, read in (
            ("connection.url", lambda: Address.of(self.connection_url)),
            ("index.name", lambda: IndexTemplate(self.index_name)),
            ("document.id", lambda: self.document_id and JsonField(self.document_id)),
        ):
            try:
                read()
            except ValueError as error:
                yield Problem(key, str(error))


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
    def of(url: SecretUrl) -> Address:
        """Read a URL.

        :raises ValueError: with a message that completes "connection.url …" and does not quote the URL.
        """
        text = url.reveal().strip()

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
