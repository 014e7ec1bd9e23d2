"""What all tasks of a connector agree on, in its small durable state. Knows nothing of what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
import msgspec

from streamhouse_connect import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhouse_connect import StateStore

__all__ = ["Agreement"]

T = TypeVar("T")


@attrs.frozen
class Agreement(Generic[T]):
    """A value that each task may change."""

    key: str
    kind: type[T]
    """Called without arguments it makes what there is at first."""

    async def read(self, state: StateStore) -> T:
        """Return what is agreed."""
        return (await self._load(state))[0]

    async def change(self, state: StateStore, changed: Callable[[T], T]) -> T:
        """Let `changed` make another value of what is agreed, keep it, and return it; where another task is first, again."""
        while True:
            before, version = await self._load(state)
            after = changed(before)

            if after == before:
                return after

            try:
                await state.put(self.key, msgspec.json.encode(after), expected=version)
            except ConflictError:
                continue

            return after

    async def _load(self, state: StateStore) -> tuple[T, int | None]:
        found = await state.get(self.key)
        return (self.kind(), None) if found is None else (msgspec.json.decode(found[0], type=self.kind), found[1])
