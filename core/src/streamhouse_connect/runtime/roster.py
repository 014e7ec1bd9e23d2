"""The connectors of a worker by their names: those that it runs, and those whose definitions can't be read."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.errors import ConflictError, FatalError
from streamhouse_connect.runtime.editor import unknown_connector
from streamhouse_connect.runtime.sources import extents
from streamhouse_connect.runtime.states import State

if TYPE_CHECKING:
    from streamhouse_connect.brokers import Broker
    from streamhouse_connect.metrics import ConnectorSample
    from streamhouse_connect.runtime.info import ConnectorInfo
    from streamhouse_connect.runtime.looking import Lookout
    from streamhouse_connect.runtime.peers import Peers
    from streamhouse_connect.runtime.reconciler import Reconciler, Running

__all__ = ["Roster"]

_LOOK_SECONDS: Final = 0.02
_SHARED_LOOK_SECONDS: Final = 0.2


@attrs.frozen(eq=False)
class Roster:
    """Finds connectors, and what there is to see of them."""

    broker: Broker
    reconciler: Reconciler
    lookout: Lookout
    peers: Peers

    async def find(self, name: str) -> Running:
        """Return what runs here under a name.

        :raises NotFoundError: with the code `unknown_connector`.
        :raises ConflictError: with the code `definition_damaged`.
        """
        if name not in self.reconciler.running:
            await self.peers.catch_up(name)  # another worker may have made it just now

        if reason := self.reconciler.damaged.get(name):
            raise ConflictError(reason, code="definition_damaged")

        if name not in self.reconciler.running:
            raise unknown_connector(name)

        return self.reconciler.running[name]

    async def get(self, name: str) -> ConnectorInfo:
        """Return one connector; one whose definition can't be read, too.

        :raises NotFoundError: with the code `unknown_connector`.
        """
        try:
            return await self.lookout.look(await self.find(name))
        except ConflictError as error:
            return self.lookout.unreadable(name, str(error))

    async def all(self) -> list[ConnectorInfo]:
        """Return every connector, by name."""
        seen = await asyncio.gather(*map(self.lookout.look, self.reconciler.running.values()))
        unreadable = itertools.starmap(self.lookout.unreadable, self.reconciler.damaged.items())
        return sorted((*seen, *unreadable), key=lambda info: info.name)

    def samples(self) -> list[ConnectorSample]:
        """Return what the metrics say of every connector, by name; from any thread."""
        running, damaged = self.reconciler.running, self.reconciler.damaged
        samples = [*map(self.lookout.sample, list(running.values())), *map(self.lookout.unreadable_sample, damaged)]
        return sorted(samples, key=lambda sample: sample.connector)

    async def drained(self, name: str) -> None:
        """See `Worker.drained`."""
        present = await extents((await self.find(name)).subscription, self.broker)
        ends = {extent.tp: extent.end for extent in present if extent.end > extent.start}

        while True:
            running = await self.find(name)
            committed = await self.lookout.committed(running)

            if not any(extent.lag(committed) for extent in present):
                return

            if (tasks := await self.lookout.tasks(running)).state is State.FAILED:
                raise FatalError(f"connector {name} has failed: {tasks.error}")

            running.connector.drain(ends)
            await asyncio.sleep(_SHARED_LOOK_SECONDS if self.broker.shares_partitions else _LOOK_SECONDS)
