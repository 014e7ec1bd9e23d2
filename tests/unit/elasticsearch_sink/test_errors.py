from __future__ import annotations

import ssl

import elastic_transport
import pytest

from streamhouse_connect import DeliveryError, FatalError, RejectedBatch, RetriableError
from streamhouse_elasticsearch_sink._errors import Answer, refused, translated
from streamhouse_elasticsearch_sink._limit import TooBusy

WHERE = "Elasticsearch at https://es:9200"


def refusal(status: int, body: bytes = b"") -> Answer:
    return Answer(status, {}, body)


@pytest.mark.parametrize(
    "error",
    [
        found
        for found in vars(elastic_transport).values()
        if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, Warning)
    ],
)
def test_no_transport_error_is_unmapped(error: type[Exception]):
    """Every exception of the transport, but the one that it never raises, is caught by its root and says what the runtime shall do."""
    if error is elastic_transport.ApiError:  # raised by the client above it, which has no part in this
        return

    assert issubclass(error, elastic_transport.TransportError)
    assert isinstance(translated(error(""), WHERE), RetriableError)


def test_no_status_is_unmapped():
    """Whatever a server or a proxy answers, with words or without, has one meaning."""
    for status in range(300, 600):
        expected: type[DeliveryError] = RetriableError if status >= 500 or status in (408, 425) else FatalError
        expected = TooBusy if status == 429 else expected
        assert type(refused(refusal(status), WHERE)) is expected
        assert type(refused(refusal(status, b"<html>"), WHERE)) is expected


def test_a_bad_request_in_elasticsearchs_words_is_a_documents_fault():
    """And only then: without them it is a proxy's."""
    assert type(refused(refusal(400, b'{"error":{"type":"t","reason":"r"}}'), WHERE)) is RejectedBatch


def test_a_certificate_that_is_not_trusted_is_fatal():
    """Waiting does not make it trusted; another trouble with TLS may pass."""
    error = elastic_transport.TlsError("")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    assert type(translated(error, WHERE)) is FatalError
    error.__cause__ = ssl.SSLError("handshake failure")
    assert type(translated(error, WHERE)) is RetriableError
