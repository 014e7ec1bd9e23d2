from __future__ import annotations

import ssl

import elastic_transport
import elasticsearch
import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig

from streamhouse_connect import DeliveryError, FatalError, RejectedBatch, RetriableError
from streamhouse_elasticsearch_sink._config import Address
from streamhouse_elasticsearch_sink._errors import CLIENT_ERRORS, translated

ADDRESS = Address("https", "es", 9200, user="u", password="s3cret")


def refused(status: int, body: object = b"") -> elasticsearch.ApiError:
    node = NodeConfig("https", "es", 9200)
    meta = ApiResponseMeta(status=status, http_version="1.1", headers=HttpHeaders(), duration=0.1, node=node)
    return elasticsearch.ApiError("", meta, body)


@pytest.mark.parametrize(
    "error",
    [
        found
        for module in (elastic_transport, elasticsearch)
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, Warning)
    ],
)
def test_no_client_error_is_unmapped(error: type[Exception]):
    """Every exception of the client library is caught by its roots and says what the runtime shall do."""
    assert issubclass(error, CLIENT_ERRORS)
    instance = error("", refused(418).meta, b"") if issubclass(error, elastic_transport.ApiError) else error("")
    assert isinstance(translated(instance, ADDRESS), RetriableError | FatalError)


def test_no_status_is_unmapped():
    """Whatever a server or a proxy answers, with words or without, has one meaning."""
    for status in range(300, 600):
        expected: type[DeliveryError] = RetriableError if status >= 500 or status in (408, 425, 429) else FatalError
        assert type(translated(refused(status), ADDRESS)) is expected
        assert type(translated(refused(status, {"not": "bytes"}), ADDRESS)) is expected


def test_a_bad_request_in_elasticsearchs_words_is_a_documents_fault():
    """And only then: without them it is a proxy's."""
    assert type(translated(refused(400, b'{"error":{"type":"t","reason":"r"}}'), ADDRESS)) is RejectedBatch


def test_a_certificate_that_is_not_trusted_is_fatal():
    """Waiting does not make it trusted; another trouble with TLS may pass."""
    error = elastic_transport.TlsError("")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    assert type(translated(error, ADDRESS)) is FatalError
    error.__cause__ = ssl.SSLError("handshake failure")
    assert type(translated(error, ADDRESS)) is RetriableError
