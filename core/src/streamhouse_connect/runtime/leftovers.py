"""What deleted connectors leave at the broker: their commits, which can be deleted once every worker has let go of the group.

Nobody depends on it: a connector that is made again under the same name does not take the commits of the former one for its own.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.errors import DeliveryError
from streamhouse_connect.runtime.journal import tell
from streamhouse_connect.runtime.sources import group_of

if TYPE_CHECKING:
    from streamhouse_connect.brokers import Broker
    from streamhouse_connect.definitions import DefinitionStore
    from streamhouse_connect.runtime.reconciler import Reconciler

__all__ = ["Leftovers"]

_PATIENCE_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.2
_LATER_SECONDS: Final = 1.0
_TRIES: Final = 60


@attrs.frozen(eq=False)
class Leftovers:
    """Forgets commits: at once if that can be, else a little later."""

    broker: Broker
    definitions: DefinitionStore
    reconciler: Reconciler
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)

    async def forget(self, connector: str) -> None:
        """Forget what a connector has committed that was just deleted; hold its name's lock."""
        if await self._has_forgotten(connector, within=_PATIENCE_SECONDS):
            return

        task = asyncio.create_task(self._forget_later(connector))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let the rest be."""
        for task in self._tasks:
            task.cancel()

        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _forget_later(self, connector: str) -> None:
        for _ in range(_TRIES):
            await asyncio.sleep(_LATER_SECONDS)

            async with self.reconciler.lock(connector):
                is_settled = await self._is_defined(connector) or await self._has_forgotten(
                    connector, within=_LATER_SECONDS
                )

            if is_settled:
                return

        tell(connector, "offsets_left_behind", level=logging.WARNING)

    async def _is_defined(self, connector: str) -> bool:
        try:
            return any(found.name == connector for found in await self.definitions.all())
        except (DeliveryError, ConnectionError, TimeoutError):
            return False

    async def _has_forgotten(self, connector: str, *, within: float) -> bool:
        """Try for so many seconds."""
        try:
            async with asyncio.timeout(within):
                while True:
                    try:
                        await self.broker.delete_group(group_of(connector))
                    except (DeliveryError, ConnectionError):
                        await asyncio.sleep(_LOOK_SECONDS)
                    else:
                        return True
        except TimeoutError:
            return False
