"""What the transport raises, and what a node answers to a whole request, in the runtime's terms; the only place that knows both.

    the request never arrived, or its answer did not       RetriableError: ids make writing twice harmless
    400 in Elasticsearch's words                            RejectedBatch: some document broke the request
    400 that no document can be the cause of                FatalError: somebody has to change something
    401, 403, redirects, a certificate                      FatalError too
    429                                                     TooBusy, a RetriableError: fewer at once, and again
    5xx, 408, 403 cluster_block_exception                   RetriableError

Messages hold addresses and Elasticsearch's own words, but neither credentials nor documents, nor what somebody else answers.
"""

from __future__ import annotations

import re
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import aiohttp
import attrs
from elastic_transport import ConnectionTimeout, TlsError

from streamhouse_connect import DeliveryError, FatalError, RejectedBatch, RetriableError
from streamhouse_elasticsearch_sink._answers import BROKEN, BUSY, SUCCESS, failure
from streamhouse_elasticsearch_sink._limit import TooBusy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elastic_transport import TransportError

__all__ = ["Answer", "refused", "translated"]

_MAX_WAIT: Final = 60.0
_LATER: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY)
_REDIRECTS: Final = range(300, 400)

_WORDS: Final = {
    401: "refuses the credentials; check those of connection.url, connection.username, connection.api.key or "
    "connection.bearer.token",
    403: "does not allow this; give the user the right to write to the index (and to create it)",
    404: "has no such page; check the host, port and path of connection.url",
    405: "does not know this request; is connection.url the address of Elasticsearch 8 or later, or of OpenSearch?",
    406: "does not speak this protocol; is connection.url the address of Elasticsearch 8 or later, or of OpenSearch?",
    407: "stands behind a proxy that asks for credentials; give an address that needs none",
}


@attrs.frozen
class Answer:
    """What a node answered to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the request was done."""
        return self.status in SUCCESS


def translated(error: TransportError, where: str) -> DeliveryError:
    """Return what the runtime shall make of a request without an answer."""
    if isinstance(error, ConnectionTimeout):
        return RetriableError(f"{where} did not answer in time")

    if isinstance(error, TlsError):
        return _insecure(error, where)

    # The words of these quote the answer.
    if isinstance(error.__cause__, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return RetriableError(
            f"{where} gave an ambiguous answer, cut off or not in HTTP's form; written or not, it is sent again"
        )

    return RetriableError(f"can't reach {where}: {_cause(error)}")


def refused(answer: Answer, where: str) -> DeliveryError:
    """Return what the runtime shall make of a refusal of a whole request."""
    status = answer.status
    why = failure(answer.body)
    says = f"{where} answers HTTP {status}" + (f", {why}" if why else "")

    if status == BUSY:
        return TooBusy(says, retry_after=_retry_after(answer))

    if status in _LATER or status >= BROKEN or (why and why.is_transient):
        return RetriableError(says, retry_after=_retry_after(answer))

    if status in _REDIRECTS:
        return FatalError(f"{says}, a redirect, which is not followed; put the final address in connection.url")

    # Without Elasticsearch's words a 400 is a proxy's or another server's, and no document is to blame.
    if status == HTTPStatus.BAD_REQUEST and why:
        if why.is_blocking:
            return FatalError(
                f"{says}: no document is to blame; change the server's settings, or the connector's options"
            )

        if why.type != "media_type_header_exception":
            return RejectedBatch(str(why))

    return FatalError(f"{says}: it {_WORDS.get(status, 'does not take this request; check connection.url')}")


def _insecure(error: TlsError, where: str) -> DeliveryError:
    if isinstance(error.__cause__, ssl.CertificateError):
        return FatalError(
            f"{where} has a certificate that is not trusted: {_cause(error)} "
            "(name its authority in connection.ca.file, or its own connection.fingerprint)"
        )

    return RetriableError(f"can't speak TLS with {where}: {_cause(error)}")


def _cause(error: Exception) -> str:
    """Return the operating system's words: the client's own only add the address, and lose `errors` on the way."""
    cause = error.__cause__ or error
    inner = getattr(cause, "certificate_error", None) or getattr(cause, "os_error", None) or cause.__cause__ or cause
    return str(inner) or type(inner).__name__


def _retry_after(answer: Answer) -> float | None:
    seconds = answer.headers.get("retry-after") or ""
    return min(float(seconds), _MAX_WAIT) if re.fullmatch(r"[0-9]{1,9}", seconds, re.ASCII) else None
