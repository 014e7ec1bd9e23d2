"""Notes of the uploads in parts that are under way, kept with the connector: after a crash they say what was its own.

A list of a bucket's uploads names keys and times, and not who has begun them. Notes are a convenience: they never fail.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from streamhouse_connect import ConflictError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from streamhouse_connect import StateStore

__all__ = ["Notes"]

_MOST: Final = 500
_TRIES: Final = 10


class Notes:
    """Keys, and when they were noted, in seconds since the epoch."""

    def __init__(
        self, state: StateStore, bucket: str, log: logging.LoggerAdapter[logging.Logger], clock: Callable[[], float]
    ) -> None:
        self.clock = clock
        self._state = state
        self._name = f"uploads/{bucket}"
        self._log = log
        self._lock = asyncio.Lock()
        self._told = False

    async def all(self) -> dict[str, float]:
        """Return every key that is noted."""
        return await self._change(lambda notes: notes)

    async def add(self, key: str) -> bool:
        """Note a key; tell whether it was noted before, by an upload whose end nobody has seen."""
        before: dict[str, float] = {}

        def added(notes: dict[str, float]) -> dict[str, float]:
            before.clear()
            before.update(notes)
            return notes if key in notes or len(notes) >= _MOST else {**notes, key: self.clock()}

        await self._change(added)
        return key in before

    async def remove(self, key: str) -> None:
        """Forget a key."""
        await self._change(lambda notes: {noted: at for noted, at in notes.items() if noted != key})

    def complain(self, what: str, error: Exception) -> None:
        """Say once that uploads may be left behind."""
        if not self._told:
            self._told = True
            self._log.warning("uploads in parts may be left behind: %s: %s", what, error)

    async def _change(self, change: Callable[[dict[str, float]], dict[str, float]]) -> dict[str, float]:
        async with self._lock:
            try:
                return await self._changed(change)
            except Exception as error:  # noqa: BLE001 - whatever it is: what matters is the object
                self.complain("can't note them", error)
                return {}

    async def _changed(self, change: Callable[[dict[str, float]], dict[str, float]]) -> dict[str, float]:
        tries = _TRIES

        while True:
            tries -= 1
            kept = await self._state.get(self._name)
            notes = _read(kept[0]) if kept else {}
            changed = change(notes)

            if changed == notes:
                return changed

            try:
                await self._state.put(self._name, _written(changed), expected=kept[1] if kept else None)
            except ConflictError:  # another task of this connector was first
                if not tries:
                    raise
            else:
                return changed


def _read(value: bytes) -> dict[str, float]:
    notes: dict[str, float] = json.loads(value)
    return notes


def _written(notes: Mapping[str, float]) -> bytes:
    return json.dumps(notes).encode()
