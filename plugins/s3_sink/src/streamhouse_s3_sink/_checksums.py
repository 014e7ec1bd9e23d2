"""The CRC32C that S3 checks a body against."""

from __future__ import annotations

import base64

__all__ = ["crc32c"]


def crc32c(body: bytes | memoryview) -> str:
    """Return the checksum as S3 writes it: the base64 of four bytes."""
    import crc32c as implementation  # noqa: PLC0415 - only those who ask for checksums need it

    return base64.b64encode(implementation.crc32c(body).to_bytes(4, "big")).decode()
