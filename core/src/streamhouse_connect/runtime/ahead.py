"""Has a sink prepare the batch that it will be given next, while as many as may be are being written.

What becomes of that is the sink's business: the batch will be written whether it could be prepared or not.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from streamhouse_connect.records import Batch
    from streamhouse_connect.sinks import Sink

__all__ = ["Ahead"]


@attrs.define(eq=False)
class Ahead:
    """One batch of a task at most."""

    sink: Sink[Any]
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    @property
    def is_busy(self) -> bool:
        """Whether the sink is still at it."""
        return self._task is not None and not self._task.done()

    def prepare(self, batch: Batch) -> None:
        """Have the batch prepared."""
        self._task = asyncio.create_task(self._prepare(batch))

    async def end(self) -> None:
        """Cut off what is still being prepared."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1.0)

    async def _prepare(self, batch: Batch) -> None:
        with contextlib.suppress(Exception):  # the write meets it again
            await self.sink.prepare(batch)
