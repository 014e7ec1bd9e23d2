"""How TLS is spoken: whose certificates are trusted, and what we show of ourselves."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING

import certifi

from streamhouse_connect import FatalError

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamhouse_elasticsearch_sink._connection_options import ConnectionOptions

__all__ = ["tls"]


def tls(options: ConnectionOptions) -> ssl.SSLContext:
    """Read the files that the options name.

    :raises FatalError: if one is missing or is not what it should be.
    """
    context = _pinned(options.pins) if options.pins else _verifying()

    if options.ca_file:
        try:
            context.load_verify_locations(cafile=options.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable("connection.ca.file", options.ca_file, "certificates", error) from error

    if options.certificate_file:
        password = options.key_password.reveal() if options.key_password else ""

        try:
            context.load_cert_chain(options.certificate_file, options.key_file, password=password)
        except (OSError, ssl.SSLError) as error:
            files = " and ".join(filter(None, (options.certificate_file, options.key_file)))
            what = "a certificate and its key"
            raise _unreadable("connection.certificate.file", files, what, error) from error

    return context


def _unreadable(key: str, file: str, what: str, error: OSError) -> FatalError:
    return FatalError(f"{key}: can't read {what} from {file}: {error.strerror or error}")


def _verifying() -> ssl.SSLContext:
    """Trust the system's authorities, and the ones that browsers trust, as the client library does."""
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=certifi.where())
    return context


def _pinned(pins: Collection[bytes]) -> ssl.SSLContext:
    """Trust a certificate of one of these SHA-256 fingerprints, whoever signed it, and no other.

    The server's own certificate is compared, of which the handshake proves that the server has the key; of the others in a
    chain it proves nothing.
    """

    class PinnedObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            fingerprint = hashlib.sha256(self.getpeercert(binary_form=True) or b"").digest()

            if fingerprint not in pins:
                raise ssl.SSLCertVerificationError(
                    f"its fingerprint is {fingerprint.hex(':')}, which connection.fingerprint does not name"
                )

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslobject_class = PinnedObject
    return context
