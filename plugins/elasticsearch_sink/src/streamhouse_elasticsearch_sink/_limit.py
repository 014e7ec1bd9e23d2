"""How many requests may be on their way at once: lowered at once where the server is too busy, raised again slowly.

    most ── too busy: half as many ──▶ … ──▶ 1 ── so many good answers in a row: one more ──▶ … ──▶ most

Knows nothing of requests.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect import RetriableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["Limit", "TooBusy", "Turn"]

_GOOD: Final = 10
"""The number of good answers in a row that raise the limit by one."""


class TooBusy(RetriableError):  # noqa: N818 - what the server is
    """The server has more to do than it can."""


@attrs.define
class Turn:
    """One request's way there and back."""

    was_refused: bool = False
    """To be set where the answer says that the server was too busy; to raise `TooBusy` says it too."""


class Limit:
    """Lets `most` requests or fewer pass at once, and learns from their answers; `changed` is told the new number."""

    def __init__(self, most: int, *, changed: Callable[[int], None]) -> None:
        self.current = most
        self._most = most
        self._changed = changed
        self._under_way = 0
        self._freed = asyncio.Event()
        self._good = 0
        self._changes = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait until one more request may be sent."""
        while self._under_way >= self.current:
            self._freed.clear()
            await self._freed.wait()

        self._under_way += 1
        turn = Turn()
        sent_after = self._changes

        try:
            yield turn
        except TooBusy:
            self._refused(sent_after)
            raise
        else:
            if turn.was_refused:
                self._refused(sent_after)
            else:
                self._taken()
        finally:
            self._under_way -= 1
            self._freed.set()

    def _taken(self) -> None:
        self._good += 1

        if self.current < self._most and self._good >= _GOOD:
            self._set(self.current + 1)

    def _refused(self, sent_after: int) -> None:
        # What was sent before the last change says nothing about what is right since.
        if sent_after != self._changes:
            return

        self._good = 0

        if self.current > 1:
            self._set(self.current // 2)

    def _set(self, limit: int) -> None:
        self.current = limit
        self._changes += 1
        self._good = 0
        self._changed(limit)
