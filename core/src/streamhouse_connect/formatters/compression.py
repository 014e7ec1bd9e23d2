"""Compression of a whole file, for formats that have none inside: streamed, and the same bytes for the same content.

Knows nothing of records.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

__all__ = ["Compression", "CompressionOption"]

CompressionOption = Literal["none", "gzip", "zstd"]
"""The type of the option; `Compression.of(config.compression)` makes sense of it."""

_CHUNK: Final = 1 << 20
_GZIP_LEVEL: Final = 6
_MISSING: Final = 'compression "zstd" needs backports.zstd: pip install "streamhouse-connect[zstd]"'


@attrs.frozen
class Compression:
    """How a file is compressed."""

    extension: str
    """What stands behind the format's own, with its dot."""
    content_encoding: str | None
    """What HTTP calls it; None: it is not compressed."""
    _open: Callable[[BinaryIO, str], AbstractContextManager[Any]] | None

    @classmethod
    def of(cls, name: CompressionOption) -> Compression:
        if name == "none":
            return cls("", None, None)

        return cls(".gz", "gzip", _gzip) if name == "gzip" else cls(".zst", "zstd", _zstd)

    @staticmethod
    def missing(name: CompressionOption) -> str | None:
        """Return what to tell a user who lacks the library for it; None if there is nothing to tell."""
        if name == "zstd":
            try:
                _zstd_library()
            except ImportError:
                return _MISSING

        return None

    def write(self, parts: Iterator[bytes], out: BinaryIO) -> None:
        """Write the parts of a file, one after the other."""
        if self._open is None:
            out.writelines(parts)
            return

        with self._open(out, "wb") as file:
            for part in parts:
                file.write(part)

    def read(self, source: BinaryIO) -> Iterator[bytes]:
        """Yield the content of a file in parts.

        :raises ValueError: if it is cut off or damaged, or not compressed in this way.
        """
        if self._open is None:
            yield from iter(lambda: source.read(_CHUNK), b"")
            return

        with self._open(source, "rb") as file:
            while part := _read(file):
                yield part


def _read(file: BinaryIO) -> bytes:
    try:
        return file.read(_CHUNK)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(str(error)) from error
    except Exception as error:
        if type(error).__name__ != "ZstdError":  # its class can't be named where the library is not installed
            raise

        raise ValueError(str(error)) from error


def _gzip(file: BinaryIO, mode: str) -> gzip.GzipFile:
    return gzip.GzipFile(filename="", mode=mode, compresslevel=_GZIP_LEVEL, fileobj=file, mtime=0)


def _zstd(file: BinaryIO, mode: str) -> AbstractContextManager[Any]:
    zstd = _zstd_library()
    options = {zstd.CompressionParameter.checksum_flag: 1} if mode == "wb" else None
    return zstd.ZstdFile(file, mode, options=options)  # type: ignore[no-any-return]  # the library is Any, see there


def _zstd_library() -> Any:
    """Return the standard library's module, or its twin for the versions of Python that lack it."""
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415 - it may be missing from a build
    else:
        from backports import zstd  # noqa: PLC0415 - it is an extra

    return zstd
