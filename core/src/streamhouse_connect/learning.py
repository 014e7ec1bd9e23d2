"""Learning: what a formatter learns of a topic's records is durable before a file that depends on it can be seen.

    get → adopt → format → learned something? ──no──→ the file
      ↑                        └──yes──→ put ──stored──→ the file
      └──────── somebody was first ──────┘

Whatever is written after a crash, or by another worker, therefore starts from all that was known when the last file was
written; and what is rejected by a schema is rejected by one that is kept. Knows nothing of what it is that formatters learn.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from streamhouse_connect.errors import ConflictError, RejectedRecords

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhouse_connect.formatters import Formatter
    from streamhouse_connect.records import Batch
    from streamhouse_connect.sinks import SinkContext

__all__ = ["Learning"]

R = TypeVar("R")


class Learning:
    """Formats the batches of one connector, several at a time if need be."""

    def __init__(self, formatter: Formatter[Any], context: SinkContext) -> None:
        self._formatter = formatter
        self._context = context
        self._adopted: dict[str, bytes] = {}
        self._slots = nullcontext() if formatter.at_once is None else asyncio.Semaphore(formatter.at_once)

    async def format(self, batch: Batch, write: Callable[[Batch], R]) -> R:
        """Return what `write`, which blocks, makes of the batch with the formatter.

        :raises FatalError: if what was kept can't be read.
        """
        if not self._formatter.learns:
            return await self._made(batch, write)

        topic = batch.spans[0].tp.topic
        key = f"schema:{self._formatter.name}:{self._context.topic_ids[topic]}"

        while True:
            found = await self._context.state.get(key)
            kept, version = found or (None, None)

            if kept is not None and kept != self._adopted.get(topic):
                await asyncio.to_thread(self._formatter.adopt, topic, kept)
                self._adopted[topic] = kept

            try:
                body = await self._made(batch, write)
            except RejectedRecords:
                if await self._is_kept(key, topic, kept, version):
                    raise

                continue

            if await self._is_kept(key, topic, kept, version):
                return body

    async def _made(self, batch: Batch, write: Callable[[Batch], R]) -> R:
        async with self._slots:
            return await asyncio.to_thread(write, batch)

    async def _is_kept(self, key: str, topic: str, kept: bytes | None, version: int | None) -> bool:
        """Keep what has been learned by now; False if somebody else was first."""
        learned = self._formatter.learned(topic)

        if learned is None or learned == kept:
            return True

        try:
            await self._context.state.put(key, learned, expected=version)
        except ConflictError:
            return False

        return True
