"""Body: a file-like view of bytes that says when it is read. Nothing is copied, and no large write blocks the event loop."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Body"]


class Body(io.RawIOBase):
    """What an HTTP client reads, from any thread, while it sends."""

    def __init__(self, content: memoryview, on_read: Callable[[], None]) -> None:
        super().__init__()
        self._content = content
        self._on_read = on_read
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._content)}[whence]
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int | None = -1) -> memoryview:
        self._on_read()
        start = self._position
        stop = len(self._content) if size is None or size < 0 else start + size
        chunk = self._content[start:stop]
        self._position = start + len(chunk)
        return chunk

    def release(self) -> None:
        """Let go of the bytes; clients keep what they have sent in cycles until the garbage collector comes."""
        self._content = memoryview(b"")
