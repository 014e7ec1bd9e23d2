"""Which definitions were changed, handed from the thread that notices to an event loop that waits."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Changes"]


class Changes:
    """An async iterator over names, for one task; what comes while it is busy is handed over together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._woken = asyncio.Event()
        self._guard = threading.Lock()
        self._names: frozenset[str] = frozenset()
        self._has_ended = False

    def add(self, names: Collection[str]) -> None:
        """Hand names over; from any thread."""
        with self._guard:
            self._names = self._names.union(names)

        self._wake()

    def end(self) -> None:
        """End the iteration; from any thread."""
        self._has_ended = True
        self._wake()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            self._loop.call_soon_threadsafe(self._woken.set)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> frozenset[str]:
        while not self._has_ended:
            await self._woken.wait()
            self._woken.clear()

            with self._guard:
                names, self._names = self._names, frozenset()

            if names:
                return names

        raise StopAsyncIteration
