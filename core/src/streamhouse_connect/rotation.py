"""Rotation by the size of files: how many bytes of records make a file of the size that is wanted. Pure.

How large a file becomes is known once it has been formatted. So batches are cut by what the files before them have shown, at first
as if a byte made a byte. Where that was too little the records wait for more, and where it was too much the file is formatted
again with fewer of them:

    cut → format ──too small, though cut by size──→ learn, wait for more
                 ──too large──→ format a shorter part, the rest waits
                 ──else──→ learn, done

Knows nothing of formats; sizes are estimates where a batch's are.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhouse_connect.records import Batch, TopicPartition

__all__ = ["Rotation"]

_LEAST, _MOST = 0.9, 1.1
"""A file is of the size that is wanted if its size is between these shares of it."""

_AIM: Final = 1.03
"""Batches are cut for files of this share: it is cheaper to take records away than to wait for more, and format all again."""

_CUT_BY_SIZE: Final = 0.9
"""A batch of this share of the size at which it was to be cut was cut because of it, give or take a record.

It is more than `_LEAST / _AIM`: no batch can be found to be too small twice.
"""

_MAX_ROUTES: Final = 10_000
_TRIES: Final = 8


@attrs.define
class Rotation:
    """Learns from the files of one sink; may be used by several threads."""

    file_bytes: int
    _routes: dict[tuple[TopicPartition, str], float] = attrs.field(factory=dict, init=False)
    """Partition and path → bytes of file for a byte of its records; what was written last comes last."""
    _topics: dict[str, float] = attrs.field(factory=dict, init=False)
    """The same of a topic's last file, for routes that have none yet."""
    _guard: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def batch_bytes(self, tp: TopicPartition, path: str) -> int:
        """Return the size at which batches of a route are to be cut; it changes with the route's own files only."""
        ratio = self._routes.get((tp, path)) or self._note(tp, path, self._topics.get(tp.topic, 1.0))
        return max(1, int(_AIM * self.file_bytes / ratio))

    def fit(self, batch: Batch, format_: Callable[[Batch], memoryview]) -> tuple[Batch, memoryview] | None:
        """Format as many of the records, from the first on, as make a file of the size that is wanted; at least one.

        None: there are too few of them, though they were thought to be enough, and more can be waited for.
        """
        body = format_(batch)
        was_cut_by_size = batch.nbytes >= _CUT_BY_SIZE * self.batch_bytes(batch.spans[0].tp, batch.path)

        if was_cut_by_size and len(body) < _LEAST * self.file_bytes:
            self._learn(batch, len(body))
            return None

        if len(body) > _MOST * self.file_bytes:
            batch, body = self._shortened(batch, body, format_)

        if len(body) >= _LEAST * self.file_bytes:
            self._learn(batch, len(body))

        return batch, body

    def _shortened(
        self, batch: Batch, body: memoryview, format_: Callable[[Batch], memoryview]
    ) -> tuple[Batch, memoryview]:
        """Format parts until one is of the size; sizes between two that are known are taken to be in proportion to the records."""
        best = (batch, body)
        fewer, fewer_bytes = 0, 0
        more, more_bytes = len(batch), len(body)

        for _ in range(_TRIES):
            if more - fewer < 2:  # noqa: PLR2004 - there is none between them
                break

            share = (self.file_bytes - fewer_bytes) / (more_bytes - fewer_bytes)
            count = min(max(fewer + round((more - fewer) * share), fewer + 1), more - 1)
            part = batch[:count]
            body = format_(part)

            if len(body) > _MOST * self.file_bytes:
                more, more_bytes = count, len(body)
                best = best if fewer else (part, body)
                continue

            fewer, fewer_bytes = count, len(body)
            best = (part, body)

            if len(body) >= _LEAST * self.file_bytes:
                break

        return best

    def _learn(self, batch: Batch, file: int) -> None:
        """Note what a batch of a good size has shown; a small one, written because of its age, would say little."""
        tp = batch.spans[0].tp
        self._topics[tp.topic] = self._note(tp, batch.path, max(file, 1) / max(batch.nbytes, 1))

    def _note(self, tp: TopicPartition, path: str, ratio: float) -> float:
        with self._guard:
            self._routes.pop((tp, path), None)
            self._routes[tp, path] = ratio

            if len(self._routes) > _MAX_ROUTES:
                del self._routes[next(iter(self._routes))]

        return ratio
